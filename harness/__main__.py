"""Run a program of the harness, with the clock installed before other imports."""

from importlib import import_module
import sys

from .clock import OffsetClock, install

PROGRAMS = ("replay", "demo", "screenshots")


def main() -> int:
    """Run the program named by the first argument and return its exit status."""
    if len(sys.argv) < 2 or sys.argv[1] not in PROGRAMS:
        print(f"usage: python -m harness {{{','.join(PROGRAMS)}}} ...")
        return 2
    program, arguments = sys.argv[1], sys.argv[2:]
    clock = OffsetClock()
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
