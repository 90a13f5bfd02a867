"""xtdpipeline's call: to the last parameter, and nothing of its outputs among its inputs."""

from pathlib import Path

import pytest

from tasks.core.errors import BadInput, Permanent
from tasks.core.identifiers import DataClass, ObsID
from tasks.engines.heasoft import xtdpipeline
from tasks.engines.heasoft.xtdpipeline import calculates_mode_gti, call, check_apart, outputs_in, parameters
from tasks.library.pipeline_files import PipelineFiles
from tasks.library.recipe import HEASoft

OBSID = ObsID("000128000")
UF = f"xtend/event_uf/xa{OBSID}xtd_"
NAMES = [
    f"auxil/xa{OBSID}.att.gz",
    f"auxil/xa{OBSID}.orb.gz",
    f"auxil/xa{OBSID}.ehk.gz",
    f"auxil/xa{OBSID}.mkf.gz",
    f"auxil/xa{OBSID}_gen.gti.gz",
    f"xtend/hk/xa{OBSID}xtd_a0.hk.gz",
    f"{UF}a0exp.fits.gz",
    f"{UF}tel.gti.gz",
    f"{UF}mode.gti.gz",
    f"{UF}p031100010_uf.evt.gz",
    f"{UF}p032000010_uf.evt.gz",
]
FILES = PipelineFiles.among(OBSID, NAMES)
FULL, WINDOW, BURST, UNKNOWN = map(DataClass, ("32000010", "31100010", "31200010", "77777777"))


def without(*words: str) -> PipelineFiles:
    return PipelineFiles.among(OBSID, [name for name in NAMES if not any(word in name for word in words)])


def test_every_parameter():
    assert parameters(OBSID, FILES, [FULL], HEASoft()) == {
        "indir": "in",
        "outdir": "out",
        "steminputs": "xa000128000",
        "stemoutputs": "xa000128000",
        "entry_stage": 1,
        "exit_stage": 2,
        "attitude": "xa000128000.att.gz",
        "orbit": "xa000128000.orb.gz",
        "obsgti": "xa000128000_gen.gti.gz",
        "housekeeping": "xa000128000xtd_a0.hk.gz",
        "makefilter": "xa000128000.mkf.gz",
        "extended_housekeeping": "xa000128000.ehk.gz",
        "regionfile": "NONE",
        "calc_hotpix": False,
        "calc_modegti": False,
        "seed": 7,
        "cleanup": True,
        "clobber": True,
    }


def test_the_recipe_gives_the_seed():
    assert parameters(OBSID, FILES, [FULL], HEASoft(seed=11))["seed"] == 11


@pytest.mark.parametrize(
    ("choice", "dataclass", "lacks", "expected"),
    [
        ("auto", FULL, (), False),
        ("auto", WINDOW, (), True),
        ("auto", BURST, (), True),
        ("auto", UNKNOWN, (), False),
        ("auto", FULL, ("mode",), True),
        ("auto", WINDOW, ("a0exp",), False),
        ("yes", FULL, (), True),
        ("no", WINDOW, (), False),
    ],
)
def test_when_the_modes_good_time_is_worked_out(choice, dataclass, lacks, expected):
    assert calculates_mode_gti(OBSID, without(*lacks), [FULL, dataclass], choice) is expected


@pytest.mark.parametrize(
    ("choice", "lacks", "reason"),
    [
        ("yes", ("a0exp",), "no list of exposures in the archive"),
        ("auto", ("a0exp", "mode"), "no list of exposures in the archive"),
        ("no", ("mode",), "no good time of the modes; let calc_modegti"),
    ],
)
def test_the_modes_good_time_must_come_from_somewhere(choice, lacks, reason):
    with pytest.raises(Permanent, match=f"000128000: .*{reason}"):
        calculates_mode_gti(OBSID, without(*lacks), [WINDOW], choice)


@pytest.mark.parametrize("outdir", ["in", "in/out", "in/", "in/a/b"])
def test_outputs_must_not_lie_among_the_inputs(outdir):
    with pytest.raises(BadInput, match="must not write to"):
        check_apart("in", outdir)


@pytest.mark.parametrize("outdir", ["out", ".", "inner", "other/in"])
def test_other_folders_will_do(outdir):
    check_apart("in", outdir)


def test_the_call_has_every_file_under_its_short_name():
    made = call(OBSID, FILES, [FULL], HEASoft(hours=3, chatter=2), Path("/down/000128000"))
    assert made.function == "tasks.engines.heasoft.xtdpipeline:run"
    assert made.inputs == {name.rpartition("/")[2]: f"/down/000128000/{name}" for name in NAMES}
    assert made.parameters["tool"] == "xtdpipeline"
    assert made.parameters["chatter"] == 2
    assert made.parameters["parameters"] == parameters(OBSID, FILES, [FULL], HEASoft())
    assert sorted(made.parameters["inside"]) == sorted(name.rpartition("/")[2] for name in NAMES[6:])
    assert made.timeout == 3 * 3600
    named = {value for value in made.parameters["parameters"].values() if isinstance(value, str)}
    assert named & set(made.inputs) == {name.rpartition("/")[2] for name in NAMES[:6]}


def test_links_are_put_into_a_real_folder_before_the_pipeline_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "archive").mkdir()
    for name in ("a_uf.evt", "b.gti", "c.att"):
        (tmp_path / "archive" / name).write_text(name)
        Path(name).symlink_to(tmp_path / "archive" / name)
    seen = []

    def run(**given):
        seen.append((given, sorted(path.read_text() for path in Path("in").iterdir())))

    monkeypatch.setattr(xtdpipeline, "run_tool", run)
    xtdpipeline.run(["a_uf.evt", "b.gti"], tool="xtdpipeline", parameters={"indir": "in"})
    assert seen == [({"tool": "xtdpipeline", "parameters": {"indir": "in"}}, ["a_uf.evt", "b.gti"])]
    assert Path("in").is_dir()
    assert not Path("in").is_symlink()
    assert Path("c.att").is_symlink()


def test_what_datasets_need_of_the_outputs(tmp_path):
    (tmp_path / "out").mkdir()
    for name in ("b_cl.evt", "a.bimg", "a_uf.evt", "a.fpix", "x.log"):
        (tmp_path / "out" / name).touch()
    assert [path.name for path in outputs_in(tmp_path)] == ["a.bimg", "b_cl.evt"]
    assert outputs_in(tmp_path / "nothing") == ()
