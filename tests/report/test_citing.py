import pytest

from tasks.library.manifest import Step, StepRecord
from tasks.report.citing import citing, used_versions


@pytest.fixture
def record():
    def made(engine="native", facts=None, **versions):
        return StepRecord(fingerprint="0" * 64, engine=engine, versions=versions, calls=(), facts=facts or {})

    return made


def test_what_was_used_is_named_with_its_versions(dataset, record):
    archive = {"PROCVER": "03.00.013.009", "CALDBVER": "gen20250315"}
    steps = {
        Step.PROCESSING: record(facts={"archive": archive}, native="1", xtendflow="0.1.0", numpy="2.4.6"),
        Step.EXTRACTION: record(native="1", xtendflow="0.2.0", numpy="2.4.6", astropy="8.0.2"),
    }
    told = citing(dataset.manifest(steps=steps))
    assert "ObsID 900000010, data class 30000010" in told.words
    assert "(processing 03.00.013.009, calibration files gen20250315)" in told.words
    assert told.words.endswith(
        "xtendflow 0.1.0 and 0.2.0, NumPy 2.4.6 (Harris et al. 2020), "
        "Astropy 8.0.2 (Astropy Collaboration 2022)."
    )
    named = [reference.what for reference in told.references]
    assert named == ["XRISM", "Xtend's camera", "Xtend in orbit", "HEASARC", "DARTS", "NumPy", "Astropy"]
    assert all(reference.link.startswith("https://") for reference in told.references)


def test_heasoft_is_named_only_where_it_was_used(dataset, record):
    native = citing(dataset.manifest(steps={Step.PROCESSING: record(xtendflow="0.1.0")}))
    assert "HEASoft" not in native.words
    versions = {"heasoft": "6.36", "heasoftpy": "1.5", "caldb": "xtd20250915", "heasoft-engine": "1"}
    steps = {Step.PROCESSING: record("heasoft", **versions)}
    told = citing(dataset.manifest(steps=steps))
    assert told.words.endswith("HEASoft 6.36 (NASA HEASARC 2014), heasoftpy 1.5, CALDB xtd20250915.")
    assert "ascl:1408.004" in {item.text.partition(", ")[2] for item in told.references}


def test_who_fitted_is_named(dataset):
    dataset.everything()
    assert used_versions(dataset.manifest())["sherpa"] == "4.19.0"
    assert "Sherpa 4.19.0 (Freeman et al. 2001), periodictable 2.0.2" in citing(dataset.manifest()).words


def test_without_steps_there_is_still_something_to_cite(dataset):
    told = citing(dataset.manifest(steps={}))
    assert told.words.endswith("They were reduced with xtendflow.")
