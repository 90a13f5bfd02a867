"""Layout, marks, determinism and life cycle of the simulated archive."""

import contextlib
import fcntl
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from astropy.io import fits
from astropy.table import Table

from tasks.archive.simulated import archive
from tasks.archive.simulated.archive import make_archive
from tasks.archive.simulated.observation import make_observation
from tasks.archive.simulated.programme import PROGRAMME
from tasks.core.errors import BadInput, EnvironmentFault
from tasks.library.pipeline_files import PipelineFiles

OBSID = r"(?P<obsid>9[0-9]{8})"
GRAMMAR = re.compile(
    rf"9/{OBSID}/(?:"
    r"auxil/xa(?P=obsid)(?:\.(?:att|orb|ehk|mkf)|_gen\.gti)"
    r"|log/xa(?P=obsid)_runprocess\.log"
    r"|resolve/event_cl/xa(?P=obsid)rsl_p0px1000_cl\.evt"
    r"|xtend/hk/xa(?P=obsid)xtd_a0\.hk"
    r"|xtend/event_cl/xa(?P=obsid)xtd_p[01][0-9a-f]{8}_cl\.evt"
    r"|xtend/event_uf/xa(?P=obsid)xtd_(?:[ps][01][0-9a-f]{8}_uf\.evt|p[01][0-9a-f]{8}\.bimg"
    r"|a0[0-9a-f]{8}\.[fh]pix|a0exp\.fits|(?:mode|tel)\.gti)"
    r"|xtend/products/xa(?P=obsid)xtd_src\.rmf"
    r")\.gz(?:\.gpg)?"
)
RESPONSE = re.compile(
    r"responses/(?:xtend_simulated\.rmf|xtend_simulated_onaxis\.arf|xa9[0-9]{8}xtd_[0-9a-f]{8}_src\.arf)\.gz"
)
DAMAGED = ("900011010", "900012010")


