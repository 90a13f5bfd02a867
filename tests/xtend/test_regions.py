"""Region files: what each shape holds, HEASoft's order of inclusions and exclusions, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import BadInput
from tasks.xtend.nominal import Nominal
from tasks.xtend.regions import Region, Shape, read_region

ALPHA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "heasoft-reference" / "alpha"
WCS = Nominal(187.70593, 12.39112, 0.0).wcs()
Read = Callable[..., Region]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a region file of these lines."""

    def read_lines(*lines: str) -> Region:
        path = tmp_path / "a.reg"
        path.write_text("".join(f"{line}\n" for line in lines))
        return read_region(path)

    return read_lines


def holds(region: Region, x: float, y: float) -> bool:
    return bool(region.contains(x, y, WCS))


@pytest.mark.parametrize(
    ("shape", "on_edge", "inside", "outside"),
    [
        ("circle(10,20,5)", (13, 24), (10, 20), (13, 25)),
        ("annulus(10,20,5,10)", (13, 24), (10, 27), (10, 20)),
        ("ellipse(10,20,6,3,0)", (16, 20), (10, 22), (10, 24)),
        ("ellipse(10,20,6,3,90)", (10, 26), (10, 25), (14, 20)),
        ("box(10,20,8,4,0)", (14, 22), (7, 19), (10, 23)),
        ("box(10,20,8,4)", (6, 18), (10, 20), (15, 20)),
        ("box(10,20,8,4,45)", (10, 20), (12, 22), (12, 18)),
        ("polygon(10,10,20,10,20,30)", (15, 10), (19, 20), (11, 20)),
        ("polygon(10,10,20,10,20,30)", (20, 30), (18, 12), (9, 10)),
        ("polygon(10,10,20,10,20,30)", (15, 20), (16, 20), (14, 20)),
    ],
)
def test_shapes_hold_their_edge(
    read: Read, shape: str, on_edge: tuple[int, int], inside: tuple[int, int], outside: tuple[int, int]
) -> None:
    region = read("physical", shape)
    assert holds(region, *on_edge)
    assert holds(region, *inside)
    assert not holds(region, *outside)


@pytest.mark.parametrize("system", ["physical", "image", "IMAGE", ""])
def test_all_pixel_systems_are_unbinned_pixels(read: Read, system: str) -> None:
    region = read(system, "Circle ( 10, 20 ,5 ) # color=red")
    assert holds(region, 13, 24)
    assert not holds(region, 14, 24)


def test_an_exclusion_acts_on_the_inclusions_before_it(read: Read) -> None:
    region = read("physical", "circle(10,10,8)", "-circle(10,10,5)", "circle(11,10,2)")
    assert holds(region, 10, 17)
    assert not holds(region, 10, 14)
    assert holds(region, 10, 10)


def test_a_leading_exclusion_means_the_whole_field_first(read: Read) -> None:
    region = read("physical", "-circle(10,10,5)", "+circle(10,10,1)")
    assert holds(region, 1000, 1000)
    assert not holds(region, 10, 13)
    assert holds(region, 10, 10)
    assert region.bounding_box(None) is None
    assert [number for number, _ in region.components(None)] == [0, 1]


def test_what_follows_takes_nothing_away_from_the_whole_field(read: Read) -> None:
    region = read("physical", "-circle(10,10,5)", "circle(10,10,3)", "-circle(12,10,4)")
    assert holds(region, 16, 10)
    assert not holds(region, 14, 10)
    assert holds(region, 7, 10)
    assert not holds(region, 11, 10)
    listed = [(number, shape.include, shape.x[0]) for number, shape in region.components(None)]
    assert listed == [(0, False, 10), (1, True, 10), (1, False, 12)]


def test_components_repeat_an_exclusion_for_each_inclusion_before_it(read: Read) -> None:
    region = read("physical", "circle(1,1,1)", "circle(2,2,2)", "-circle(3,3,3)", "circle(4,4,4)")
    listed = [(number, shape.include, shape.x[0]) for number, shape in region.components(None)]
    assert listed == [(1, True, 1), (1, False, 3), (2, True, 2), (2, False, 3), (3, True, 4)]


numbers = st.integers(0, 12)
shapes = st.builds(
    lambda include, x, y, r: Shape("circle", include, "pixel", (x,), (y,), (r,), 0.0, ""),
    st.booleans(), numbers, numbers, st.integers(1, 6),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(shapes, min_size=1, max_size=5))
