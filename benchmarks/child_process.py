"""Run a part of a measurement in a process of its own."""

from pathlib import Path
import subprocess
import sys

ROOT = Path(__file__).parents[1]
RUN_TIMEOUT = 1800.0  # seconds


def run_module(module: str, *arguments: object) -> str:
    """Return the last line that a module prints; end the program if it fails."""
    run = subprocess.run(  # noqa: S603 - a module of this project
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT,
        check=False,
    )
    if run.returncode:
        raise SystemExit(f"The run failed:\n{run.stderr.strip()[-3000:]}")
    return run.stdout.splitlines()[-1]
