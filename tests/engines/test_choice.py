"""Which engine does each step, settled once: by the recipe, by what is here and by what workers have."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import BadInput, EnvironmentFault
from tasks.core.settings import Settings
from tasks.engines import choice
from tasks.engines.choice import STEPS, choose, engine, register
from tasks.engines.fitters import REGISTERED, fitters
from tasks.engines.heasoft import engine as heasoft_engine
from tasks.engines.heasoft import installation
from tasks.engines.heasoft.engine import TOOLS
from tasks.engines.heasoft.installation import Installation
from tasks.library.dataset import recipe_hash
from tasks.library.manifest import Step
from tasks.library.recipe import Engines, Recipe
from tasks.library.site import open_site

XRISM = ("xtdpipeline", "xaexpmap", "xtdrmf", "xaarfgen")
"""The tools that an older HEASoft does not have."""
UNABLE = {"processing", "exposure", "responses"}
"""What it cannot do for want of them."""
NAMES = st.sampled_from([None, "auto", "heasoft", "native"])


def versions(heasoft: str = "6.36", caldb: str = "20260115-aaaaaaaaaaaa", heasoftpy: str = "1.5"):
    return {"heasoft": heasoft, "heasoftpy": heasoftpy, "caldb": caldb, "heasoft-engine": "1"}


@pytest.fixture
def host(monkeypatch, tmp_path) -> Callable[..., None]:
    """Says what is installed on this host: a complete HEASoft, but for what is said."""

    def install(
        heasoft: str | None = "6.36",
        caldb: str | None = "20260115-aaaaaaaaaaaa",
        py: str | None = "1.5",
        without: tuple[str, ...] = (),
    ):
        (tmp_path / "bin").mkdir(exist_ok=True)
        for tool in {tool for tools in TOOLS.values() for tool in tools}:
            (tmp_path / "bin" / tool).touch()
            (tmp_path / "bin" / tool).chmod(0o644 if tool in without else 0o755)
        found = Installation(headas=heasoft and tmp_path, version=heasoft, heasoftpy=py, caldb=caldb)
        monkeypatch.setattr(choice, "find_installation", lambda: found)
        monkeypatch.setattr(heasoft_engine, "find_installation", lambda: found)
        monkeypatch.setattr(installation, "_caldb_version", lambda caldb: caldb)

    return install


@pytest.fixture
def bare(host) -> None:
    host(None, None, None)


def names(recipe: Recipe, *registered: dict[str, str]) -> dict[str, str]:
    return {step: use.name for step, use in choose(recipe, registered).uses.items()}


def everywhere(name: str, **others: str) -> dict[str, str]:
    return {**dict.fromkeys(STEPS, name), **others}


@pytest.mark.parametrize("name", ["native", "heasoft"])
def test_an_engine_goes_by_its_name(name):
    assert engine(name).name == name


@pytest.mark.parametrize("name", ["", "auto", "NATIVE", "heasoftpy"])
def test_an_engine_that_does_not_exist_is_refused(name):
    with pytest.raises(BadInput, match="there is no engine"):
        engine(name)


def test_every_step_but_the_download_has_an_engine():
    assert set(STEPS) == set(Step) - {Step.DOWNLOAD}


@pytest.mark.usefixtures("bare")
def test_without_heasoft_auto_is_native():
    chosen = choose(Recipe())
    assert {use.name for use in chosen.uses.values()} == {"native"}
    assert (chosen.name, chosen.versions, chosen.queue) == ("native", {"native": "1"}, "default")
    assert not chosen.reprocesses
    assert chosen.takes_rmf
    # A given one makes the archive's superfluous.
    assert not choose(Recipe.model_validate({"responses": {"rmf": "a.rmf"}})).takes_rmf


def test_with_heasoft_auto_is_heasoft(host):
    host()
    chosen = choose(Recipe())
    assert (chosen.name, chosen.versions, chosen.queue) == ("heasoft", versions(), "heasoft")
    assert chosen.reprocesses
    assert not chosen.takes_rmf
    assert choose(Recipe.model_validate({"engines": {"responses": "native"}})).takes_rmf


@pytest.mark.parametrize("lacking", ["heasoft", "caldb", "py"])
def test_an_installation_with_a_hole_is_none(host, lacking):
    host(**{lacking: None})
    assert names(Recipe()) == everywhere("native")
    with pytest.raises(EnvironmentFault, match=r"the engine heasoft is asked for .* it lacks"):
        choose(Recipe(engine="heasoft"))


def test_to_auto_a_heasoft_without_xrisms_tools_is_not_there(host):
    host("6.20", without=XRISM)
    assert names(Recipe()) == everywhere("native")
    # A step that asks for it by name is done with it, and no other one.
    chosen = choose(Recipe.model_validate({"engines": {"extraction": "heasoft"}}))
    assert {step: use.name for step, use in chosen.uses.items()} == everywhere("native", extraction="heasoft")
    assert chosen.versions == {**versions("6.20"), "native": "1"}
    assert not chosen.reprocesses
    # What is settled asks by name for nothing that cannot be done.
    assert choose(chosen.recipe) == chosen


@pytest.mark.parametrize("parts", [{"engine": "heasoft"}, {"engines": dict.fromkeys(UNABLE, "heasoft")}])
def test_heasoft_that_is_asked_for_and_lacks_tools_is_an_error_that_names_them(host, parts):
    host(without=XRISM)
    with pytest.raises(EnvironmentFault) as told:
        choose(Recipe.model_validate(parts))
    assert told.value.exit_status == 3
    assert str(told.value) == (
        "the engine heasoft is asked for and cannot do "
        "processing (the HEASoft of this host has no xtdpipeline), "
        "exposure (the HEASoft of this host has no xaexpmap), "
        "responses (the HEASoft of this host has no xtdrmf, xaarfgen): "
        "XRISM's tools come with HEASoft 6.34 or newer. xtendflow doctor tells more; "
        "the engine native needs none of it"
    )


def test_a_worker_with_every_tool_goes_before_a_newer_heasoft_of_this_host_without(host):
    host("6.37", without=("xaarfgen",))
    assert choose(Recipe(), [versions("6.34")]).versions == versions("6.34")
    # Unless the recipe asks for the one that is here.
    pinned = Recipe.model_validate({"heasoft": {"version": "6.37"}, "engines": {"exposure": "heasoft"}})
    chosen = choose(pinned, [versions("6.34")])
    assert chosen.uses[Step.EXPOSURE].versions == versions("6.37")
    assert chosen.uses[Step.RESPONSES].name == "native"


@pytest.mark.usefixtures("bare")
def test_the_address_of_a_remote_caldb_does_not_make_it_older_or_newer():
    remote, local = versions(caldb="https://host/caldb 20260115-a"), versions(caldb="20250101-b")
    for registered in ([remote, local], [local, remote]):
        assert choose(Recipe(), registered).versions == remote
    remote, local = versions(caldb="https://host/caldb 20250101-b"), versions(caldb="20260115-a")
    for registered in ([remote, local], [local, remote]):
        assert choose(Recipe(), registered).versions == local


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("pins", "expected"),
    [
        ({"version": "6.35"}, versions("6.35", "20260201-c")),
        ({"caldb": "20250101"}, versions("6.36", "20250101-b")),
        ({"caldb": "20250101-b"}, versions("6.36", "20250101-b")),
        ({"version": "6.36", "caldb": "20260115"}, versions("6.36", "20260115-a")),
    ],
)
def test_a_pin_goes_before_the_newest(pins, expected):
    registered = [
        versions("6.36", "20260115-a"),
        versions("6.36", "20250101-b"),
        versions("6.35", "20260201-c"),
    ]
    assert choose(Recipe.model_validate({"heasoft": pins}), registered).versions == expected


@pytest.mark.parametrize(
    "pins", [{"version": "6.3"}, {"version": "6.37"}, {"caldb": "2026"}, {"caldb": "20260115-b"}]
)
@pytest.mark.parametrize("name", ["auto", "heasoft"])
def test_a_pin_that_nobody_has_is_an_error(host, name, pins):
    host(caldb="20260115-a")
    with pytest.raises(EnvironmentFault, match=r"the recipe asks for .*, and there is only heasoft 6\.36"):
        choose(Recipe.model_validate({"engine": name, "heasoft": pins}))


@pytest.mark.parametrize("pin", ["20260115", "20260115-a", "https://host/caldb 20260115"])
def test_a_remote_caldb_is_pinned_with_or_without_its_address(host, pin):
    host(caldb="https://host/caldb 20260115-a")
    assert names(Recipe.model_validate({"heasoft": {"caldb": pin}})) == everywhere("heasoft")


def test_pins_do_not_matter_to_native_steps(host):
    host()
    recipe = Recipe.model_validate({"engine": "native", "heasoft": {"version": "6.30"}})
    assert names(recipe) == everywhere("native")


def test_a_version_that_cannot_be_told_is_no_reason_to_take_the_other_engine(host, monkeypatch):
    host()

    def broken(caldb):
        raise EnvironmentFault("the CALDB cannot be read")

    monkeypatch.setattr(installation, "_caldb_version", broken)
    with pytest.raises(EnvironmentFault, match="cannot be read"):
        choose(Recipe())
    assert names(Recipe(engine="native")) == everywhere("native")


def test_what_is_settled_means_the_same_on_another_host(host):
    host(None, None, None)
    recipe = Recipe.model_validate({"engines": {"extraction": "native"}})
    frozen = choose(recipe, [versions("6.36"), versions("6.35")]).recipe
    assert (frozen.heasoft.version, frozen.heasoft.caldb) == ("6.36", "20260115-aaaaaaaaaaaa")
    # As it goes through Prefect.
    frozen = Recipe.model_validate_json(frozen.model_dump_json())
    host()
    assert choose(frozen).uses == choose(recipe).uses
    host("6.37")
    with pytest.raises(EnvironmentFault, match=r"asks for heasoft 6\.36.* only heasoft 6\.37"):
        choose(frozen)
    native = choose(Recipe(engine="native")).recipe
    assert choose(native).uses == choose(Recipe(engine="native")).uses


def test_one_choice_is_written_in_one_way(host):
    host()
    ways = [
        {"engine": "heasoft"},
        {"engine": "auto"},
        {"engine": "native", "engines": everywhere("heasoft")},
        {"engine": "heasoft", "engines": everywhere("auto")},
    ]
    assert len({recipe_hash(choose(Recipe.model_validate(way)).recipe) for way in ways}) == 1
    mixed = [
        {"engine": "heasoft", "engines": {"derived": "native"}},
        {"engine": "native", "engines": everywhere("auto", derived="native")},
    ]
    (frozen,) = {choose(Recipe.model_validate(way)).recipe.model_dump_json() for way in mixed}
    assert Recipe.model_validate_json(frozen).engines == Engines(derived="native")


def test_versions_are_no_part_of_the_recipes_hash(host):
    host()
    before = recipe_hash(choose(Recipe()).recipe)
    host("6.37", "20270101-a")
    assert recipe_hash(choose(Recipe()).recipe) == before


@given(overall=NAMES.filter(bool), single=st.fixed_dictionaries(dict.fromkeys(STEPS, NAMES)))
def test_settling_twice_changes_nothing(overall, single):
    recipe = Recipe(engine=overall, engines=Engines(**single))
    once = choose(recipe, [versions()])
    again = choose(once.recipe, [versions("6.37"), versions()])
    assert again == once
    for step in STEPS:
        wanted = single[step] or overall
        assert once.uses[step].name == ("native" if wanted == "native" else "heasoft")


def test_a_host_tells_the_ledger_what_it_has(host, tmp_path):
    site = open_site(Settings(data=tmp_path))
    host(None, None, None)
    register(site)
    assert site.ledger.registered_versions("heasoft") == ()
    # Others take what is registered for complete.
    host(without=("xtdpipeline",))
    register(site)
    assert site.ledger.registered_versions("heasoft") == ()
    host()
    register(site)
    assert site.ledger.registered_versions("heasoft") == (versions(),)
    assert site.ledger.registered_versions("native") == ({"native": "1"},)


def test_an_engine_that_cannot_tell_its_versions_is_not_registered(host, tmp_path, monkeypatch, caplog):
    site = open_site(Settings(data=tmp_path))
    host(None, "20260115-a")
    host("6.36")
    monkeypatch.setattr(
        heasoft_engine, "find_installation", lambda: Installation(tmp_path, None, "1.5", "/caldb")
    )
    register(site)
    assert site.ledger.registered_versions("heasoft") == ()
    assert "fversion fails" in caplog.text


FITTED = {"fit": {"model": "powerlaw"}}
SHERPA = {"sherpa": "4.19.0", "periodictable": "2.0.2"}
PYXSPEC = {"pyxspec": "installed"}


@pytest.fixture
def able(monkeypatch) -> Callable[[dict[str, str]], None]:
    """Says what this host can fit with."""
    return lambda found: monkeypatch.setattr(choice, "fitters", lambda: found)


def use_of_fits(
    recipe: dict[str, object], *fitting: dict[str, str], **more: object
) -> tuple[str, dict[str, str]]:
    use = choose(Recipe.model_validate(FITTED | recipe), fitting=fitting, **more).uses[Step.FIT]
    return use.name, use.versions


@pytest.mark.usefixtures("bare")
def test_fits_depend_on_what_fits_and_nothing_else_does(able):
    able(SHERPA)
    chosen = choose(Recipe.model_validate(FITTED))
    assert chosen.uses[Step.FIT].versions == {"native": "1", **SHERPA}
    assert {tuple(use.versions) for step, use in chosen.uses.items() if step != Step.FIT} == {("native",)}
    # A sweep sees a new version of it as a cause, but only where something is fitted.
    assert chosen.versions == {"native": "1", **SHERPA}
    assert choose(Recipe()).versions == {"native": "1"}


@pytest.mark.usefixtures("bare")
def test_without_sherpa_fits_say_so_by_the_version_that_is_not_there(able):
    able({})
    assert use_of_fits({}) == ("native", {"native": "1"})
    able({"periodictable": "2.0.2"})
    assert use_of_fits({}) == ("native", {"native": "1"})


@pytest.mark.parametrize(
    ("found", "recipe", "name", "more"),
    [
        (SHERPA | PYXSPEC, {}, "heasoft", PYXSPEC),
        # Where XSPEC is not, Sherpa stands in, unless it was asked for by name.
        (SHERPA, {}, "native", SHERPA),
        (SHERPA, {"engines": {"fit": "heasoft"}}, "heasoft", {}),
        (SHERPA, {"engine": "heasoft"}, "heasoft", {}),
        ({}, {}, "heasoft", {}),
        (SHERPA | PYXSPEC, {"engines": {"fit": "native"}}, "native", SHERPA),
        (SHERPA | PYXSPEC, {"engine": "native", "engines": {"fit": "auto"}}, "heasoft", PYXSPEC),
    ],
)
def test_who_fits_where_heasoft_is(host, able, found, recipe, name, more):
    host()
    able(found)
    own = {"native": "1"} if name == "native" else versions()
    assert use_of_fits(recipe) == (name, own | more)


@pytest.mark.usefixtures("bare")
def test_a_scheduler_goes_by_what_workers_fit_with(able):
    able({})
    older = {"sherpa": "4.9.1", "periodictable": "2.1.0"}
    assert use_of_fits({}, older, SHERPA, {}) == ("native", {"native": "1", **SHERPA})
    settled = choose(Recipe.model_validate(FITTED), [versions()], [SHERPA])
    assert settled.uses[Step.FIT].name == "native"
    able(SHERPA)
    # As the worker sees it, which knows itself alone.
    assert choose(settled.recipe, [versions()]).uses == settled.uses


def test_a_host_tells_the_ledger_what_it_fits_with(host, able, tmp_path):
    site = open_site(Settings(data=tmp_path))
    host(None, None, None)
    able(SHERPA)
    register(site)
    assert site.ledger.registered_versions(REGISTERED) == (SHERPA,)


def test_what_is_installed_here_is_found_without_an_import():
    pytest.importorskip("periodictable")
    found = fitters()
    assert set(found) in ({"sherpa", "periodictable"}, set(found) & {"pyxspec"})
