"""The flows below a sweep, each run alone as a deployment would run it."""

import json
from collections import Counter

import pytest

pytestmark = pytest.mark.system

OBSID, CLASS = "900004010", "30000010"

STAGES = f"""
import asyncio, json
from flows.discovery import discovery
from flows.download import download
from flows.processing import processing
from flows.products import products
from tasks.archive.catalogue.interface import Query
from tasks.core.errors import SoftwareFault
from tasks.core.identifiers import DataClass, ObsID

OBSID, CLASS = ObsID("{OBSID}"), DataClass("{CLASS}")

async def main():
    found = (await discovery(Query(target="SIM faint"))).unwrap()
    early = await processing(OBSID, return_state=True)
    fetched = await download(OBSID)
    processed = await processing(OBSID)
    made = await products(OBSID, CLASS, return_state=True)
    stranger = await products(OBSID, DataClass("31100010"), return_state=True)
    return {{
        "found": [row.obsid for row in found],
        "early": [early.type, early.message],
        "fetched": sorted(fetched),
        "processed": [state.type for state in processed],
        "made": made.type,
        "stranger": [stranger.type, stranger.message],
    }}

print(json.dumps(asyncio.run(main())))
"""


def test_stage_by_stage(place):
    told = json.loads(place.python(STAGES))
    assert told["found"] == [OBSID]
    assert told["early"][0] == "FAILED"
    assert "run the download first" in told["early"][1]
    assert told["fetched"] == [CLASS]
    assert told["processed"] == ["COMPLETED"]
    assert told["made"] == "COMPLETED"
    assert told["stranger"][0] == "FAILED"
    assert "no data class 31100010" in told["stranger"][1]
    place.check_store()
    (manifest,) = place.manifests().values()
    kinds = Counter(item["kind"] for item in manifest["products"])
    assert kinds["image"] == 8
    assert {"exposure-map", "rate-image", "light-curve", "spectrum", "grouped-spectrum"} <= set(kinds)
    # Stages alone are no attempt at the observation; the observation run adopts what they made.
    assert place.attempts() == []
    before, published = place.calls(), place.published()
    outcome = json.loads(place.python(OBSERVATION.replace("NUMBERS", f"'{OBSID}'")))
    assert outcome == {OBSID: ["COMPLETED", "Completed", None]}
    assert place.published() == published
    assert place.called_since(before) == {"download.fetch_observation", "drawing.draw_pictures"}
    assert [item["standing"]["state"] for item in place.attempts()] == ["done"]


OBSERVATION = """
import asyncio, json
from flows.observation import observation
from tasks.core.identifiers import ObsID

async def main():
    states = {}
    for text in (NUMBERS,):
        state = await observation(ObsID(text), return_state=True)
        states[text] = [state.type, state.name, state.message]
    return states

print(json.dumps(asyncio.run(main())))
"""


def test_an_observation_alone(place):
    numbers = {
        "900008010": ("COMPLETED", "Skipped", "encrypted"),
        "900011010": ("FAILED", "Failed", r"failed(permanent): xtend/event_cl/"),
        "900013010": ("COMPLETED", "Skipped", "no good time"),
        "000128000": ("FAILED", "Failed", "the catalogue has no observation 000128000"),
    }
    told = json.loads(place.python(OBSERVATION.replace("NUMBERS", str(list(numbers))[1:-1])))
    for obsid, (kind, name, message) in numbers.items():
        assert told[obsid][:2] == [kind, name]
        assert message in told[obsid][2]
    ends = {item["obsid"]: item["standing"]["kind"] for item in place.attempts()}
    assert ends == {"900008010": "proprietary", "900011010": "permanent", "900013010": "no-data"}
    assert all(item["flow_run_id"] and item["sweep"] is None for item in place.attempts())
