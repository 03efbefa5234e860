"""Simulate a month of one integration in a real Home Assistant in this process.

The clock must be installed before this module is imported; see `harness/clock.py`.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
import tempfile
from types import MappingProxyType
from typing import Any

from tesla_fleet_api.const import SERVERS

from homeassistant.components.application_credentials import (
    ClientCredential,
    async_import_client_credential,
)
from homeassistant.components.tesla_fleet import oauth
from homeassistant.config_entries import SOURCE_USER, ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component

from harness import fake_network
from harness.clock import OffsetClock
from harness.event_loop import HarnessLoop, open_event_loop
from harness.home_assistant import HomeAssistantInstance
from harness.ports import reserved_port
from harness.time_control import HarnessError, TimeControl, Traffic
from simulator import Simulator
from simulator.scenarios.scenario import CarSpec, Home

from .daily_commute import DAY, SAMPLE_SECONDS, Activity, Commuter, WorkState
from .month_result import MonthResult, count_billed

REGION = "eu"
SEED = 20211119

# Sets an integration up for a home.
type Install = Callable[[HomeAssistant, Simulator, str], Awaitable[str]]


async def install_keycard(hass: HomeAssistant, simulator: Simulator, home: str) -> str:
    """Set Keycard up and return the entity id of its cost sensor."""
    urls = simulator.urls
    entry = await add_entry(
        hass,
        "keycard",
        data={
            "provider": "compatible",
            "region": REGION,
            "base_url": urls[REGION],
            "token": simulator.tokens[home],
        },
        options={
            "hosts": {region: urls[region] for region in ("na", "eu", "cn")},
            "sign_in": [
                f"{urls['auth']}/oauth2/v3/token",
                f"{urls['auth']}/oauth2/v3/.well-known/openid-configuration",
            ],
            "unrelated": [
                f"{urls['controls1']}/generate_204",
                f"{urls['controls2']}/success.txt",
            ],
        },
    )
    entity_id = er.async_get(hass).async_get_entity_id(
        "sensor", "keycard", f"{entry.entry_id}_estimated_cost"
    )
    return entity_id or ""


async def install_tesla_fleet(
    hass: HomeAssistant, simulator: Simulator, home: str
) -> str:
    """Set up Home Assistant's tesla_fleet integration with simulated hosts."""
    for region in ("na", "eu", "cn"):
        SERVERS[region] = simulator.urls[region]
    url = f"{simulator.urls['auth']}/oauth2/v3"
    vars(oauth).update(TOKEN_URL=f"{url}/token", AUTHORIZE_URL=f"{url}/authorize")
    await async_setup_component(hass, "application_credentials", {})
    await async_import_client_credential(
        hass, "tesla_fleet", ClientCredential("me", "secret", "Simulated"), "simulated"
    )
    await add_entry(
        hass,
        "tesla_fleet",
        data={
            "auth_implementation": "simulated",
            "token": {
                "access_token": "long gone",
                "refresh_token": simulator.refresh_token(home),
                "expires_at": 0,
                "expires_in": 28800,
                "token_type": "Bearer",
            },
        },
    )
    return ""


INSTALL: dict[str, Install] = {
    "keycard": install_keycard,
    "tesla_fleet": install_tesla_fleet,
}


async def add_entry(
    hass: HomeAssistant,
    domain: str,
    *,
    data: dict[str, Any],
    options: dict[str, Any] | None = None,
    version: int = 1,
) -> ConfigEntry:
    """Add a loaded entry of an integration; raise HarnessError if it is not loaded."""
    entry = ConfigEntry(
        data=data,
        discovery_keys=MappingProxyType({}),
        domain=domain,
        minor_version=1,
        options=options,
        source=SOURCE_USER,
        subentries_data=None,
        title=domain,
        unique_id=None,
        version=version,
    )
    await hass.config_entries.async_add(entry)
    await hass.async_block_till_done()
    if entry.state is not ConfigEntryState.LOADED:
        raise HarnessError(f"{domain} is not set up: {entry.reason}")
    return entry


