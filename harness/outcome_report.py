"""Outcomes as JSON between processes, and as text on the console."""

from collections.abc import Mapping
from dataclasses import asdict
import json
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from .scenario_runner import CheckResult, Outcome


def to_json(outcome: Outcome) -> str:
    """Return an outcome as a line of JSON."""
    return json.dumps({"outcome": asdict(outcome)})


def from_json(data: Mapping[str, Any]) -> Outcome:
    """Return an outcome from parsed JSON."""
    checks = [CheckResult(**check) for check in data["checks"]]
    return Outcome(**{**data, "checks": tuple(checks)})


def format_time(seconds: float) -> str:
    """Return seconds as H:MM, or H:MM:SS unless they are full minutes."""
    minutes, second = divmod(round(seconds), 60)
    text = f"{minutes // 60}:{minutes % 60:02}"
    return f"{text}:{second:02}" if second else text


def show(console: Console, outcome: Outcome, *, homes: bool) -> None:
    """Print the outcome of a step, with failed checks below."""
    line = Text()
    line.append(f"  {format_time(outcome.at):>8}  ", style="bold")
    if homes:
        line.append(f"{outcome.home}: ")
    line.append_text(_format_outcome(outcome))
    if outcome.changes:
        line.append(f"  [{outcome.changes}]", style="dim")
    console.print(line, soft_wrap=True, highlight=False)
    if not outcome.passed:
        for check in outcome.checks:
            if not check.holds:
                console.print(
                    f"            [red]{escape(check.name)}: expected"
                    f" {escape(check.expected)}, seen {escape(check.seen)}[/]",
                    soft_wrap=True,
                    highlight=False,
                )


def _format_outcome(outcome: Outcome) -> Text:
    line = Text()
    expected = ", ".join(
        _format_value(check.name, check.expected) for check in outcome.checks
    )
    seen = ", ".join(
        check.seen if check.name == "status" else _format_value(check.name, check.seen)
        for check in outcome.checks
        if check.name in {"status", "scope"} or check.expected != check.seen
    )
    if not outcome.checks:
        return Text("nothing expected", style="dim")
    if outcome.missed_at is not None:
        line.append("MISS ", style="bold red")
        after = f" at +{outcome.missed_at:.0f} s"
    else:
        line.append("ok ", style="green")
        after = f" after {outcome.seconds or 0:.0f} s"
    line.append(f"expected {expected}")
    line.append(f"; seen {seen or 'the same'}{after}", style="cyan")
    return line


def _format_value(name: str, value: str) -> str:
    return value if name == "status" else f"{name} {value}"
