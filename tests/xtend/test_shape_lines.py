"""The line of a shape: the figures that come out are those that were written."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from regions import Regions

from tasks.xtend.shape_lines import read_shape
from tasks.xtend.shapes import Shape

TOLERANCE = 1e-12
NUMBERS = {"circle": 1, "annulus": 2, "ellipse": 2, "box": 2, "polygon": 0}
MARKS = {'"': 3600, "'": 60, "d": 1}

kinds = st.sampled_from(sorted(NUMBERS))
signs = st.sampled_from(["", "+", "-"])
pixels = st.floats(-3000, 3000)
right_ascensions = st.floats(0, 360, exclude_max=True)
declinations = st.floats(-90, 90)
minutes = st.integers(0, 59)
millionths = st.integers(0, 59_999_999)


@st.composite
def sizes_of(draw: st.DrawFn, kind: str, greatest: float) -> list[float]:
    low, high = 1e-6, greatest
    values = draw(st.lists(st.floats(low, high), min_size=2, max_size=2, unique=True))
    return sorted(values)[: NUMBERS[kind]]


def near(found: tuple[float, ...], written: list[float]) -> bool:
    return len(found) == len(written) and all(
        abs(a - b) <= TOLERANCE for a, b in zip(found, written, strict=True)
    )


def points_of(kind: str, count: int) -> int:
    return count if kind == "polygon" else 1


@settings(deadline=None)
@given(st.data(), kinds, signs, st.none() | st.floats(-720, 720))
def test_pixels_are_read_as_written(data: st.DataObject, kind: str, sign: str, angle: float | None) -> None:
    count = points_of(kind, 5)
    xs = data.draw(st.lists(pixels, min_size=count, max_size=count))
    ys = data.draw(st.lists(pixels, min_size=count, max_size=count))
    sizes = data.draw(sizes_of(kind, 3000.0))
    turned = angle is not None and kind in ("ellipse", "box")
    figures = [value for pair in zip(xs, ys, strict=True) for value in pair] + sizes
    figures += [angle] if turned else []
    shape = read_shape(f"{sign}{kind}({', '.join(map(repr, figures))})", "pixel")
    assert (shape.kind, shape.include, shape.frame) == (kind, sign != "-", "pixel")
    assert near(shape.x, xs)
    assert near(shape.y, ys)
    assert shape.sizes == tuple(sizes)
    assert shape.angle == (angle if turned else 0.0)


@settings(deadline=None)
@given(st.data(), kinds, st.sampled_from(["", "d"]), st.sampled_from(sorted(MARKS)))
def test_degrees_are_read_as_written(data: st.DataObject, kind: str, unit: str, mark: str) -> None:
    count = points_of(kind, 4)
    ra = data.draw(st.lists(right_ascensions, min_size=count, max_size=count))
    dec = data.draw(st.lists(declinations, min_size=count, max_size=count))
    sizes = data.draw(sizes_of(kind, 600.0))
    figures = [f"{value!r}{unit}" for pair in zip(ra, dec, strict=True) for value in pair]
    shape = read_shape(f"{kind}({','.join(figures + [f'{size!r}{mark}' for size in sizes])})", "sky")
    assert near(shape.x, ra)
    assert near(shape.y, dec)
    assert near(shape.sizes, [size / MARKS[mark] for size in sizes])


@settings(deadline=None)
@given(
    st.tuples(st.integers(0, 23), minutes, millionths),
    st.tuples(st.integers(0, 89), minutes, millionths),
    st.sampled_from(["", "+", "-"]),
)
def test_sexagesimal_figures_are_read_as_written(
    hours: tuple[int, int, int], degrees: tuple[int, int, int], sign: str
) -> None:
    def written(whole: int, minute: int, part: int) -> tuple[str, Fraction]:
        text = f"{whole:02d}:{minute:02d}:{part // 10**6:02d}.{part % 10**6:06d}"
        return text, whole + Fraction(minute, 60) + Fraction(part, 3600 * 10**6)

    (ra, right), (dec, up) = written(*hours), written(*degrees)
    shape = read_shape(f'circle({ra},{sign}{dec},1")', "sky")
    assert near(shape.x, [float(15 * right)])
    assert near(shape.y, [float(-up if sign == "-" else up)])


@pytest.mark.parametrize("points", ["7.5,80,0:30:00,80:00:00,1d,81d", "0:30:00,80:00:00,7.5,80,1,81"])
def test_a_polygon_of_degrees_and_sexagesimal_pairs(points: str) -> None:
    shape = read_shape(f"polygon({points})", "sky")
    assert near(shape.x, [7.5, 7.5, 1.0])
    assert near(shape.y, [80.0, 80.0, 81.0])


def test_sizes_of_two_units() -> None:
    assert near(read_shape("annulus(1,2,30\",1.5')", "sky").sizes, [30 / 3600, 1.5 / 60])
    with pytest.raises(ValueError, match="must grow"):
        read_shape("annulus(1,2,90\",1')", "sky")


@pytest.mark.parametrize(
    ("line", "sizes", "angle"),
    [
        ("box(1,2,3,4)", (3.0, 4.0), 0.0),
        ("ellipse(1,2,3.,4.,5.)", (3.0, 4.0), 5.0),
        ("ELLIPSE(1,2,3,4,-4e1)", (3.0, 4.0), -40.0),
        ("annulus(1,2,0,4)", (0.0, 4.0), 0.0),
        ("annulus(1,2,0.0,4)", (0.0, 4.0), 0.0),
    ],
)
def test_what_heasoft_reads_and_the_package_alone_does_not(
    line: str, sizes: tuple[float, ...], angle: float
) -> None:
    kind = line.split("(")[0].lower()
    assert read_shape(line, "pixel") == Shape(kind, True, "pixel", (1.0,), (2.0,), sizes, angle, line)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('circle(1_0,2,3")', "no number"),
        ('circle(1r,2,3")', "no number"),
        ('circle(1h2m3s,2d,3")', "no number"),
        ("circle(1,2,3r)", "no unit"),
        ("circle(1,2,3p)", "no unit"),
        ('circle(-1,2,3")', "right ascension"),
        ('circle(-00:00:01,2:00:00,3")', "right ascension"),
        ('circle(24:00:00,2:00:00,3")', "right ascension"),
        ('circle(1:60:00,2:00:00,3")', "no number"),
        ('circle(1:00:00,2:00:61,3")', "no number"),
        ('circle(1:00,2:00,3")', "no number"),
        ('circle(1:00:00,91:00:00,3")', "declination"),
        ('circle(1,-90.1,3")', "declination"),
        ('circle(1,2,3",4")', "4 figures"),
        ('annulus(1,2,3",4",5")', "5 figures"),
        ('annulus(1,2,0",0")', "positive"),
        ('annulus(1,2,-1",3")', "positive"),
        ('box(1,2,3",0")', "positive"),
        ('ellipse(1,2,3",4",5d)', "no number"),
        ('circle(1,2,1e999")', "too great"),
        ('text(1,2,3")', "text is not understood"),
        ('composite(1,2,3")', "composite is not understood"),
    ],
)
def test_what_the_package_alone_would_read_otherwise_is_refused(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_shape(line, "sky")


@pytest.mark.parametrize("count", [0, 2])
def test_exactly_one_region_comes_out_of_a_line(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(Regions, "parse", lambda *_, **__: [None] * count)
    with pytest.raises(ValueError, match=f"reads {count} regions"):
        read_shape("circle(1,2,3)", "pixel")
