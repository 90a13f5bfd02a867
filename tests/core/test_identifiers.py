import copy
import json
import pickle
import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band, DataClass, ObsID

BAD_OBSIDS = [
    "", "12345678", "1234567890", "12345678a", "../../etc", "000128000\n", " 000128000", "٠٠٠١٢٨٠٠٠",
    "-00128000", "00012800/", "000128000;DROP",
]  # fmt: skip
BAD_DATACLASSES = ["", "3000001", "300000100", "3000001G", "300000A0", "30000010\n", "../../..", "3000 010"]


@pytest.mark.parametrize("text", BAD_OBSIDS)
def test_what_is_no_obsid(text):
    with pytest.raises(BadInput, match="is not an ObsID") as caught:
        ObsID(text)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValidationError):
        TypeAdapter(ObsID).validate_python(text)


@pytest.mark.parametrize("text", BAD_DATACLASSES)
def test_what_is_no_data_class(text):
    with pytest.raises(BadInput, match="is not a data class"):
        DataClass(text)
    with pytest.raises(ValidationError):
        TypeAdapter(DataClass).validate_python(text)


@pytest.mark.parametrize("value", [128000, None, ["000128000"], 1.0])
def test_an_obsid_is_text(value):
    with pytest.raises(BadInput):
        ObsID(value)
    with pytest.raises(ValidationError):
        TypeAdapter(ObsID).validate_python(value)


@settings(deadline=None)
@given(st.text(max_size=10) | st.from_regex(r"[0-9]{8,10}"))
def test_whatever_passes_is_safe_in_a_path(text):
    try:
        obsid = ObsID(text)
    except BadInput:
        return
    assert re.fullmatch(r"[0-9]{9}", obsid, re.ASCII)


@pytest.mark.parametrize("text", ["30000010", "31100010", "300000a0", "ffffffff"])
def test_data_classes_of_any_kind_pass(text):
    assert DataClass(text) == text


def test_it_stays_what_it_is_wherever_it_goes():
    obsid = ObsID("000128000")
    for other in (pickle.loads(pickle.dumps(obsid)), copy.deepcopy(obsid), ObsID(obsid)):  # noqa: S301
        assert type(other) is ObsID
        assert other == obsid
    assert json.dumps({obsid: obsid}) == '{"000128000": "000128000"}'
    assert f"{obsid}/x" == "000128000/x"


def test_models_keep_its_type_and_its_zeros():
    class Model(BaseModel):
        obsid: ObsID
        by_class: dict[DataClass, int]

    model = Model.model_validate_json('{"obsid": "000128000", "by_class": {"300000a0": 1}}')
    assert type(model.obsid) is ObsID
    assert all(type(key) is DataClass for key in model.by_class)
    assert model.model_dump_json() == '{"obsid":"000128000","by_class":{"300000a0":1}}'
    with pytest.raises(ValidationError):
        Model.model_validate({"obsid": "1", "by_class": {}})


@pytest.mark.parametrize(
    ("text", "low", "high", "shown"),
    [
        ("0.6-2", "0.6", "2", "0.6-2.0"),
        (" 0.60 - 2.0 ", "0.6", "2", "0.6-2.0"),
        ("0-10", "0", "10", "0.0-10.0"),
        ("5e-1-2", None, None, None),
        ("1-2", "1", "2", "1.0-2.0"),
    ],
)
def test_bands(text, low, high, shown):
    if low is None:
        with pytest.raises(BadInput, match="is not a band"):
            Band.parse(text)
        return
    band = Band.parse(text)
    assert (band.low, band.high) == (Decimal(low), Decimal(high))
    assert str(band) == shown
    assert Band.parse(str(band)) == band
    assert Band.model_validate(text) == band


@pytest.mark.parametrize(
    "text", ["", "2", "-", "-2", "2-", "a-b", "nan-2", "snan-2", "0.6-nan", "0.6-inf", "1-2-3"]
)
def test_what_is_no_band(text):
    with pytest.raises(BadInput, match="is not a band: give LOW-HIGH in keV") as caught:
        Band.parse(text)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValidationError):
        Band.model_validate(text)


@pytest.mark.parametrize("text", ["2-0.6", "2-2", "0-0"])
def test_a_band_runs_upwards(text):
    with pytest.raises(BadInput, match="upside down or empty"):
        Band.parse(text)
    with pytest.raises(ValidationError, match="upside down or empty"):
        Band.model_validate(text)


def test_a_band_below_zero():
    with pytest.raises(ValidationError, match="upside down"):
        Band(low=Decimal(-1), high=Decimal(2))


@settings(deadline=None)
@given(st.decimals(0, 20, places=3), st.decimals(0, 20, places=3))
def test_bands_survive_text_and_json(low, high):
    if low >= high:
        low, high = high, low + 1
    band = Band(low=low, high=high)
    assert Band.parse(str(band)) == band
    assert Band.model_validate_json(band.model_dump_json()) == band


class Form(BaseModel):
    band: Band
    obsid: ObsID


def test_forms_ask_for_text_and_show_how():
    for mode in ("validation", "serialization"):
        schema = TypeAdapter(Band).json_schema(mode=mode)
        assert (schema["type"], schema["examples"]) == ("string", ["0.6-10"])
    obsid = Form.model_json_schema()["properties"]["obsid"]
    assert (obsid["type"], obsid["examples"]) == ("string", ["000128000"])
    assert "nine digits" in obsid["description"]


@settings(deadline=None)
@given(st.decimals(0, 20, places=3), st.decimals(1, 1000, places=9))
def test_what_a_form_takes_is_a_band_and_what_a_band_says_a_form_takes(low, width):
    pattern = TypeAdapter(Band).json_schema()["pattern"]
    band = Band(low=low, high=low + width)
    assert re.search(pattern, str(band))
    assert band.model_dump(mode="json") == str(band)
    assert band.model_dump() == {"low": band.low, "high": band.high}
    assert Band.model_validate({"low": low, "high": low + width}) == band


@pytest.mark.parametrize("text", ["", "2", "a-b", "-1-2", "1-2-3", "1,2-3", "1e3-2e3", "."])
def test_what_a_form_refuses(text):
    assert not re.search(TypeAdapter(Band).json_schema()["pattern"], text)


@pytest.mark.parametrize("text", ["0.6-10", " .5 - 2. ", "00.5-10"])
def test_what_a_form_takes_is_understood(text):
    assert re.search(TypeAdapter(Band).json_schema()["pattern"], text)
    assert Band.parse(text)


def test_small_and_large_energies_are_never_written_with_an_exponent():
    band = Band(low=Decimal("1e-7"), high=Decimal("1e17"))
    assert Band.parse(str(band)) == band
