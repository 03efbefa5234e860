"""Console output of the demo."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
import json
import threading
import time
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from homeassistant.util import dt as dt_util

from simulator.scenarios.scenario import Scenario, Step

from .home_assistant import ROOT, PushNotification
from .outcome_report import format_time
from .scenario_runner import Observation, Outcome, ReceivedNotice

# Real seconds without output after which a line says that the demo is alive.
SILENCE_SECONDS = 7.0
PANEL_WIDTH = 76
TRANSLATIONS = ROOT / "custom_components" / "keycard" / "translations" / "en.json"
MODELS = {
    "model3": "Model 3",
    "modely": "Model Y",
    "models": "Model S",
    "modelx": "Model X",
    "cybertruck": "Cybertruck",
}
REGIONS = {"na": "North America", "eu": "Europe", "cn": "China"}
_COLORS = {
    "operational": "green",
    "outage": "bold red",
    "sign_in_outage": "bold red",
    "degraded": "yellow",
}
_PHONE_KINDS = {"quiet": " (silent)", "live": " (live update)"}
_INDENT = " " * 7


class Labels:
    """Names of states, as Home Assistant shows them."""

    def __init__(self, translations: Mapping[str, Any]) -> None:
        """Initialize with the content of a translation file."""
        self._sensors = translations["entity"]["sensor"]

    @classmethod
    def load(cls) -> Labels:
        """Return the English names."""
        return cls(json.loads(TRANSLATIONS.read_text(encoding="utf-8")))

    def state(self, key: str, state: str | None) -> str:
        """Return the name of a sensor's state."""
        name: str = self._sensors[key]["state"].get(state, state or "unknown")
        return name

    def keys(self, keys: Mapping[str, str | None]) -> str:
        """Return the key to take for each car, or the one for all."""
        if len(set(keys.values())) == 1 and len(keys) > 1:
            return f"{self.state('key_to_take', next(iter(keys.values())))} for all"
        return ", ".join(
            f"{car}: {self.state('key_to_take', key)}" for car, key in keys.items()
        )


