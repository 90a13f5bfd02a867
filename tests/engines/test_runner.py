import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.core import errors
from tasks.core.errors import EnvironmentFault, GaveUp, Permanent, SoftwareFault, Transient
from tasks.engines import runner
from tasks.engines.runner import CallResult, run_call, run_call_blocking
from tasks.library.call import Call

pytestmark = [pytest.mark.usefixtures("doubles")]
linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")

Gone = Callable[[int], bool]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., CallResult]:
    """Runs a double in `tmp_path/work` with the log `tmp_path/logs/log`."""

    def do(function: str, *, outputs=(), inputs=None, timeout=60.0, on_progress=None, **parameters):
        call = make_call(function, outputs=outputs, inputs=inputs or {}, timeout=timeout, **parameters)
        where, log = tmp_path / "work", tmp_path / "logs" / "log"
        return asyncio.run(run_call(call, where, log, cores=2, on_progress=on_progress))

    return do


def make_call(function: str, *, outputs=(), inputs=None, timeout=60.0, **parameters) -> Call:
    return Call(
        function=f"tasks.doubles:{function}",
        parameters=parameters,
        inputs=inputs or {},
        outputs=outputs,
        timeout=timeout,
    )


def last_line(log: str) -> str:
    """The line in which a log tells what a call took."""
    line = log.splitlines(keepends=True)[-1]
    assert re.fullmatch(r"# \d+\.\d s, (\d+ MB|an unknown amount) of memory, \d+\.\d MB of disk\n", line)
    return line


class Deadline:
    """The runner's timeout in the hand of a test."""

    def __init__(self) -> None:
        self.asked: float | None = None

    def __call__(self, seconds: float) -> asyncio.Timeout:
        self.asked, self._timeout = seconds, asyncio.Timeout(None)
        return self._timeout

    def passes(self) -> None:
        self._timeout.reschedule(asyncio.get_running_loop().time())


@pytest.fixture
def deadline(monkeypatch: pytest.MonkeyPatch) -> Deadline:
    made = Deadline()
    monkeypatch.setattr(runner.asyncio, "timeout", made)
    return made


def test_a_success_leaves_files_report_and_log(run, tmp_path):
    source = tmp_path / "elsewhere.txt"
    source.write_text("given")
    caution = {"id": "a", "severity": "notice", "sentence": "b."}
    before = Path.cwd(), dict(os.environ), list(sys.path)
    result = run(
        "succeed",
        files={"made.txt": "made"},
        outputs=("made.txt",),
        inputs={"given.txt": str(source)},
        file_cautions={"made.txt": [caution]},
    )
    assert (tmp_path / "work" / "made.txt").read_text() == "made"
    assert (tmp_path / "work" / "given.txt").read_text() == "given"
    assert result.report.facts["directory"] == str(tmp_path / "work")
    assert result.report.file_cautions["made.txt"][0].sentence == "b."
    assert result.call.outputs == ("made.txt",)
    assert result.seconds > 0
    log = (tmp_path / "logs" / "log").read_text()
    first, *rest, _ = log.splitlines()
    assert '"tasks.doubles:succeed"' in first
    assert rest == ["all is well", "# exit status 0"]
    assert " MB of memory, " in last_line(log)
    assert before == (Path.cwd(), dict(os.environ), list(sys.path))


def test_a_function_that_tells_nothing_succeeds(run):
    assert run("answer", value=None).report.facts == {}


@pytest.mark.parametrize("value", [{"nonsense": 1}, "text"])
def test_an_answer_that_is_no_report_is_a_fault(run, value):
    with pytest.raises(SoftwareFault, match=r"tasks.doubles:answer broke off: .*validation error"):
        run("answer", value=value)


def test_declared_outputs_are_checked(run):
    with pytest.raises(SoftwareFault, match=r"tasks.doubles:succeed left no whole FITS file: made.fits"):
        run("succeed", files={"made.fits": "SIMPLE"}, outputs=("made.fits",))


def test_an_output_that_is_reported_as_not_made_is_not_missed(run):
    result = run("succeed", files={}, outputs=("made.fits",), not_made={"made.fits": "no counts"})
    assert result.report.not_made == {"made.fits": "no counts"}


