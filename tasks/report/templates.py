"""The pages' templates: every value is escaped, and one that is missing is an error."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from tasks.report import words


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tasks.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "duration": words.duration_words,
        "entry": words.entry_words,
        "plain_json": words.json_words,
        "size": words.size_words,
        "utc": words.time_words,
    }
    return environment


def render(template: str, **values: object) -> str:
    """A page as HTML."""
    return _environment().get_template(template).render(values)
