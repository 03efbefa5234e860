"""Console output of the demo."""

from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from simulator.scenarios.scenario import Scenario, Step

from .home_assistant import PushNotification
from .outcome_report import format_time
from .scenario_runner import Observation, Outcome

_COLORS = {
    "operational": "green",
    "outage": "bold red",
    "sign_in_outage": "bold red",
    "degraded": "yellow",
}
_INDENT = " " * 12


class DemoConsole:
    """Prints the progress of a scenario."""

    def __init__(self, console: Console) -> None:
        """Initialize with a rich console."""
        self._console = console

    def write(self, text: str) -> None:
        """Print a line about the demo."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def fail(self, text: str) -> None:
        """Print an error."""
        self._console.print(f"[red]{escape(text)}[/]", highlight=False, soft_wrap=True)

    def title(self, case: Scenario) -> None:
        """Print name, source and homes of the case."""
        table = Table.grid(padding=(0, 2))
        table.add_row("Case", escape(case.name))
        table.add_row("Source", escape(case.source))
        for home in case.homes:
            cars = ", ".join(f"{car.name} ({car.model})" for car in home.cars)
            table.add_row("Home", escape(f"{home.region}, {cars}"))
        self._console.print(Panel(table, title="Keycard demo", expand=False))

    def step(self, at: float, step: Step) -> None:
        """Print the changes of a step."""
        changes = [f"{subject}: {condition}" for subject, condition in step.set.items()]
        if step.restart:
            changes.append("Home Assistant restarts")
        if step.clock:
            changes.append(f"wall clock of Home Assistant: {step.clock:+.0f} s")
        if step.token:
            changes.append(f"access tokens: {step.token}")
        if step.do:
            changes.append(f"command: {step.do.action} {step.do.car}")
        for change in changes:
            self._console.print(
                Text(f"{format_time(at):>9}   {change}", style="dim"), soft_wrap=True
            )

    def state(
        self, at: float, home: str, observation: Observation, *, several: bool
    ) -> None:
        """Print the current assessment and keys to take."""
        line = Text(f"{format_time(at):>9} ▸ ", style="bold")
        if several:
            line.append(f"{home}: ")
        line.append(
            observation.status or "-",
            style=_COLORS.get(observation.status or "", "cyan"),
        )
        details = [f"scope {observation.scope}"]
        for name, values in (
            ("planes", observation.subsystems),
            ("models", observation.models),
            ("elsewhere", observation.other_regions),
        ):
            if values:
                details.append(f"{name} {', '.join(sorted(values))}")
        line.append(f"  {'; '.join(details)}", style="default not bold")
        keys = "  ".join(f"{car}: {key}" for car, key in observation.keys.items())
        line.append(f"  take → {keys}", style="magenta not bold")
        self._console.print(line, soft_wrap=True)

    def notice(self, at: float, moment: datetime, notice: PushNotification) -> None:
        """Print a notice."""
        self._console.print(
            Panel(
                Text(notice.text),
                title=f"notice at {format_time(at)} ({moment:%H:%M}): "
                f"{escape(notice.title)}",
                title_align="left",
                border_style="magenta",
                expand=False,
            )
        )

    def outcome(self, outcome: Outcome) -> None:
        """Print whether a step passed."""
        if outcome.checks and outcome.passed:
            self._console.print(
                f"{_INDENT}[green]as expected[/], seen after"
                f" {outcome.seconds or 0:.0f} simulated seconds",
                highlight=False,
            )
        for check in outcome.checks if not outcome.passed else ():
            if not check.holds:
                self._console.print(
                    f"{_INDENT}[bold red]missed[/] {escape(check.name)}: expected"
                    f" {escape(check.expected)}, seen {escape(check.seen)}",
                    highlight=False,
                )
