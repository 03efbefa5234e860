"""Replay cases in parallel, each in its own process."""

import argparse
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
import json
import os
from pathlib import Path
import subprocess
import sys
import threading
import time
from typing import Any

from rich.console import Console
from rich.markup import escape

from simulator.scenarios.scenario import PROVIDERS, CaseError, Scenario, load_case

from .clock import OffsetClock
from .outcome_report import format_time, from_json, show
from .scenario_runner import Outcome

CASE_SECONDS = 600
MAX_PROBLEMS = 3


@dataclass(kw_only=True)
class ReplayResult:
    """Result of one case."""

    case: Scenario
    outcomes: list[Outcome] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Return whether all steps passed without problems."""
        steps = all(outcome.passed for outcome in self.outcomes)
        return steps and not self.problems and bool(self.facts)


class ReplayRunner:
    """Runs cases in parallel and prints their results in order."""

    def __init__(self, console: Console, providers: Sequence[str] = ()) -> None:
        self._console = console
        self._providers = providers
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, case: Scenario) -> ReplayResult:
        """Run one case in a process and parse its output."""
        result = ReplayResult(case=case)
        with self._lock:
            if self._stopped:
                return result
            process = subprocess.Popen(  # noqa: S603 - this program itself
                [
                    *(sys.executable, "-m", "harness", "replay_worker", str(case.path)),
                    *self._providers,
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            self._running.add(process)
        try:
            out, err = process.communicate(timeout=CASE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            result.problems.append(f"no end after {CASE_SECONDS} seconds")
        finally:
            with self._lock:
                self._running.discard(process)
        for line in out.splitlines():
            message = json.loads(line)
            if "outcome" in message:
                result.outcomes.append(from_json(message["outcome"]))
            elif "problem" in message:
                result.problems.append(message["problem"])
            else:
                result.facts = message
        if not result.facts and not result.problems:
            result.problems.append(f"the worker failed:\n{err.strip()[-3000:]}")
        return result

    def stop(self) -> None:
        """Terminate running processes."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()

    def show(self, result: ReplayResult) -> None:
        """Print the result of a case."""
        case, summary = result.case, result.facts
        name = escape(str(case.path))
        figures = (
            f"  {summary['simulated']:.0f} s simulated in {summary['seconds']:.1f} s"
            f" ({summary['jumps']} jumps, {summary['calls']} requests,"
            f" {summary['billed']} billed)"
            if summary
            else ""
        )
        verdict = "[green]passed[/]" if result.passed else "[bold red]FAILED[/]"
        self._console.print(f"{name}: {verdict}{figures}", highlight=False)
        for outcome in result.outcomes:
            show(self._console, outcome, homes=len(case.homes) > 1)
        for at, tag, title in summary.get("notices", ()) if not result.passed else ():
            self._console.print(
                f"  notice at {format_time(at)} {escape(tag)}: {escape(title)}",
                highlight=False,
            )
        for problem, times in Counter(result.problems).most_common(MAX_PROBLEMS):
            count = f" ({times} times)" if times > 1 else ""
            self._console.print(f"  [red]{escape(problem)}[/]{count}", highlight=False)
        if (hidden := len(set(result.problems)) - MAX_PROBLEMS) > 0:
            self._console.print(f"  and {hidden} other problems", highlight=False)


def main(arguments: Sequence[str], _clock: OffsetClock) -> int:
    """Replay the given cases."""
    parser = argparse.ArgumentParser(
        prog="script/replay",
        description="Run outage cases against Keycard in a real Home Assistant.",
    )
    parser.add_argument("cases", nargs="+", type=Path, metavar="FILE")
    parser.add_argument(
        "-j",
        "--jobs",
        type=int,
        default=min(os.cpu_count() or 1, 4),
        help="number of parallel runs (default: number of processors, at most 4)",
    )
    parser.add_argument(
        "--provider",
        action="append",
        default=[],
        choices=PROVIDERS,
        help="provider for cases that do not specify one; may be repeated",
    )
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True)
    try:
        cases = [load_case(path) for path in options.cases]
    except CaseError as err:
        console.print(f"[red]{escape(str(err))}[/]", highlight=False)
        return 2
    begin = time.monotonic()
    replays = ReplayRunner(console, options.provider)
    results: list[ReplayResult] = []
    with ThreadPoolExecutor(max(options.jobs, 1)) as pool:
        try:
            for result in pool.map(replays.run, cases):
                replays.show(result)
                results.append(result)
        except KeyboardInterrupt:
            replays.stop()
            return 130
    failed = [result for result in results if not result.passed]
    console.print(
        f"replay: {len(results) - len(failed)} passed, {len(failed)} failed"
        f" in {time.monotonic() - begin:.0f} s",
        highlight=False,
    )
    return 1 if failed else 0
