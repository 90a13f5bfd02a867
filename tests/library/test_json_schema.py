import json

import jsonschema
import pytest

from tasks.library.json_schema import SCHEMA_FILE, manifest_schema, schema_text
from tasks.library.manifest import SCHEMA
from tasks.library.publication import publish


@pytest.fixture
def published(directory_store, make, draft):
    publish(directory_store, None, draft(), [make("a.fits")], lambda: None)
    return json.loads(directory_store.read("000128000/30000010/manifest.json"))


@pytest.fixture(scope="module")
def validator():
    jsonschema.Draft202012Validator.check_schema(manifest_schema())
    return jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


def test_the_file_is_that_of_the_model():
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), (
        'run: python -c "from tasks.library.json_schema import *; SCHEMA_FILE.write_text(schema_text())"'
    )


def test_a_published_manifest_holds_to_it(validator, published):
    validator.validate(published)
    assert published["schema"] == SCHEMA


@pytest.mark.parametrize(
    "change",
    [
        {"obsid": "128000"},
        {"dataclass": "../../x"},
        {"schema": "1"},
        {"steps": {"dance": {}}},
        {"products": [{}]},
        {"colour": "red"},
    ],
)
def test_what_does_not_hold_to_it(validator, published, change):
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(published | change)