def test_the_last_shape_that_speaks_of_a_point_decides(order: list[Shape]) -> None:
    region = Region("a.reg", "physical", tuple(order))
    x, y = np.arange(13), np.arange(13)[:, None]
    first = next((number for number, shape in enumerate(order) if shape.include), len(order))
    expected = np.zeros((13, 13), bool)
    for part, start in ((order[:first], True), (order[first:], False)):
        if part:
            chosen = np.full((13, 13), start)
            for shape in part:
                within = (x - shape.x[0]) ** 2 + (y - shape.y[0]) ** 2 <= shape.sizes[0] ** 2
                chosen = np.where(within, shape.include, chosen)
            expected |= chosen
    assert np.array_equal(region.contains(x, y, None), expected)
    box = region.bounding_box(None)
    if box:
        rows, columns = np.nonzero(expected)
        assert np.all((columns >= box[0]) & (columns <= box[1]) & (rows >= box[2]) & (rows <= box[3]))


@pytest.mark.parametrize(
    "line",
    [
        'circle(187.70593,12.39112,120")',
        "circle(187.70593d,12.39112d,2')",
        "circle(12:30:49.4232,+12:23:28.032,0.0333333333333d)",
        'circle(187.70593,12.39112,120") # color=green text={a;b}',
    ],
)
@pytest.mark.parametrize("system", ["fk5", "icrs", "ICRS"])
def test_sky_coordinates(read: Read, system: str, line: str) -> None:
    (shape,) = read("global color=green width=1", system, line).pixel_shapes(WCS)
    assert shape.x[0] == pytest.approx(1215.5, abs=1e-3)
    assert shape.y[0] == pytest.approx(1215.5, abs=1e-3)
    # 120″ along the declination of a tangent plane, as extractor writes it.
    assert shape.sizes[0] == pytest.approx(67.87392301, abs=1e-6)


def test_a_southern_sexagesimal_declination_below_one_degree(read: Read) -> None:
    (shape,) = read("fk5", 'circle(1:00:00,-00:30:00,5")').shapes
    assert (shape.x[0], shape.y[0]) == pytest.approx((15.0, -0.5))


@pytest.mark.parametrize("dec", [0.3, -0.3])
def test_sizes_on_the_sky_are_measured_towards_the_equator(read: Read, dec: float) -> None:
    wcs = Nominal(30.0, 0.0, 0.0).wcs()
    (shape,) = read("fk5", f'circle(30,{dec},600")').pixel_shapes(wcs)
    away, towards = (
        abs(float(wcs.wcs_world2pix(30.0, dec * (1 + sign * (1 / 6) / 0.3), 1)[1]) - shape.y[0])
        for sign in (1, -1)
    )
    assert shape.sizes[0] == pytest.approx(towards, rel=1e-9)
    assert abs(away - towards) > 1e-3


def test_a_polygon_on_the_sky(read: Read) -> None:
    region = read("fk5", "polygon(187.71,12.38,187.70,12.38,187.70,12.40,187.71,12.40)")
    assert holds(region, 1215, 1215)
    assert not holds(region, 1245, 1215)