def run_month(
    name: str,
    work_state: WorkState,
    days: int,
    clock: OffsetClock,
    *,
    on_day: Callable[[], None],
) -> MonthResult:
    """Run the given number of days of a coming month, after a day that is not counted.

    It starts on the day before the month, as costs are counted by calendar month.
    `on_day` is called after each day.
    """
    fake_network.install()
    with open_event_loop() as loop:
        return loop.run_until_complete(
            _run(name, work_state, days, clock, loop, on_day=on_day)
        )


async def _run(
    name: str,
    work_state: WorkState,
    days: int,
    clock: OffsetClock,
    loop: HarnessLoop,
    *,
    on_day: Callable[[], None],
) -> MonthResult:
    traffic = Traffic()
    with (
        tempfile.TemporaryDirectory(prefix="keycard-month-") as folder,
        traffic.count_requests(),
        reserved_port() as port,
    ):
        instance = HomeAssistantInstance(Path(folder), loop, port)
        instance.configure(REGION, {"time_zone": "UTC"})
        clock.jump(_seconds_until_month(clock.now()) - DAY)
        car = CarSpec(name="Ada", model="model3", year=2022)
        home = Home(region=REGION, cars=(car,))
        async with Simulator(home, get_time=clock.true_time) as simulator:
            time_control = TimeControl(clock, loop, traffic, simulator)
            commuter = Commuter(car=simulator.cars["Ada"], work_state=work_state)
            commuter.schedule(clock.true_time(), days + 1, Random(SEED))
            await instance.start()
            try:
                cost_sensor = await INSTALL[name](instance.hass, simulator, home.name)
                run = MonthRun(
                    simulator, commuter, time_control, MonthResult(name=name, days=days)
                )
                await run.run_until(DAY)
                on_day()
                run.start_counting()
                for day in range(1, days + 1):
                    await run.run_until((day + 1) * DAY)
                    on_day()
                run.finish()
                if (state := instance.hass.states.get(cost_sensor)) is not None:
                    run.result.shown_cost = float(state.state)
                return run.result
            finally:
                await instance.stop()


def _seconds_until_month(time: datetime) -> float:
    """Return the seconds until the next month, at least one day."""
    month = (time.replace(day=1) + timedelta(days=32)).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    if month - time < timedelta(days=1):
        month = (month + timedelta(days=32)).replace(day=1)
    return (month - time).total_seconds()


class MonthRun:
    """Runs the commute and samples the age of the data."""

    def __init__(
        self,
        simulator: Simulator,
        commuter: Commuter,
        time_control: TimeControl,
        result: MonthResult,
    ) -> None:
        """Initialize at midnight."""
        self.result = result
        self._simulator = simulator
        self._commuter = commuter
        self._time_control = time_control
        self._started_at = time_control.clock.monotonic()
        self._replies = 0
        self._data_at = 0.0
        self._usage_before: Counter[str] | None = None

    @property
    def _now(self) -> float:
        return self._time_control.clock.monotonic() - self._started_at

    async def run_until(self, until: float) -> None:
        """Run until a time in seconds after the first midnight."""
        while (now := self._now) < until:
            self._sample_age(self._commuter.update(), now)
            await self._time_control.run_until(
                self._started_at + min(until, now + SAMPLE_SECONDS), self._record_data
            )

    async def _record_data(self) -> None:
        """Record the time of new data."""
        replies = self._simulator.usage.by_status[f"{REGION}.vehicle_data 200"]
        if replies != self._replies:
            self._replies, self._data_at = replies, self._now

    def _sample_age(self, activity: Activity, now: float) -> None:
        if self._usage_before is not None:
            self.result.ages[activity].add(now - self._data_at)

    def start_counting(self) -> None:
        """Start counting."""
        self._usage_before = self._simulator.usage.by_status.copy()

    def finish(self) -> None:
        """Calculate the result."""
        calls = self._simulator.usage.by_status - (self._usage_before or Counter())
        self.result.billed = count_billed(calls)
        self.result.requests = calls.total()
