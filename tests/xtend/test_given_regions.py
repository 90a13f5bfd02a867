import numpy as np
import pytest

from tasks.core.errors import BadInput
from tasks.xtend.field import Circle, Field
from tasks.xtend.given_regions import check_apart, given_aperture


@pytest.fixture
def given(make_field, tmp_path):
    """The aperture of a region file with these lines."""

    def read(*lines, window=False, name="900001010_src.reg"):
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines))
        return given_aperture(make_field(window=window), path)

    return read


def test_a_circle_stays_a_circle_of_its_own_radius(given):
    found = given("physical", "circle(1215.5,1215.5,40)")
    assert found.is_circle
    assert found.given
    assert found.around == Circle(1215.5, 1215.5, 40.0)
    assert found.exposed_fraction == pytest.approx(0.95, abs=0.03)


def test_a_circle_in_the_window_has_less_exposed(given):
    found = given("fk5", 'circle(150.0,2.2,120")', window=True)
    assert found.around.radius == pytest.approx(67.87, abs=0.01)
    assert found.exposed_fraction == pytest.approx(0.67, abs=0.01)


def test_a_circle_with_a_hole_is_no_circle_and_has_the_area_that_is_left(given):
    found = given("physical", "circle(1215.5,1215.5,60)", "-circle(1215.5,1215.5,30)")
    assert not found.is_circle
    assert found.around.radius == pytest.approx(60, abs=1.5)
    assert (found.around.x, found.around.y) == pytest.approx((1215.5, 1215.5), abs=1)
    assert found.exposed_fraction == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(
    "line", ["annulus(1215.5,1215.5,20,60)", "box(1215.5,1215.5,80,60,30)", "ellipse(1215.5,1215.5,60,30,0)",
             "polygon(1200,1200,1260,1200,1230,1260)"]
)  # fmt: skip
def test_other_shapes_are_taken_as_they_are(given, line):
    found = given("physical", line)
    assert not found.is_circle
    assert 0.8 < found.exposed_fraction <= 1
    assert found.around.radius < 75


def test_calibration_sources_do_not_count_as_exposed(make_field, given, tmp_path):
    field = make_field()
    circle = field.calibration[0]
    everywhere = Field(field.nominal, np.ones_like(field.exposure), field.counts, 1.0, field.calibration)
    path = tmp_path / "a.reg"
    path.write_text(f"physical\ncircle({circle.x},{circle.y},{circle.radius * np.sqrt(2)})\n")
    assert given_aperture(everywhere, path).exposed_fraction == pytest.approx(0.5, abs=0.01)


def test_what_lies_off_the_detector_is_not_exposed(given):
    assert given("physical", "circle(60,60,40)").exposed_fraction == 0


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["physical", "-circle(1,2,3)"], "begins with an exclusion, so HEASoft takes the whole field"),
        (["physical", "circle(-500,-500,3)"], "holds no sky pixel of the observation"),
        (["galactic", 'circle(1,2,3")'], "not a coordinate system that is understood"),
        (["fk5", "circle(150,2.2,0.03)"], "has no unit, and HEASoft takes it as pixels"),
        (["fk5", 'circle(330,-2.2,10")'], "on the other side of the sky"),
        (["physical", "pie(1,2,3,4,5,6)"], "is not understood"),
        ([], "holds no shape"),
    ],
)
def test_what_heasoft_would_read_otherwise_is_refused(given, lines, why):
    with pytest.raises(BadInput, match=why):
        given(*lines)


def test_a_missing_file_is_told(make_field, tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        given_aperture(make_field(), tmp_path / "none.reg")


def test_source_and_background_must_not_overlap(given):
    source = given("physical", "circle(1215.5,1215.5,40)")
    ring = given("physical", "annulus(1215.5,1215.5,41,80)")
    check_apart(source, ring)
    with pytest.raises(BadInput, match=r"overlap: they share \d+ sky pixels"):
        check_apart(source, given("physical", "annulus(1215.5,1215.5,39,80)"))