@pytest.mark.parametrize(
    ("lines", "number", "said"),
    [
        (["galactic", 'circle(1,2,3")'], 1, "coordinate system"),
        (["detector", "circle(1,2,3)"], 1, "coordinate system"),
        (["linear", "circle(1,2,3)"], 1, "coordinate system"),
        (["fk4", 'circle(1,2,3")'], 1, "coordinate system"),
        (["fk5", "circle(1,2,3)"], 2, "no unit"),
        (["fk5", 'annulus(1,2,3",9)'], 2, "no unit"),
        (["fk5", 'circle(1,2,3")', "physical", "circle(1,2,3)"], 3, "second coordinate system"),
        (["circle(1,2,3)", "fk5", 'circle(1,2,3")'], 2, "second coordinate system"),
        (['fk5; circle(1,2,3"); circle(4,5,6")'], 1, "one shape on a line"),
        (["circle(1,2,3);circle(4,5,6)"], 1, "one shape on a line"),
        (["circle(1,2,3);"], 1, "one shape on a line"),
        (["fk5;", 'circle(1,2,3")'], 1, "one shape on a line"),
        (['fk5 ;circle(1,2,3")'], 1, "one shape on a line"),
        (["circle(1,2,3) circle(4,5,6)"], 1, "not a shape"),
        (["circle 1 2 3"], 1, "not a shape"),
        (["circle(1 2 3)"], 1, "1 figures"),
        (["!circle(1,2,3)"], 1, "not a shape"),
        (["\ufeffphysical", "circle(1,2,3)"], 1, "not a"),
        (["physical\rcircle(1,2,3)"], 1, "not a shape"),
        (["# format: degree", "circle(1,2,3)"], 1, "HEASoft obeys"),
        (["fk5", 'circle(1h2m3s,2,3")'], 2, "no number"),
        (["fk5", 'circle(1:02:03,2.5,3")'], 2, "both as sexagesimal"),
        (["physical", "annulus(1,2,3,4,5)"], 2, "5 figures"),
        (["physical", "annulus(1,2,4,3)"], 2, "must grow"),
        (["physical", "ellipse(1,2,3,4,5,6,7)"], 2, "7 figures"),
        (["physical", "panda(1,2,0,90,1,0,5,1)"], 2, "panda"),
        (["physical", "line(1,2,3,4)"], 2, "line"),
        (["physical", "polygon(1,2,3,4)"], 2, "polygon"),
        (["physical", "polygon(1,2,3,4,5)"], 2, "polygon"),
        (["physical", "circle(1,2,-3)"], 2, "positive"),
        (["physical", 'circle(1,2,3")'], 2, "pixels"),
        (["physical", "circle(1:00:00,2,3)"], 2, "1:00:00"),
        (["physical", "circle(nan,2,3)"], 2, "nan"),
        (["physical", "circle(1,2"], 2, "not a shape"),
        (["physical", "circle(1,2,3) ||"], 2, "not a shape"),
        (["fk5", 'circle(400,2,3")'], 2, "right ascension"),
        (["fk5", 'circle(1,92,3")'], 2, "declination"),
        (["what, this?"], 1, "not a shape"),
    ],
)
def test_what_is_not_understood_is_refused(read: Read, lines: list[str], number: int, said: str) -> None:
    with pytest.raises(BadInput, match=rf"a\.reg, line {number}: .*{said}"):
        read(*lines)


def test_line_ends_of_windows_and_none_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.reg"
    path.write_bytes(b"physical\r\ncircle(10,20,5)\r\n-circle(10,20,2)")
    assert [shape.include for shape in read_region(path).shapes] == [True, False]
    path.write_bytes(b"physical\ncircle(10,20,5)\n-circle(10,20,2) ")
    with pytest.raises(BadInput, match=r"line 3: .*does not end"):
        read_region(path)


@pytest.mark.parametrize("text", ["", "# nothing\n", "physical\n", "fk5\nglobal color=green\n"])
def test_a_file_without_shapes_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "empty.reg"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"empty\.reg holds no shape"):
        read_region(path)


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_region(tmp_path / "none.reg")
    (tmp_path / "binary.reg").write_bytes(b"\x80\xff\x00")
    with pytest.raises(BadInput, match="no text"):
        read_region(tmp_path / "binary.reg")


def test_a_sky_region_needs_sky_coordinates_on_the_same_side(read: Read) -> None:
    region = read("fk5", 'circle(7.7,-12.4,10")')
    with pytest.raises(BadInput, match="no sky coordinates"):
        region.contains(1, 1, None)
    with pytest.raises(BadInput, match="other side"):
        region.contains(1, 1, WCS)


def test_comments_and_settings_change_no_shape(read: Read) -> None:
    region = read(
        "global include=0", "circle(1,2,3) # include=0", "-circle(1,2,1) # include=1 -circle(4,5,6)"
    )
    assert [shape.include for shape in region.shapes] == [True, False]


def test_a_closed_polygon_is_not_the_whole_field(read: Read) -> None:
    region = read("physical", "polygon(10,10,20,10,20,30,10,10)")
    assert holds(region, 19, 20)
    assert not holds(region, 100, 100)


def test_the_text_is_that_of_the_file(read: Read) -> None:
    assert read('fk5;circle(1,2,3") # red').text() == ("fk5", 'circle(1,2,3")')
    assert read("circle(1,2,3)").text() == ("physical", "circle(1,2,3)")


@pytest.mark.skipif(not ALPHA.is_dir(), reason="no reference data beside the repository")
def test_pixels_of_the_reference_regions() -> None:
    counts = json.loads((ALPHA / "reference.json").read_text())["counts"]
    x, y = np.arange(1, 2431), np.arange(1, 2431)[:, None]
    regions = sorted(ALPHA.glob("*.reg"))
    assert len(regions) == 10
    for path in regions:
        share = read_region(path).contains(x, y, WCS).mean()
        assert share == pytest.approx(counts[f"region_{path.stem}"]["extractor_BACKSCAL"], rel=1e-6)