class DemoConsole:
    """Prints the progress of a scenario."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        """Initialize with a rich console."""
        self._console = console
        self._verbose = verbose
        self._labels = Labels.load()
        self._printed_at = time.perf_counter()
        self.activity: Callable[[], str] | None = None
        """Returns what goes on, for a line after a silence."""

    @contextmanager
    def break_silence(self) -> Iterator[None]:
        """Print a line whenever nothing was printed for some seconds.

        A thread does that, as the event loop may be busy.
        """
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(0.5):
                silent = time.perf_counter() - self._printed_at
                if silent > SILENCE_SECONDS and (activity := self.activity):
                    self._print(Text(activity(), style="dim"))

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _print(self, content: Panel | Text) -> None:
        self._printed_at = time.perf_counter()
        lines = isinstance(content, Text)
        self._console.print(content, highlight=False, soft_wrap=lines)

    def write(self, text: str) -> None:
        """Print a line about the demo."""
        self._print(Text(text))

    def fail(self, text: str) -> None:
        """Print an error."""
        self._print(Text(text, style="red"))

    def begin(self, text: str, seconds: int) -> None:
        """Print what begins and how long it may take."""
        begin = time.perf_counter()
        self.write(f"{text} (up to {seconds} seconds)...")
        self.activity = lambda: (
            f"{_INDENT}still working after {time.perf_counter() - begin:.0f} s"
        )

    def title(self, case: Scenario) -> None:
        """Print name, source and homes of the case."""
        table = Table.grid(padding=(0, 2))
        table.add_row("Case", escape(case.name))
        table.add_row("Source", escape(case.source))
        for home in case.homes:
            cars = ", ".join(
                f"{car.name} ({MODELS[car.model]}, {car.year})" for car in home.cars
            )
            table.add_row("Home", escape(f"{REGIONS[home.region]}: {cars}"))
        self._print(Panel(table, title="Keycard demo", expand=False))

    def step(self, at: float, moment: datetime, step: Step) -> None:
        """Print what happens in a step."""
        conditions = [
            f"{subject}: {condition}" for subject, condition in step.set.items()
        ]
        if step.narration is not None:
            self._print(Text(f"\n{moment:%H:%M}  {step.narration}", style="bold"))
            changes = conditions if self._verbose else []
        else:
            changes = conditions
            if step.restart:
                changes.append("Home Assistant restarts")
            if step.clock:
                changes.append(f"wall clock of Home Assistant: {step.clock:+.0f} s")
            if step.token:
                changes.append(f"access tokens: {step.token}")
            if step.do:
                changes.append(f"command: {step.do.action} {step.do.car}")
        for change in changes:
            time_of_case = f" (case: {format_time(at)})" if self._verbose else ""
            self._print(Text(f"{moment:%H:%M}  {change}{time_of_case}", style="dim"))

    def state(
        self, moment: datetime, home: str, observation: Observation, *, several: bool
    ) -> None:
        """Print the current assessment and keys to take."""
        labels = self._labels
        line = Text(f"{_INDENT}Keycard: ")
        if several:
            line.append(f"{home}: ")
        line.append(
            labels.state("status", observation.status),
            style=_COLORS.get(observation.status or "", "cyan"),
        )
        if observation.scope not in {None, "none"}:
            line.append(f" ({labels.state('scope', observation.scope)})")
        line.append(f" · {labels.keys(observation.keys)}", style="magenta")
        self._print(line)
        if self._verbose:
            details = [
                f"{name} {', '.join(sorted(values))}"
                for name, values in (
                    ("planes", observation.subsystems),
                    ("models", observation.models),
                    ("elsewhere", observation.other_regions),
                )
                if values
            ]
            raw = "; ".join(
                [f"{observation.status}, scope {observation.scope}", *details]
            )
            self._print(Text(f"{_INDENT}{moment:%H:%M:%S} {raw}", style="dim"))
        status = labels.state("status", observation.status)
        self.activity = lambda: f"{dt_util.now():%H:%M}  Nothing new: {status}."

    def shown_state(self, observation: Observation) -> tuple[object, ...]:
        """Return the parts of an observation that are printed."""
        raw = (
            observation.subsystems,
            observation.models,
            observation.other_regions,
        )
        return (
            observation.status,
            observation.scope,
            *observation.keys.items(),
            *(raw if self._verbose else ()),
        )

    def phone(self, moment: datetime, notice: ReceivedNotice) -> None:
        """Print what the phone shows."""
        if notice.kind == "clear":
            self.write(f"{moment:%H:%M}  The notification disappears from the phone.")
            return
        buttons = "  ".join(f"[ {button} ]" for button in notice.buttons)
        place = f"Phone{_PHONE_KINDS.get(notice.kind, '')}"
        self._notification(place, moment, notice.title, notice.text, buttons)

    def bell(
        self, moment: datetime, notification: PushNotification, *, repeated: bool
    ) -> None:
        """Print a notification of Home Assistant, briefly if the phone shows it too."""
        if repeated:
            self.write(f"{_INDENT}Home Assistant shows the same notification.")
            return
        self._notification(
            "Home Assistant", moment, notification.title, notification.text
        )

    def _notification(
        self, place: str, moment: datetime, title: str, text: str, buttons: str = ""
    ) -> None:
        content = Text.assemble((f"{title}\n", "bold"), text)
        if buttons:
            content.append(f"\n{buttons}", style="cyan")
        self._print(
            Panel(
                content,
                title=escape(f"{place}, {moment:%H:%M}"),
                title_align="left",
                border_style="magenta",
                width=min(PANEL_WIDTH, self._console.width),
            )
        )

    def outcome(self, outcome: Outcome) -> None:
        """Print whether a step passed."""
        if outcome.checks and outcome.passed and self._verbose:
            self._print(
                Text.from_markup(
                    f"{_INDENT}[green]as expected[/], seen after"
                    f" {outcome.seconds or 0:.0f} simulated seconds"
                )
            )
        for check in outcome.checks if not outcome.passed else ():
            if not check.holds:
                self._print(
                    Text.from_markup(
                        f"{_INDENT}[bold red]missed[/] {escape(check.name)}: expected"
                        f" {escape(check.expected)}, seen {escape(check.seen)}"
                    )
                )
