"""Run a function many times, each time in a process of its own."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
import faulthandler
import gc
import multiprocessing
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
import signal
import sys
import time
import traceback
from typing import Any

# Seconds before the end of its time in which a process says where it hangs.
_LAST_WORDS = 5.0
# Where processes are not forked, each imports everything again.
_PROCESSES = (
    multiprocessing.get_context("fork")
    if sys.platform == "linux"
    else multiprocessing.get_context("spawn")
)


@dataclass(kw_only=True)
class _Running[ArgumentT]:
    """A process with its argument."""

    argument: ArgumentT
    process: BaseProcess
    reader: Connection
    deadline: float


def run_each[ArgumentT, ResultT](
    function: Callable[[ArgumentT], ResultT],
    arguments: Iterable[ArgumentT],
    *,
    jobs: int,
    timeout: float,
) -> Iterator[tuple[ArgumentT, ResultT | str]]:
    """Yield each argument with its result, or the reason why there is none.

    What the caller has imported is not imported again.
    """
    gc.freeze()
    # Otherwise the processes would outlive this one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    waiting = iter(arguments)
    running: list[_Running[ArgumentT]] = []
    try:
        while True:
            while len(running) < jobs and (task := _start(function, waiting, timeout)):
                running.append(task)
            if not running:
                return
            left = min(task.deadline for task in running) - time.perf_counter()
            wait([task.reader for task in running], max(left, 0.0))
            for task in list(running):
                if task.reader.poll() or time.perf_counter() > task.deadline:
                    running.remove(task)
                    result: ResultT | str = _end(task)
                    yield task.argument, result
    finally:
        for task in running:
            task.process.kill()
            task.process.join()


def _start[ArgumentT, ResultT](
    function: Callable[[ArgumentT], ResultT],
    waiting: Iterator[ArgumentT],
    timeout: float,
) -> _Running[ArgumentT] | None:
    for argument in waiting:
        reader, writer = _PROCESSES.Pipe(duplex=False)
        process = _PROCESSES.Process(
            target=_run, args=(function, argument, writer, timeout)
        )
        process.start()
        writer.close()
        return _Running(
            argument=argument,
            process=process,
            reader=reader,
            deadline=time.perf_counter() + timeout,
        )
    return None


def _run[ArgumentT, ResultT](
    function: Callable[[ArgumentT], ResultT],
    argument: ArgumentT,
    writer: Connection,
    timeout: float,
) -> None:
    """Run the function in this process and send its result."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    faulthandler.dump_traceback_later(max(timeout - _LAST_WORDS, 1.0))
    try:
        result: ResultT | str = function(argument)
    except BaseException:  # noqa: BLE001 - the process ends, whatever it was
        result = traceback.format_exc()
    writer.send(result)


def _end(task: _Running[Any]) -> Any:
    result: Any = "no end in time"
    try:
        if task.reader.poll():
            result = task.reader.recv()
    except EOFError:
        result = "the process ended without a result"
    task.process.kill()
    task.process.join()
    task.reader.close()
    return result
