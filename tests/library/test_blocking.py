import pytest

from tasks.core.identifiers import DataClass, ObsID
from tasks.library.blocking import why_blocked
from tasks.library.dataset import Dataset, DatasetInputs
from tasks.library.manifest import InputFile, Manifest, Step, StepRecord
from tasks.library.recipe import Recipe
from tasks.xtend.cautions import Caution, caution, severe

OBSID, DATACLASS = ObsID("000128000"), DataClass("30000010")
LIVE = severe("live-fraction", "The good time is odd.")
PILE_UP = caution("pile-up", "Photons pile up.")


def dataset(*blocking: str) -> Dataset:
    file = InputFile(name="a.evt", size=1, sha256="0" * 64)
    return Dataset(
        obsid=OBSID,
        dataclass=DATACLASS,
        recipe=Recipe(blocking=blocking),
        inputs=DatasetInputs(events=("a.evt",), inputs=(file,)),
        engines={},
    )


def manifest(*cautions: Caution, **told: tuple[Caution, ...]) -> Manifest:
    steps = {
        Step(name): StepRecord(fingerprint="0" * 64, engine="native", versions={}, calls=(), cautions=given)
        for name, given in told.items()
    }
    return Manifest(obsid=OBSID, dataclass=DATACLASS, recipe="any", steps=steps, cautions=cautions)


@pytest.mark.parametrize("step", [Step.RESPONSES, Step.FIT])
def test_an_unknown_exposure_forbids_responses_and_fits_always(step):
    assert why_blocked(step, dataset(), manifest(PILE_UP)) is None
    why = why_blocked(step, dataset(), manifest(PILE_UP, LIVE))
    assert why == f"no {step} with the caution live-fraction: The good time is odd."


@pytest.mark.parametrize("step", [Step.RESPONSES, Step.FIT])
def test_the_recipe_forbids_more(step):
    assert why_blocked(step, dataset("out-of-time"), manifest(PILE_UP)) is None
    why = why_blocked(step, dataset("out-of-time", "pile-up"), manifest(PILE_UP))
    assert why == f"the recipe forbids the step {step} with the caution pile-up: Photons pile up."


@pytest.mark.parametrize("step", [step for step in Step if step not in (Step.RESPONSES, Step.FIT)])
def test_nothing_else_can_be_forbidden(step):
    assert why_blocked(step, dataset("pile-up"), manifest(PILE_UP, LIVE)) is None


def test_what_a_step_told_itself_does_not_forbid_it():
    other = caution("rmf-other-class", "It is that of another data class.")
    of_responses = manifest(other, responses=(other,))
    assert why_blocked(Step.RESPONSES, dataset("rmf-other-class"), of_responses) is None
    assert why_blocked(Step.FIT, dataset("rmf-other-class"), of_responses)
    of_fit = manifest(other, fit=(other,))
    assert why_blocked(Step.RESPONSES, dataset("rmf-other-class"), of_fit) is None
    both = manifest(other, extraction=(other,), fit=(other,))
    assert why_blocked(Step.RESPONSES, dataset("rmf-other-class"), both)


def test_a_caution_that_does_not_exist_is_no_entry_of_a_recipe():
    with pytest.raises(ValueError, match="there is no caution pileup; there are adopted-events"):
        Recipe(blocking=("pile-up", "pileup"))
