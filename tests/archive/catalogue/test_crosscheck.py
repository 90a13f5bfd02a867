import pytest

from tasks.archive.catalogue.crosscheck import cross_check
from tasks.archive.catalogue.interface import Observation
from tasks.core.identifiers import DataClass, ObsID


def observation(*claims: str, odd: tuple[str, ...] = ()) -> Observation:
    classes = tuple(DataClass(claim) for claim in claims)
    return Observation(obsid=ObsID("000128000"), dataclasses=classes, odd_dataclasses=odd)


def test_agreement_is_silent_in_any_order() -> None:
    listed = [DataClass("32000010"), DataClass("31100010")]
    assert cross_check(observation("31100010", "32000010"), listed) == ()


def test_a_disagreement_names_both_sides() -> None:
    (found,) = cross_check(observation("30000010"), {DataClass("31100010"), DataClass("32000010")})
    assert found.id == "catalogue-disagrees"
    assert "names the data classes 30000010" in found.sentence
    assert "lists 31100010, 32000010" in found.sentence


def test_blanks_and_nonsense_disagree_too() -> None:
    (found,) = cross_check(observation(), {DataClass("30000010")})
    assert "names the data classes none" in found.sentence
    (found,) = cross_check(observation("30000010", odd=("FULL",)), {DataClass("30000010")})
    assert "FULL" in found.sentence


@pytest.mark.parametrize(
    ("category", "extended"),
    [
        ("GALACTIC DIFFUSE", True),
        ("Extragalactic Diffuse", True),
        ("extragalactic_diffuse", True),
        ("SUPERNOVA REMNANT", True),
        ("SNR", True),
        ("Clusters of Galaxies", True),
        ("PULSAR WIND NEBULA", True),
        ("STARS", False),
        ("STAR CLUSTERS", False),
        ("EXTRAGALACTIC COMPACT", False),
        ("SIMULATION", False),
        ("", False),
    ],
)
def test_classes_of_extended_objects_are_handed_on(category: str, extended: bool) -> None:
    row = observation("30000010").model_copy(update={"category": category})
    found = cross_check(row, [DataClass("30000010")])
    assert [(item.id, item.severity) for item in found] == [("extended-category", "notice")] * extended
    assert all(category in item.sentence for item in found)


def test_both_can_be_said() -> None:
    row = observation("31100010").model_copy(update={"category": "GALACTIC DIFFUSE"})
    found = cross_check(row, [DataClass("30000010")])
    assert [item.id for item in found] == ["catalogue-disagrees", "extended-category"]