def _contents(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def _observed(content):
    return {name: octets for name, octets in content.items() if name.startswith(("9/", "responses/"))}


def test_every_name_follows_the_grammar(simulated):
    names = {str(path.relative_to(simulated)) for path in simulated.rglob("*") if path.is_file()}
    beside = {name for name in names if not (GRAMMAR.fullmatch(name) or RESPONSE.fullmatch(name))}
    assert beside == {"SIMULATED.json", "demo.toml", "truth.json", "xrismmastr.ecsv"}


def test_every_observation_has_the_whole_tree(simulated):
    for observation in PROGRAMME:
        folder = simulated / "9" / observation.obsid
        if observation.presence == "none":
            assert not folder.exists()
            continue
        kinds = {path.parent.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert kinds == {
            "auxil",
            "log",
            "resolve/event_cl",
            "xtend/hk",
            "xtend/event_cl",
            "xtend/event_uf",
            "xtend/products",
        }
        encrypted = {path.suffix == ".gpg" for path in folder.rglob("*") if path.is_file()}
        assert encrypted == {observation.presence == "encrypted"}


def test_every_observation_can_be_reprocessed(simulated):
    for observation in PROGRAMME:
        folder = simulated / "9" / observation.obsid
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        if observation.presence == "open" and names:
            files = PipelineFiles.among(observation.obsid, names)
            assert (files.has_exposures, files.has_mode_gti) == (True, True)
            unfiltered = [name for name in files.inside if name.endswith("_uf.evt.gz")]
            assert len(unfiltered) == len(observation.classes) * observation.parts


def test_every_header_says_that_it_is_a_simulation(simulated):
    headers = 0
    for path in sorted(simulated.rglob("*.gz")):
        if ".log" in path.name or (path.name.endswith("_cl.evt.gz") and path.parts[-4] in DAMAGED):
            continue
        with fits.open(path, memmap=False) as hdus:
            for hdu in hdus:
                assert hdu.header["SIMULATD"] is True, path
                assert hdu.header["ORIGIN"] == "SIMULATION", path
                assert {"CHECKSUM", "DATASUM", "TELESCOP"} <= set(hdu.header), path
                headers += 1
    assert headers > 300


@pytest.mark.parametrize("folder", ["9/900002010", "9/900013010", "9/900015010", "responses"])
def test_every_file_is_valid_fits_and_has_its_checksums(simulated, folder):
    for path in sorted((simulated / folder).rglob("*.gz")):
        if ".log" not in path.name:
            # A checksum that is wrong is a warning, and warnings are errors here.
            with fits.open(path, checksum=True, memmap=False) as hdus:
                hdus.verify("exception")
                assert len(hdus) >= 1


def test_what_is_not_fits_says_so_too(simulated):
    for path in simulated.rglob("*.log.gz"):
        assert gzip.decompress(path.read_bytes()).startswith(b"SIMULATION")
    for path in simulated.rglob("*.gpg"):
        assert path.read_bytes().startswith(b"SIMULATED, not a real")
    table = Table.read(simulated / "xrismmastr.ecsv", format="ascii.ecsv")
    assert table.meta == {"SIMULATD": True, "ORIGIN": "SIMULATION"}


def test_good_observations_are_the_same_bytes_with_and_without_faults(simulated, tmp_path):
    obsids = make_archive(tmp_path / "again", events=2000.0, cores=2)
    assert obsids == [observation.obsid for observation in PROGRAMME]
    plain, faulty = _observed(_contents(tmp_path / "again")), _observed(_contents(simulated))
    assert plain.items() <= faulty.items()
    assert len(plain) > 100


def test_another_seed_gives_other_events(simulated, tmp_path):
    make_observation(tmp_path, PROGRAMME[6], seed=2, events=2000.0)
    other, usual = _contents(tmp_path), _observed(_contents(simulated))
    assert other.keys() <= usual.keys()
    changed = {name.rpartition(".")[0][-8:] for name in other if other[name] != usual[name]}
    assert {"0_cl.evt", "0_uf.evt", "010.bimg", "7010.ehk"} <= changed
    assert "7010.orb" not in changed


def test_the_same_archive_is_found_and_left_alone(simulated, monkeypatch):
    monkeypatch.setattr(archive, "_make", None)
    obsids = make_archive(simulated, with_faults=True, events=2000.0)
    assert len(obsids) == 15
    assert json.loads((simulated / "SIMULATED.json").read_text())["obsids"] == obsids


@pytest.mark.parametrize(
    "other", [{"with_faults": False}, {"with_faults": True, "seed": 7}, {"with_faults": True, "events": 9.0}]
)
def test_an_archive_of_other_parameters_is_refused(simulated, other):
    with pytest.raises(BadInput, match="other parameters"):
        make_archive(simulated, **({"events": 2000.0} | other))


def test_a_directory_with_something_else_is_refused_and_untouched(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BadInput, match="not empty"):
        make_archive(tmp_path)
    assert _contents(tmp_path) == {"thesis.txt": b"years of work"}


@pytest.mark.parametrize("marker", ["{", "[]", '{"seed": 1}'])
def test_a_strange_marker_is_refused(tmp_path, marker):
    (tmp_path / "SIMULATED.json").write_text(marker)
    with pytest.raises(BadInput, match="simulated archive"):
        make_archive(tmp_path)


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="not a directory"):
        make_archive(tmp_path / "file")
    with pytest.raises(BadInput, match="cannot be"):
        make_archive(tmp_path / "file" / "below")


@pytest.mark.parametrize(
    "arguments", [{"seed": -1}, {"events": 0}, {"events": -5.0}, {"events": float("nan")}, {"events": 1e12}]
)
def test_senseless_numbers_are_refused(tmp_path, arguments):
    with pytest.raises(BadInput):
        make_archive(tmp_path / "new", **arguments)
    assert not any(tmp_path.iterdir())


def _pretend(root, *_):
    (root / "9").mkdir()
    (root / "9/file").write_text("made")
    return {}


def test_an_empty_directory_is_filled_and_the_mark_of_making_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_make", _pretend)
    (tmp_path / "demo").mkdir()
    make_archive(tmp_path / "demo")
    beside = ["SIMULATED.json", "demo", "demo.toml", "file", "truth.json"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["9", *beside]


def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(root, *_):
        _pretend(root)
        raise KeyboardInterrupt

    monkeypatch.setattr(archive, "_make", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_archive(tmp_path / "demo")
    assert not any(tmp_path.iterdir())


def test_what_a_killed_run_left_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_make", _pretend)
    half = tmp_path / ".demo.making"
    (half / "9").mkdir(parents=True)
    (half / "9/half").touch()
    (half / ".making").touch()
    (half / "stray").touch()
    make_archive(tmp_path / "demo")
    beside = ["demo/SIMULATED.json", "demo/demo.toml", "demo/truth.json"]
    assert sorted(_contents(tmp_path)) == ["demo/9/file", *beside]


def test_two_runs_at_once_do_not_disturb_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_make", _pretend)
    (tmp_path / ".demo.making").mkdir()
    with (tmp_path / ".demo.making/.making").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BadInput, match="another process"):
            make_archive(tmp_path / "demo")
        assert (tmp_path / ".demo.making/.making").exists()


def test_a_full_disk_is_a_fault_of_the_environment(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive, "_make", full)
    with pytest.raises(EnvironmentFault, match="No space left"):
        make_archive(tmp_path / "demo")
    assert not any(tmp_path.iterdir())


@pytest.mark.system
def test_killed_at_any_moment_it_leaves_no_half_archive_and_no_process(simulated, tmp_path):
    code = (
        "from pathlib import Path\n"
        "from tasks.archive.simulated.archive import make_archive\n"
        f"if __name__ == '__main__': make_archive(Path({str(tmp_path / 'demo')!r}), events=2000.0, cores=2)\n"
    )
    (tmp_path / "run.py").write_text(code)
    run = subprocess.Popen([sys.executable, tmp_path / "run.py"], start_new_session=True)
    while not any((tmp_path / ".demo.making").glob("9/*/xtend/event_cl/*")):
        assert run.poll() is None
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert not (tmp_path / "demo").exists()
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.killpg(run.pid, 0)
            time.sleep(0.05)
    make_archive(tmp_path / "demo", events=2000.0, cores=2)
    made = _observed(_contents(tmp_path / "demo"))
    assert made.items() <= _observed(_contents(simulated)).items()
    assert not (tmp_path / ".demo.making").exists()
