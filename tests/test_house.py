"""The rules of the house that no linter knows: layers, sizes, and what a shared process must not do."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(path.relative_to(ROOT) for top in ("flows", "tasks") for path in (ROOT / top).rglob("*.py"))
FLOORS = ("core", "xtend", "library")
"""From the ground up; each may import those below it."""
WINGS = ("archive", "engines", "report", "fitting")
"""On top of these; none imports another."""
LONGEST_FUNCTION = 60
LONGEST_MODULE = 400

every_module = pytest.mark.parametrize("module", MODULES, ids=str)


@cache
def tree(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"))


def place(name: str) -> str:
    """Where a dotted name of ours belongs: a floor, a wing, `tasks` or `flows`."""
    parts = name.split(".")
    if parts[0] == "tasks" and len(parts) > 1 and parts[1] in (*FLOORS, *WINGS):
        return parts[1]
    return parts[0]


def dotted(module: Path) -> str:
    return ".".join(module.with_suffix("").parts).removesuffix(".__init__")


def imported(module: Path) -> Iterator[str]:
    """Everything that a module imports, wherever in it; the names of a package may be modules."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def allowed(where: str) -> set[str]:
    """What code in a place may import of ours."""
    if where in FLOORS:
        return set(FLOORS[: FLOORS.index(where) + 1])
    if where in WINGS:
        return {*FLOORS, where}
    return {*FLOORS, *WINGS, "tasks"} | ({"flows"} if where == "flows" else set())


def test_the_house_is_found():
    assert len(MODULES) > 100
    assert {place(dotted(module)) for module in MODULES} >= {*FLOORS, *WINGS[:3], "tasks", "flows"}


def test_the_packages_of_tasks_are_those_of_the_plan():
    packages = {module.parts[1] for module in MODULES if module.parts[0] == "tasks" and len(module.parts) > 2}
    assert packages <= {*FLOORS, *WINGS}


@every_module
def test_imports_run_one_way(module):
    where = place(dotted(module))
    ours = [name for name in imported(module) if name.split(".")[0] in ("flows", "tasks")]
    # `tasks` itself is nothing but a name; a module of it is on the top floor.
    wrong = [name for name in ours if place(name) not in allowed(where)]
    assert not wrong


@every_module
def test_prefect_stays_on_the_top_floor(module):
    if place(dotted(module)) not in ("tasks", "flows"):
        assert not [name for name in imported(module) if name.split(".")[0] == "prefect"]


@every_module
def test_a_module_says_what_it_is_for(module):
    assert ast.get_docstring(tree(module))


@every_module
def test_a_module_is_read_in_one_sitting(module):
    assert len((ROOT / module).read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


@every_module
def test_a_function_fits_a_screen(module):
    functions = (
        node for node in ast.walk(tree(module)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert not [node.name for node in functions if length(node) > LONGEST_FUNCTION]


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function; what its documentation says is no burden."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    return lines - ((first.end_lineno or 0) - first.lineno + 1 if documented else 0)


def offences(source: ast.Module) -> Iterator[str]:
    """What changes or litters a process that others share."""
    for node in ast.walk(source):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("print", "os.chdir", "os.fchdir", "os.putenv", "os.unsetenv", "contextlib.chdir"):
                yield called
            if called.startswith("os.environ.") and called.rpartition(".")[2] in WRITERS:
                yield called
            if any(
                keyword.arg == "shell" and ast.unparse(keyword.value) != "False" for keyword in node.keywords
            ):
                yield "shell"
            if called in ("os.system", "os.popen", "asyncio.create_subprocess_shell"):
                yield called
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Store | ast.Del)
            and ast.unparse(node.value) == "os.environ"
        ):
            yield "os.environ[...]"
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            # These would go by other names.
            yield from ({"environ", "chdir", "system"} & {alias.name for alias in node.names})


WRITERS = ("clear", "pop", "popitem", "setdefault", "update", "__setitem__", "__delitem__")


@every_module
def test_a_shared_process_is_left_as_it_is(module):
    assert not list(offences(tree(module)))


@pytest.mark.parametrize(
    "line",
    [
        "print('x')", "os.chdir('/')", "os.environ['A'] = 'b'", "del os.environ['A']", "os.environ.pop('A')",
        "os.environ.update(A='b')", "subprocess.run('x', shell=True)", "subprocess.run('x', shell=flag)",
        "os.system('x')", "from os import environ",
    ],
)  # fmt: skip
def test_offences_are_seen(line):
    assert list(offences(ast.parse(line)))


@pytest.mark.parametrize("line", ["dict(os.environ)", "os.environ.get('A')", "x = {**os.environ, 'A': 'b'}"])
def test_reading_is_no_offence(line):
    assert not list(offences(ast.parse(line)))


@pytest.mark.parametrize(
    ("where", "name", "right"),
    [
        ("tasks.core.errors", "tasks.core.identifiers.ObsID", True),
        ("tasks.core.errors", "tasks.xtend.channels", False),
        ("tasks.library.site", "tasks.engines.call", False),
        ("tasks.engines.runner", "tasks.archive.layout", False),
        ("tasks.report.dataset", "tasks.library.manifest", True),
        ("tasks.engines.step", "tasks.steps.do", False),
        ("tasks.steps", "tasks.engines.step.make", True),
        ("tasks.steps", "flows.sweep", False),
        ("flows.sweep", "tasks.steps.do", True),
        ("flows.cli.main", "flows.sweep.sweep", True),
    ],
)
def test_the_layers_themselves(where, name, right):
    assert (place(name) in allowed(place(where))) == right