def test_errors_of_the_tree_come_back_as_themselves(tmp_path):
    kinds = ("BadInput", "EnvironmentFault", "LeaseLost", "NoData", "Transient")

    async def all_of_them() -> list[object]:
        calls = {name: make_call("fail", kind=name, text=f"{name}: höchst 'besonders'\n") for name in kinds}
        running = (run_call(call, tmp_path / name, tmp_path / "log", cores=2) for name, call in calls.items())
        return await asyncio.gather(*running, return_exceptions=True)

    for name, found in zip(kinds, asyncio.run(all_of_them()), strict=True):
        assert type(found) is getattr(errors, name)
        assert str(found) == f"{name}: höchst 'besonders'\n"


def test_an_error_derived_elsewhere_comes_back_as_its_base(run):
    with pytest.raises(Permanent, match=r"spoilt") as caught:
        run("fail_by_subclass", text="spoilt")
    assert type(caught.value) is Permanent


def test_an_unforeseen_exception_is_a_fault_with_the_last_lines(run, tmp_path):
    with pytest.raises(SoftwareFault, match=r"broke off: .*break_off.*\| ZeroDivisionError: unforeseen$"):
        run("break_off")
    log = (tmp_path / "logs" / "log").read_text()
    assert all(f"line {number}\n" in log for number in range(10))
    assert log.endswith("ZeroDivisionError: unforeseen\n# exit status 1\n" + last_line(log))
    assert ", an unknown amount of memory, " in last_line(log)


def test_the_log_of_a_failure_tells_what_it_took(run, tmp_path):
    with pytest.raises(Permanent, match=r"after all that"):
        run("fail_with_a_helper", megabytes=300)
    line = last_line((tmp_path / "logs" / "log").read_text())
    assert 300 < int(re.search(r"(\d+) MB of memory", line)[1]) < 600


def test_a_function_that_does_not_exist_is_a_fault(run):
    with pytest.raises(SoftwareFault, match=r"AttributeError: .*no_such_function"):
        run("no_such_function")


def test_a_child_that_leaves_without_a_report_is_a_fault(run):
    with pytest.raises(SoftwareFault, match=r"tasks.doubles:leave broke off: it printed nothing"):
        run("leave", status=0)


def test_success_needs_exit_status_zero(run):
    with pytest.raises(SoftwareFault, match=r"ended with exit status 3: something is wrong at the end"):
        run("leave_late", status=3)


@pytest.mark.parametrize(
    ("number", "name", "kind"),
    [
        (signal.SIGKILL, "SIGKILL", Transient),
        (signal.SIGTERM, "SIGTERM", Transient),
        (signal.SIGSEGV, "SIGSEGV", SoftwareFault),
        pytest.param(35, "signal 35", SoftwareFault, marks=linux),
    ],
)
def test_only_a_killed_child_is_worth_another_try(run, number, name, kind):
    with pytest.raises(kind, match=f"tasks.doubles:end_by was ended by {name}: it goes$"):
        run("end_by", number=int(number))


def test_the_timeout_is_that_of_the_call(run, tmp_path):
    with pytest.raises(GaveUp, match=r"tasks.doubles:end_by was stopped after 0.2 s: "):
        run("end_by", number=0, timeout=0.2)
    log = (tmp_path / "logs" / "log").read_text()
    assert log.endswith("# killed after 0.2 s\n" + last_line(log))


@linux
def test_the_timeout_kills_the_whole_group(run, deadline: Deadline, gone: Gone):
    pids: list[int] = []

    def started(child: int, helper: int) -> None:
        pids.extend((child, helper))
        deadline.passes()

    with pytest.raises(GaveUp, match=r"was stopped after 77 s"):
        run("start_helpers", go_on=True, timeout=77, on_progress=started)
    assert deadline.asked == 77
    assert len(pids) == 2
    assert all(map(gone, pids))


@linux
def test_cancelling_the_caller_kills_the_whole_group(tmp_path, gone: Gone):
    pids: list[int] = []

    async def begin_and_cancel() -> None:
        def started(child: int, helper: int) -> None:
            pids.extend((child, helper))
            waiting.cancel()

        call = make_call("start_helpers", go_on=True)
        waiting = asyncio.create_task(
            run_call(call, tmp_path / "work", tmp_path / "log", cores=1, on_progress=started)
        )
        with pytest.raises(asyncio.CancelledError):
            await waiting
        # The slot is free again.
        await run_call(make_call("answer", value=None), tmp_path / "next", tmp_path / "log", cores=1)

    asyncio.run(begin_and_cancel())
    assert len(pids) == 2
    assert all(map(gone, pids))
    assert (tmp_path / "log").read_text().count("tasks.doubles") == 2


@linux
def test_nothing_of_the_group_outlives_the_child(run, gone: Gone):
    # The helper holds standard output for ever: the end of the child has to be enough.
    result = run("start_helpers", go_on=False)
    assert gone(result.report.facts["helper"])


