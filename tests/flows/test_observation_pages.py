"""A page that cannot be made is a failure of the observation, and of nobody else's work."""

import asyncio

import pytest

from flows import observation as module
from flows.observation import Completed, Failed
from tasks.archive.catalogue.interface import Observation
from tasks.core.errors import SoftwareFault
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing, State
from tasks.library.recipe import Recipe

OBSID, FIRST, SECOND = ObsID("000128000"), DataClass("31100010"), DataClass("32000010")
DONE = Standing(state="done")
BROKEN = Standing(state="failed", kind="permanent", reason="cut off")


@pytest.fixture
def ended(monkeypatch):
    """Runs the parts of an observation whose first page fails at once while the second dataset is at work."""

    async def downloaded(*_, **__):
        return Completed(data={FIRST: {}, SECOND: {}})

    async def processed(*_, **__):
        return Completed(data=[Completed(data="ended"), Completed(data="ended")])

    async def products(obsid, name, *_, **__):
        await asyncio.sleep(0.0 if name == FIRST else 0.2)
        return Completed(data="ended")

    async def page(obsid, name, *_, **__):
        return Failed(data=SoftwareFault("it cannot be drawn")) if name == FIRST else Completed(data="ended")

    for name, stand_in in (
        ("download", downloaded), ("processing", processed), ("products", products), ("page", page)
    ):  # fmt: skip
        monkeypatch.setattr(module, name, stand_in)
    standings: dict[DataClass, Standing] = {}
    entry = Observation(obsid=OBSID, name="N132D", dataclasses=(FIRST, SECOND))
    return asyncio.run(module._everything(entry, Recipe(), standings)), standings


def test_the_others_go_on_to_their_end(ended):
    standing, standings = ended
    assert standings == {FIRST: DONE, SECOND: DONE}
    assert (standing.state, standing.kind) == (State.FAILED, "software")
    assert standing.reason == "31100010: its page: it cannot be drawn"


def test_a_dataset_that_failed_speaks_first():
    assert module.overall({FIRST: DONE, SECOND: DONE}, {FIRST: DONE, SECOND: DONE}) == DONE
    standing = module.overall({FIRST: DONE, SECOND: BROKEN}, {FIRST: BROKEN, SECOND: DONE})
    assert standing.reason == "32000010: cut off"
