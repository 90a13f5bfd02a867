"""HSPTask, HSPResult, HSPParam and Config, with the ways of heasoftpy 1.5, odd ones included."""

import io
import os
import re
import selectors
import sys
from pathlib import Path
from typing import Any
from warnings import warn

OWN = ("verbose", "noprompt", "logfile")


class HSPTaskException(Exception):
    pass


class Config:
    allow_failure: bool | str | None = None


class HSPResult:
    def __init__(self, returncode: int, stdout: str | None, stderr: str | None, params: dict[str, Any]):
        self.returncode, self.stdout, self.stderr, self.params = returncode, stdout, stderr, dict(params)
        self.custom = None

    def __str__(self) -> str:
        return f"> Return Code: {self.returncode}\n> Output:\n{self.stdout}\n> Parameters:\n{self.params}"

    @property
    def output(self) -> list[str]:
        assert self.stdout is not None
        return self.stdout.split("\n")


class HSPParam:
    """A line of a parameter file; assigning to a task's parameter sets its value."""

    def __init__(self, line: str) -> None:
        fields = [
            part.strip().strip('"') for part in re.split(r",(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", line.strip())
        ]
        self.pname, self.type, self.mode, default, self.min, self.max = fields[:6]
        self.prompt = ",".join(fields[6:])
        self.default = self.value = converted(default, self.type)
        self.isReq = False

    def __set__(self, _: object, value: Any) -> None:
        self.value = converted(value, self.type)


def converted(value: Any, kind: str) -> Any:
    """Only text is converted; anything else is left as it is."""
    if not isinstance(value, str) or (value == "INDEF" and kind in "ri"):
        return value
    if kind == "b":
        return "yes" if value.lower() in ("y", "yes", "true") else "no"
    if kind in "ri":
        value = value.replace("'", "").replace('"', "") or "0"
    return {"i": int, "r": float}.get(kind, str)(value)


def typed(value: Any) -> str:
    """A value as on the command line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return {None: "NONE", "": "$( )"}.get(value, str(value))


class HSPTask:
    def __init__(self, name: str | None = None) -> None:
        if name is None:
            raise HSPTaskException("Task name is required")
        self.taskname = name
        params = self.read_pfile(self.find_pfile(name))
        for par in params:
            setattr(self, par.pname, par)
            par.isReq = "q" in par.mode or ("a" in par.mode and "q" in "ql")
        self.par_names = [par.pname for par in params]
        self.params: dict[str, Any] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        known = self.__dict__.get(name)
        if isinstance(known, HSPParam):
            known.__set__(self, value)
            self.params[name] = value
        else:
            super().__setattr__(name, value)

    def __call__(self, args: dict[str, Any] | None = None, **kwargs: Any) -> HSPResult:
        given = {**(args or {}), **self.params, **kwargs}
        ways = {name: given.get(f"py_{name}" if name in self.par_names else name) for name in OWN}
        verbose = int(ways["verbose"] or 0)
        if "allow_failure" in given:
            failure = given["allow_failure"]
        elif Config.allow_failure is not None:
            failure = Config.allow_failure
        else:
            warn(DeprecationWarning("Parameter `allow_failure` not set, defaulting to `True`."), stacklevel=2)
            failure = True
        # What a task does not know is dropped without a word.
        used = {}
        for name in self.par_names:
            if name in given:
                setattr(self, name, given[name])
            elif not ways["noprompt"] and getattr(self, name).isReq:
                setattr(self, name, input(f"{getattr(self, name).prompt} [{getattr(self, name).value}] "))
            else:
                continue
            used[name] = getattr(self, name).value
        os.environ["HEADASNOQUERY"] = ""
        os.environ["HEADASPROMPT"] = "/dev/null"
        pfile = self.find_pfile(self.taskname, return_user=True)
        self.write_pfile(pfile)
        result = self.exec_task(used, verbose, ways["logfile"] if verbose > 1 else None)
        if result.returncode and failure == "warn":
            warn(f"Nonzero Task Return Code: {result.returncode}", stacklevel=2)
        elif result.returncode and not failure:
            raise HSPTaskException(f"\n{result}")
        for name, after in zip(self.par_names, self.read_pfile(pfile), strict=True):
            setattr(self, name, after.value)
        return result

    def exec_task(self, used: dict[str, Any], verbose: int, logfile: str | None) -> HSPResult:
        words = [f"{name}={typed(value)}" for name, value in used.items()]
        program = Path(os.environ["HEADAS"], "bin", self.taskname)
        if not program.exists():
            raise HSPTaskException(f"There is no task file {program} to run")
        process = Process(self.taskname, words)
        if verbose > 0:
            out, _ = HSPTask.handle_io_stream(process, False, verbose, logfile)
        else:
            out = process.stdout.read().decode("ISO-8859-15")
        process.wait()
        return HSPResult(process.returncode, out, None, used)

    @staticmethod
    def handle_io_stream(process: Any, stderr: bool, verbose: int, logfile: str | None) -> tuple[str, None]:
        """Breaks off on bytes that are not UTF-8, and keeps all it reads."""
        selector, kept = selectors.DefaultSelector(), io.StringIO()
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select():
            text = process.stdout.read1().decode()
            if not text:
                break
            sys.stdout.write(text)
            kept.write(text)
        return kept.getvalue(), None

    def write_pfile(self, path: str) -> None:
        lines = []
        for name in self.par_names:
            par = getattr(self, name)
            value = par.value if "a" in par.mode else par.default
            text = (
                f'"{value}"'
                if isinstance(value, str) and (" " in value or "," in value or not value)
                else value
            )
            lines.append(f'{name},{par.type},{par.mode},{text},{par.min},{par.max},"{par.prompt}"\n')
        Path(path).write_text("".join(lines))

    @staticmethod
    def read_pfile(path: str) -> list[HSPParam]:
        lines = Path(path).read_text().splitlines()
        return [HSPParam(line) for line in lines if not line.startswith("#") and line.count(",") >= 5]

    @staticmethod
    def find_pfile(name: str, return_user: bool = False) -> str:
        if "HEADAS" not in os.environ:
            raise HSPTaskException("HEADAS not defined. Please initialize Heasoft!")
        folders = re.split(";|:", os.environ["PFILES"])
        found = next((folder for folder in folders if Path(folder, f"{name}.par").exists()), None)
        if found is None:
            raise HSPTaskException(f"No .par file found for task {name}")
        if not return_user:
            return str(Path(found, f"{name}.par"))
        Path(folders[0]).mkdir(exist_ok=True)
        return str(Path(folders[0], f"{name}.par"))


class Process:
    """The tool's process, as subprocess.Popen shows one; forked, since a new Python would take a second."""

    def __init__(self, tool: str, words: list[str]) -> None:
        from . import tools

        reading, writing = os.pipe()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            os.closerange(3, 256)
            tools.end(tool, words)
        os.close(writing)
        self.stdout = os.fdopen(reading, "rb")
        self.returncode: int | None = None

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.stdout.close()
        return self.returncode
