"""Replay cases in parallel, each in its own process."""

import argparse
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
import gc
from importlib import import_module
import json
import multiprocessing
from multiprocessing.connection import Connection, wait
import os
from pathlib import Path
import sys
import time
from typing import Any

from rich.console import Console
from rich.markup import escape

from simulator.scenarios.scenario import PROVIDERS, CaseError, Scenario, load_case

from .case_process import run
from .clock import OffsetClock
from .outcome_report import format_time, from_json, show
from .progress import track
from .scenario_runner import Outcome

CASE_SECONDS = 600
MAX_PROBLEMS = 3

# On other systems, some libraries do not survive a fork.
_PROCESSES = (
    multiprocessing.get_context("fork")
    if sys.platform == "linux"
    else multiprocessing.get_context("spawn")
)


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


class _CaseProcess:
    """Running process of a case, and what it has written so far."""

    def __init__(self, case: Scenario, providers: Sequence[str]) -> None:
        self.case = case
        self._deadline = time.monotonic() + CASE_SECONDS
        pipes = [_PROCESSES.Pipe(duplex=False) for _ in ("stdout", "stderr")]
        self._output = {reader: bytearray() for reader, _ in pipes}
        self.open_streams = list(self._output)
        self._process = _PROCESSES.Process(
            target=run, args=(str(case.path), providers, [end for _, end in pipes])
        )
        self._process.start()
        for _, writer in pipes:
            writer.close()

    @property
    def remaining(self) -> float:
        """Return the seconds until the process times out."""
        return self._deadline - time.monotonic()

    def read(self, stream: Connection) -> None:
        """Read from a stream that has data or has ended."""
        if chunk := os.read(stream.fileno(), 65536):
            self._output[stream] += chunk
        else:
            self.open_streams.remove(stream)

    def terminate(self) -> None:
        """Terminate the process."""
        self._process.terminate()

    def result(self) -> ReplayResult:
        """Return the result of the case; a process that still runs is killed."""
        result = ReplayResult(case=self.case)
        if self.open_streams:
            self._process.kill()
            result.problems.append(f"no end after {CASE_SECONDS} seconds")
        self._process.join()
        out, err = (output.decode() for output in self._output.values())
        for stream in self._output:
            stream.close()
        # The last line of a process that was killed may be incomplete.
        for line in out[: out.rfind("\n") + 1].splitlines():
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


class ReplayRunner:
    """Runs cases in parallel and prints their results in order."""

    def __init__(self, console: Console, providers: Sequence[str] = ()) -> None:
        self._console = console
        self._providers = providers

    def run(self, cases: Sequence[Scenario], jobs: int) -> list[ReplayResult]:
        """Run the cases and return their results."""
        if cases and _PROCESSES.get_start_method() == "fork":
            # Importing Home Assistant takes longer than many a case.
            import_module(".replay_worker", __package__)
            gc.freeze()
        finished: dict[int, ReplayResult] = {}
        results: list[ReplayResult] = []
        with closing(self._run_each(cases, jobs)) as completed:
            for index, result in self._track(completed, cases):
                finished[index] = result
                while len(results) in finished:
                    results.append(finished[len(results)])
                    self.show(results[-1])
        return results

    def _track(
        self, completed: Iterator[tuple[int, ReplayResult]], cases: Sequence[Scenario]
    ) -> Iterator[tuple[int, ReplayResult]]:
        """Show how many cases are completed; a longer case is more of the work."""
        if len(cases) < 2:
            return completed
        simulated = sum(case.end for case in cases)
        return track(
            self._console,
            "cases",
            completed,
            len(cases),
            lambda numbered: numbered[1].case.end / simulated,
        )

    def _run_each(
        self, cases: Sequence[Scenario], jobs: int
    ) -> Generator[tuple[int, ReplayResult]]:
        """Yield the results with their index, in the order of their ends."""
        # The longest first: no process waits long for the last of another one.
        waiting = sorted(enumerate(cases), key=lambda numbered: -numbered[1].end)
        running: dict[int, _CaseProcess] = {}
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    index, case = waiting.pop(0)
                    running[index] = _CaseProcess(case, self._providers)
                _read(running.values())
                for index, process in list(running.items()):
                    if not process.open_streams or process.remaining <= 0:
                        yield index, running.pop(index).result()
        finally:
            for process in running.values():
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


def _read(processes: Collection[_CaseProcess]) -> None:
    """Wait for output of the processes, or the timeout of one, and read it."""
    streams = {
        stream: process for process in processes for stream in process.open_streams
    }
    timeout = min(process.remaining for process in processes)
    for stream in wait(list(streams), max(timeout, 0.0)):
        if isinstance(stream, Connection):
            streams[stream].read(stream)


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
    for case in list(cases):
        reasons = [case.unfit_with(provider) for provider in options.provider]
        if reason := next(filter(None, reasons), None):
            cases.remove(case)
            console.print(
                f"{escape(str(case.path))}: left out, {escape(reason)}", highlight=False
            )
    begin = time.monotonic()
    replays = ReplayRunner(console, options.provider)
    try:
        results = replays.run(cases, max(options.jobs, 1))
    except KeyboardInterrupt:
        return 130
    failed = [result for result in results if not result.passed]
    console.print(
        f"replay: {len(results) - len(failed)} passed, {len(failed)} failed"
        f" in {time.monotonic() - begin:.0f} s",
        highlight=False,
    )
    return 1 if failed else 0
