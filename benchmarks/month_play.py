"""Simulate the month of one integration: the process that month.py starts.

It imports nothing that needs a clock before its own is installed.
"""

import sys

from harness.clock import OffsetClock, install


def main(name: str, work_state: str, days: str) -> None:
    """Print a line after each day, then the result as JSON."""
    clock = OffsetClock()
    install(clock)
    # They import Home Assistant.
    from .daily_commute import WorkState  # noqa: PLC0415 - as said above
    from .month_run import run_month  # noqa: PLC0415 - as said above

    result = run_month(
        name,
        WorkState(work_state),
        int(days),
        clock,
        on_day=lambda: print(flush=True),
    )
    print(result.to_json(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
