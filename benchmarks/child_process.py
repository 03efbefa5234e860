"""Run a part of a measurement in a process of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import subprocess
import sys
import tempfile
from typing import IO

ROOT = Path(__file__).parents[1]
RUN_TIMEOUT = 1800.0  # seconds


class ModuleRun:
    """A module that runs in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[str]) -> None:
        """Initialize with a process that writes its errors to a file."""
        self._process = process
        self._errors = errors

    def lines(self) -> Iterator[str]:
        """Yield each line that the module prints, as it comes."""
        for line in self._process.stdout or ():
            yield line.strip()

    def wait(self) -> None:
        """Wait for the end; end the program if the run failed."""
        if self._process.wait():
            self._errors.seek(0)
            _fail(self._errors.read())


@contextmanager
def start_module(module: str, *arguments: object) -> Iterator[ModuleRun]:
    """Start a module, which ends with the context."""
    with (
        tempfile.TemporaryFile(mode="w+") as errors,
        subprocess.Popen(  # noqa: S603 - a module of this project
            _command(module, arguments),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            yield ModuleRun(process, errors)
        finally:
            process.kill()


def run_module(module: str, *arguments: object) -> str:
    """Return the last line that a module prints; end the program if it fails."""
    run = subprocess.run(  # noqa: S603 - a module of this project
        _command(module, arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT,
        check=False,
    )
    if run.returncode:
        _fail(run.stderr)
    return run.stdout.splitlines()[-1]


def _command(module: str, arguments: tuple[object, ...]) -> list[str]:
    return [sys.executable, "-m", module, *map(str, arguments)]


def _fail(errors: str) -> None:
    raise SystemExit(f"The run failed:\n{errors.strip()[-3000:]}")
