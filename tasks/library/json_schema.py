"""The manifest's JSON schema, for programs that read manifests without this project."""

import json
from pathlib import Path
from typing import Any

from tasks.library.manifest import Manifest

SCHEMA_FILE = Path(__file__).with_name("manifest.schema.json")


def manifest_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a manifest as it stands in a store."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Manifest.model_json_schema(by_alias=True, mode="serialization"),
    }


def schema_text() -> str:
    """What `manifest.schema.json` has to hold."""
    return json.dumps(manifest_schema(), indent=1, ensure_ascii=False) + "\n"
