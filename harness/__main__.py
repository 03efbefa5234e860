"""Run a program of the harness, with the clock installed before other imports."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
import sys
import threading
import time

from .clock import OffsetClock, install

PROGRAMS = ("replay", "demo", "screenshots")
SHOW_LOADING = "--show-loading"
SILENCE_SECONDS = 7.0


@contextmanager
def show_loading() -> Iterator[None]:
    """Print a line now and every few seconds: the first imports compile bytecode."""
    begin = time.perf_counter()
    loaded = threading.Event()

    def watch() -> None:
        print(
            "Loading Home Assistant (up to a minute at the first start)...", flush=True
        )
        while not loaded.wait(SILENCE_SECONDS):
            seconds = time.perf_counter() - begin
            print(f"       still loading after {seconds:.0f} s", flush=True)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        loaded.set()
        thread.join()


def main() -> int:
    """Run the program named by the first argument and return its exit status."""
    arguments = sys.argv[1:]
    loading: AbstractContextManager[None] = nullcontext()
    if arguments[:1] == [SHOW_LOADING]:
        del arguments[0]
        loading = show_loading()
    if not arguments or arguments[0] not in PROGRAMS:
        print(f"usage: python -m harness {{{','.join(PROGRAMS)}}} ...")
        return 2
    program = arguments.pop(0)
    clock = OffsetClock()
    with loading:
        if program != "screenshots":
            install(clock)
        module = import_module(f".{program}", __package__)
    status: int = module.main(arguments, clock)
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
