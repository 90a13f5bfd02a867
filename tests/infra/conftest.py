"""What the files of `infra/` say, read once."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


class Template(yaml.SafeLoader):
    """YAML with CloudFormation's own tags."""


def _function(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {tag: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {tag: loader.construct_sequence(node, deep=True)}
    raise TypeError(f"!{tag} of a mapping")


Template.add_multi_constructor("!", _function)


@pytest.fixture(scope="session")
def infra() -> Path:
    return ROOT / "infra"


@pytest.fixture(scope="session")
def texts(infra: Path) -> dict[str, str]:
    """Every file's text by its name below `infra/`, and that of what the images leave out."""
    files = [path for path in infra.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    found = {path.relative_to(infra).as_posix(): path.read_text(encoding="utf-8") for path in files}
    found.pop(".env", None)  # somebody's own
    return found


@pytest.fixture(scope="session")
def compose(texts: dict[str, str]) -> dict[str, Any]:
    return yaml.safe_load(texts["compose.yaml"])


@pytest.fixture(scope="session")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    return compose["services"]


@pytest.fixture(scope="session")
def manifests(texts: dict[str, str]) -> list[dict[str, Any]]:
    """The Kubernetes objects of every file that the kustomization names."""
    names = yaml.safe_load(texts["kubernetes/kustomization.yaml"])["resources"]
    return [item for name in names for item in yaml.safe_load_all(texts[f"kubernetes/{name}"])]


@pytest.fixture(scope="session")
def pods(manifests: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What runs, as a pod's specification by the name of what makes it."""
    return {
        item["metadata"]["name"]: item["spec"]["template"]["spec"]
        for item in manifests
        if "template" in item.get("spec", {})
    }


@pytest.fixture(scope="session")
def stack(texts: dict[str, str]) -> dict[str, Any]:
    """The CloudFormation template."""
    return yaml.load(texts["ecs/worker.yaml"], Loader=Template)  # noqa: S506 (it is a SafeLoader)


@pytest.fixture(scope="session")
def images(texts: dict[str, str], services: dict[str, Any], pods: dict[str, Any]) -> dict[str, str]:
    """Every image that is named, and where."""
    bases = {
        f"{name}: {base}": base
        for name, text in texts.items()
        if "/Dockerfile" in name
        for base in re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    }
    run = {f"compose {name}": service["image"] for name, service in services.items()}
    kubernetes = {
        f"kubernetes {name}": container["image"]
        for name, pod in pods.items()
        for container in pod["containers"]
    }
    return {**bases, **run, **kubernetes}
