import pytest

from tasks.core.identifiers import DataClass, ObsID
from tasks.core.settings import Settings
from tasks.core.state import Standing
from tasks.library.log_tail import keep_log, log_tail
from tasks.library.site import open_site

OBSID, DATACLASS = ObsID("900002010"), DataClass("31100010")
FAILED = Standing(state="failed", kind="software", reason="odd", step="derived")


@pytest.fixture
def site(tmp_path):
    return open_site(Settings(data=tmp_path / "data", archive=str(tmp_path), cores=2))


@pytest.fixture
def log(site):
    """Appends to the log of the observation or of the dataset."""

    def write(text, dataclass=None):
        path = site.log(OBSID, dataclass)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)

    return write


def test_a_failed_dataset_shows_its_own_log(site, log):
    log("of the observation\n")
    log("of the dataset\n", DATACLASS)
    log('# {"function":"tasks.report.previews.drawing:draw_pictures"}\n', DATACLASS)
    # What was logged of the making of the page before is not its business.
    assert log_tail(site, OBSID, DATACLASS, FAILED) == "of the dataset"


def test_where_the_download_failed_the_log_of_the_observation_counts(site, log):
    log("of the observation\n")
    log("of an earlier attempt\n", DATACLASS)
    failed = Standing(state="failed", kind="transient", reason="gone", step="download")
    assert log_tail(site, OBSID, DATACLASS, failed) == "of the observation"


def test_where_no_step_has_a_log_the_log_of_the_observation_counts(site, log):
    log("of the observation\n")
    assert log_tail(site, OBSID, DATACLASS, FAILED) == "of the observation"


def test_what_is_done_shows_no_log(site, log):
    log("of the dataset\n", DATACLASS)
    assert log_tail(site, OBSID, DATACLASS, Standing(state="done")) == ""


def test_without_a_log_there_is_nothing_to_show(site):
    assert log_tail(site, OBSID, DATACLASS, FAILED) == ""


def test_of_a_long_log_the_end_is_shown(site, log):
    log("".join(f"line {number} {'x' * 90}\n" for number in range(20_000)), DATACLASS)
    lines = log_tail(site, OBSID, DATACLASS, FAILED).splitlines()
    assert [line.split()[1] for line in lines] == [str(number) for number in range(19_960, 20_000)]


def test_the_end_of_a_log_is_kept_beside_the_page_in_words_for_everybody(site, log):
    log("s3://me:hunter@b is gone\n")
    keep_log(site, OBSID, lambda text: text.replace("me:hunter", "***"))
    assert site.store.read(f"report/{OBSID}/log.txt") == b"s3://***@b is gone"
