"""The images: what they are made from exists, is checked and is pinned."""

import fnmatch
import re
import tomllib

import pytest

DOCKERFILES = ("docker/Dockerfile", "docker/Dockerfile.heasoft")

every_dockerfile = pytest.mark.parametrize("name", DOCKERFILES)


@pytest.fixture
def instructions(texts, name):
    """The instructions of a Dockerfile, as pairs of word and rest, each in one line."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", texts[name], flags=re.MULTILINE))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line]


@pytest.fixture
def kept(infra):
    """Whether a path of the repository reaches a build."""
    lines = (infra.parent / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]

    def reaches(path):
        parts = path.split("/")
        above = {"/".join(parts[: end + 1]) for end in range(len(parts))}
        found = True
        for rule in rules:
            if any(fnmatch.fnmatch(each, rule.lstrip("!")) for each in above):
                found = rule.startswith("!")
        return found

    return reaches


def sources(instructions):
    """What is copied from the repository."""
    for word, rest in instructions:
        if word == "COPY" and "--from=" not in rest:
            yield from [each for each in rest.split() if not each.startswith("--")][:-1]


def requirements(text):
    """The pinned packages of a lock file, each with how many hashes it has."""
    entries = re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==(.*(?:\n +.*)*)", text, flags=re.MULTILINE)
    return {name.lower(): rest.count("--hash=sha256:") for name, rest in entries}


@every_dockerfile
def test_what_is_copied_exists_and_is_not_left_out(instructions, infra, kept):
    copied = list(sources(instructions))
    assert {"flows", "tasks", "deployments", "pyproject.toml", "requirements.lock"} <= set(copied)
    for path in copied:
        assert (infra.parent / path).exists(), path
        assert kept(path), path


def test_nothing_else_reaches_a_build(kept, infra):
    reached = {path.name for path in infra.parent.iterdir() if kept(path.name)}
    assert reached <= {
        "flows",
        "tasks",
        "deployments",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "requirements.lock",
    }
    assert not kept("infra/.env")
    assert not kept("flows/__pycache__") or "**/__pycache__" in (infra.parent / ".dockerignore").read_text()


@every_dockerfile
def test_the_wheel_finds_all_that_it_is_built_of(instructions, infra):
    project = tomllib.loads((infra.parent / "pyproject.toml").read_text(encoding="utf-8"))
    needed = {
        *project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"],
        project["project"]["readme"],
    }
    assert needed | set(project["project"]["license-files"]) <= set(sources(instructions))


@every_dockerfile
def test_python_packages_are_checked_before_they_are_installed(instructions):
    commands = [rest for word, rest in instructions if word == "RUN"]
    uses = [use for command in commands for use in re.findall(r"\bpip (?:download|install)[^&]*", command)]
    assert len(uses) == 2
    assert all(("download" in use and "--require-hashes" in use) or "--no-index" in use for use in uses)


@every_dockerfile
def test_it_does_not_run_as_root(instructions):
    last = instructions[max(number for number, (word, _) in enumerate(instructions) if word == "FROM") :]
    user, command = (
        next(rest for word, rest in reversed(last) if word == asked) for asked in ("USER", "CMD")
    )
    assert user == "10001:10001"
    assert '"worker.sh"' in command
    assert not [
        rest for word, rest in instructions if word in ("ENV", "ARG") and re.search("PASSW|SECRET", rest)
    ]


@every_dockerfile
def test_its_places_are_those_that_are_mounted(instructions, services, pods):
    settings = next(rest for word, rest in instructions if word == "ENV" and "XTENDFLOW_DATA" in rest)
    home = re.search(r"XTENDFLOW_DATA=(\S+)", settings)[1]
    assert re.search(r"PREFECT_HOME=(\S+)", settings)[1].startswith("/tmp/")
    assert ("VOLUME", f'["{home}", "/tmp"]') in instructions
    assert home in services["worker"]["volumes"]
    for name in ("worker", "heasoft-worker"):
        (container,) = pods[name]["containers"]
        assert {home, "/tmp"} <= {mount["mountPath"] for mount in container["volumeMounts"]}


def test_the_lock_has_what_the_image_installs(infra):
    locked = requirements((infra.parent / "requirements.lock").read_text(encoding="utf-8"))
    assert {"prefect", "prefect-redis", "redis", "psycopg", "hatchling"} <= locked.keys()
    assert all(locked.values())


def test_every_image_is_pinned_and_comes_from_the_default_registry(images):
    for where, image in images.items():
        name, _, tag = image.rpartition(":")
        assert name or image in ("xtendflow", "xtendflow-heasoft"), f"{where} has no tag"
        if name:
            assert re.search(r"\d", tag), where
            assert not re.search(r"[.:]", name.split("/")[0]) or "/" not in name, where


def test_our_images_carry_the_version_of_the_project(images, texts, infra):
    version = tomllib.loads((infra.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "version"
    ]
    ours = {image for image in images.values() if image.startswith("xtendflow")}
    assert {tag for _, _, tag in (image.rpartition(":") for image in ours if ":" in image)} == {version}
    assert set(re.findall(r"newTag: (\S+)", texts["kubernetes/kustomization.yaml"])) == {version}
    for name in DOCKERFILES:
        assert re.search(r"--tag xtendflow(?:-heasoft)?:(\S+)", texts[name])[1] == version