def test_a_process_that_left_the_group_cannot_hold_up_the_runner(run, monkeypatch):
    monkeypatch.setattr(runner, "_SECONDS_TO_DRAIN", 0.1)
    helper = run("start_helpers", go_on=False, away=True).report.facts["helper"]
    os.killpg(helper, signal.SIGKILL)


@linux
def test_the_group_ends_when_this_process_is_killed(tmp_path, gone: Gone):
    script = (
        "import asyncio, sys; from pathlib import Path;"
        "from tasks.library.call import Call; from tasks.engines.runner import run_call;"
        "call = Call(function='tasks.doubles:start_helpers', parameters={'go_on': True});"
        "tell = lambda *pids: print(*pids, flush=True);"
        "asyncio.run(run_call(call, Path('work'), Path('log'), cores=1, on_progress=tell))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.kill()
    assert all(map(gone, pids))


def test_an_error_of_the_listener_ends_the_call(run):
    def fail(*_: int) -> None:
        raise KeyError("listener")

    with pytest.raises(KeyError, match=r"listener"):
        run("start_helpers", go_on=True, on_progress=fail)


def test_a_child_may_close_its_output_and_go_on(run, tmp_path):
    run("close_output", name="late.txt", outputs=("late.txt",))
    assert (tmp_path / "work" / "late.txt").read_text() == "made afterwards"


def test_floods_reach_the_log_and_not_the_message(run, tmp_path):
    with pytest.raises(SoftwareFault, match=r"broke off: .*xEND$") as caught:
        run("flood", lines=100_000, length=5_000_000)
    assert len(str(caught.value)) < 2000
    log = (tmp_path / "logs" / "log").read_text()
    assert log.count("\nline ") == 100_000
    assert log.count("x") >= 5_000_000


def test_junk_on_standard_output_is_survived(run, tmp_path):
    content = [*range(256), 10, *b"\x1b[31mred\x00\xff end"]
    with pytest.raises(SoftwareFault, match=r"red.*end$") as caught:
        run("print_raw", content=content)
    assert str(caught.value).isprintable()
    assert "end" in (tmp_path / "logs" / "log").read_text(encoding="utf-8")


def test_progress_is_told_and_kept_out_of_the_log(run, tmp_path):
    told = []
    lines = ["::progress 1 4", "::progress", "::progress x y", "::progress -1 4", "::progress 1", "between"]
    run("print_lines", lines=[*lines, "::progress 4 4"], on_progress=lambda *pair: told.append(pair))
    assert told == [(1, 4), (4, 4)]
    log = (tmp_path / "logs" / "log").read_text().splitlines()[1:]
    assert "between" in log
    assert "::progress 4 4" not in log


def test_standard_input_is_empty(run):
    assert run("read_input").report.facts == {"read": "", "child": ""}


def test_files_in_the_working_directory_shadow_no_module(run, tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("raise SystemExit('shadowed')")
    names = ["numpy", "json", "colorsys", "tasks"]
    result = run("import_things", names=names, inputs={f"{name}.py": str(bad) for name in names})
    assert not any(str(tmp_path) in path for path in result.report.facts.values())


def test_so_many_children_run_at_once_and_no_more(tmp_path):
    cores, calls = 2, 4

    async def all_of_them() -> list[CallResult]:
        call = make_call("meet", folder=str(tmp_path), expected=calls)
        running = (
            run_call(call, tmp_path / f"work {number}", tmp_path / f"{number}.log", cores=cores)
            for number in range(calls)
        )
        return await asyncio.gather(*running)

    assert max(result.report.facts["most"] for result in asyncio.run(all_of_them())) == cores


def test_a_working_directory_is_used_once(run, tmp_path):
    (tmp_path / "work").mkdir()
    with pytest.raises(EnvironmentFault, match=r"tasks.doubles:succeed cannot be run in .*work.*exists"):
        run("succeed", files={})


def test_no_room_for_the_log_is_a_fault_of_the_environment(run, tmp_path):
    (tmp_path / "logs").touch()
    with pytest.raises(EnvironmentFault, match=r"logs"):
        run("succeed", files={})


def test_directories_may_have_odd_names_and_callers_no_event_loop(tmp_path):
    where = tmp_path / "a folder with 'spaces' & ümläuts"
    report = run_call_blocking(make_call("succeed", files={"a": "b"}, outputs=("a",)), where)
    assert report.facts["directory"] == str(where)
    assert where.with_name(f"{where.name}.log").exists()
