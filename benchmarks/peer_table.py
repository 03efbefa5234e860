"""Tables of the comparison, for a terminal and for the docs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
import math
from statistics import median

from rich.console import Console
from rich.table import Table

from .daily_commute import Activity, WorkState
from .month_result import MonthResult
from .peer_integrations import INTEGRATIONS
from .peer_result import Load, Nuisance, PeerResult
from .peer_story import CASES

MONTH = 30.0  # days
NOTHING = "nothing"
NONE = "\N{EN DASH}"
_LOADS: Mapping[str, Callable[[Load], str]] = {
    "Set-up, processor time, s": lambda load: f"{load.set_up:.2f}",
    "Longest block of the event loop, ms": lambda load: f"{load.longest_block:.0f}",
    "An hour, processor time, s": lambda load: f"{load.hour:.2f}",
    "An hour, requests, with those that a third party makes": lambda load: (
        f"{load.requests:,}"
    ),
    "An hour, changed states": lambda load: f"{load.state_changes:,}",
    "Memory, MB": lambda load: f"{load.memory:.0f}",
}


@dataclass(frozen=True, kw_only=True)
class Section:
    """A small table with a title."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def write(self, console: Console, *, markdown: bool) -> None:
        """Print the table."""
        if markdown:
            console.print(f"\n**{self.title}**\n", markup=False, highlight=False)
            for row in (self.columns, ("---",) * len(self.columns), *self.rows):
                line = f"| {' | '.join(row)} |"
                console.print(line, markup=False, highlight=False)
            return
        table = Table(title=self.title)
        for column in self.columns:
            table.add_column(column)
        for row in self.rows:
            table.add_row(*row)
        console.print(table)


def sections(
    results: Sequence[PeerResult],
    months: Mapping[WorkState, Sequence[MonthResult]],
) -> Iterator[Section]:
    """Yield the tables of all results."""
    stories = [one for one in results if one.nuisances]
    if stories:
        yield _outage_section(stories)
        yield _entities_section(stories)
        yield _nuisance_section(stories)
    sizes = sorted({one.vehicles for one in results})
    yield _size_section(
        "Seconds until an outage is known",
        results,
        sizes,
        lambda one: _times(one.known),
    )
    for title, figure in _LOADS.items():
        yield _size_section(title, results, sizes, _of_load(figure))
    for work_state, pair in months.items():
        yield _month_section(work_state, pair)


def _outage_section(stories: Sequence[PeerResult]) -> Section:
    return Section(
        title=f"Outages, {stories[0].vehicles} cars: median and longest, in seconds",
        columns=("", "known after", "what is known", "well again after"),
        rows=tuple(
            (
                _title(one),
                _times(one.known),
                one.told or f"{NOTHING}: its last data stay",
                _times(one.well),
            )
            for one in stories
        ),
    )


def _entities_section(stories: Sequence[PeerResult]) -> Section:
    return Section(
        title="Entities that can be used",
        columns=("", "before", "in an outage", "after a restart in it"),
        rows=tuple(
            (
                _title(one),
                str(one.entities),
                str(one.in_outage),
                str(one.after_restart),
            )
            for one in stories
        ),
    )


def _nuisance_section(stories: Sequence[PeerResult]) -> Section:
    """Return a table of the cases that are no outage; Keycard has one column."""
    keycard = [one for one in stories if INTEGRATIONS[one.name].is_keycard]
    peers = [one for one in stories if not INTEGRATIONS[one.name].is_keycard]
    columns = [("Keycard", keycard)] if keycard else []
    columns += [(_title(one), [one]) for one in peers]
    rows = []
    for name, case in CASES.items():
        cells = []
        for _, of_column in columns:
            found = dict.fromkeys(
                _nuisance(one.nuisances[name])
                for one in of_column
                if name in one.nuisances
            )
            cells.append(" or ".join(found) or NONE)
        rows.append((case.title, *cells))
    return Section(
        title="What is shown in a case that is no outage",
        columns=("", *(title for title, _ in columns)),
        rows=tuple(rows),
    )


def _nuisance(nuisance: Nuisance) -> str:
    shown = nuisance.known or NOTHING
    if not nuisance.well:
        shown += ", and so it stays"
    return f"ALARM: {shown}" if nuisance.alarmed else shown


def _size_section(
    title: str,
    results: Sequence[PeerResult],
    sizes: Sequence[int],
    figure: Callable[[PeerResult], str],
) -> Section:
    """Return a table with a row for each integration and a column for each size."""
    by_run = {(one.name, one.vehicles): one for one in results}
    return Section(
        title=title,
        columns=("cars", *(f"{size:,}" for size in sizes)),
        rows=tuple(
            (
                INTEGRATIONS[name].title,
                *(
                    figure(by_run[name, size]) if (name, size) in by_run else NONE
                    for size in sizes
                ),
            )
            for name in dict.fromkeys(one.name for one in results)
        ),
    )


def _of_load(figure: Callable[[Load], str]) -> Callable[[PeerResult], str]:
    return lambda one: figure(one.load)


def _month_section(work_state: WorkState, pair: Sequence[MonthResult]) -> Section:
    """Return a table of a month, extrapolated from the days that were simulated."""
    activities = (Activity.DRIVING, Activity.CHARGING, Activity.PARKED)
    rows = []
    for one in pair:
        factor = MONTH / one.days
        ages = (
            f"{one.ages[activity].percentile(50)} / {one.ages[activity].percentile(95)}"
            for activity in activities
        )
        calls = f"{one.billed.total() * factor:,.0f}"
        rows.append((one.name, calls, f"{one.cost * factor:.2f}", *ages))
    rows.append(("Teslemetry, Tessie", NONE, "subscription", NONE, NONE, NONE))
    return Section(
        title=(
            f"A month of one car, {work_state} at work, from {pair[0].days:.0f} days:"
            " billed calls, and half and 95 % of the ages of data, in seconds"
        ),
        columns=("", "calls", "USD", *(str(activity) for activity in activities)),
        rows=tuple(rows),
    )


def _title(result: PeerResult) -> str:
    return INTEGRATIONS[result.name].title


def _times(values: Sequence[float | None]) -> str:
    """Return median and longest of several times, some of which may be endless."""
    times = [math.inf if value is None else value for value in values]
    found = dict.fromkeys(
        "never" if math.isinf(value) else f"{value:.0f}"
        for value in (median(times), max(times))
    )
    return " / ".join(found)
