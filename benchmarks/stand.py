"""Plays a month against one integration, in a real Home Assistant of this process.

The clock must be in place before this is imported; see `harness/clock.py`.
"""

import asyncio
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
from homeassistant.runner import configure_event_loop
from homeassistant.setup import async_setup_component

from harness import fake_network
from harness.clock import OffsetClock
from harness.event_loop import HarnessLoop
from harness.home_assistant import HomeAssistantInstance
from harness.time_control import HarnessError, TimeControl, Traffic
from simulator import Simulator
from simulator.scenarios.scenario import CarSpec, Home

from .commuter import DAY, LOOK, Commuter, Doing, Story
from .played import Played, billed_in

REGION = "eu"
SEED = 20211119

type Install = Callable[[HomeAssistant, Simulator], Awaitable[str]]


async def install_keycard(hass: HomeAssistant, simulator: Simulator) -> str:
    """Set Keycard up; returns the entity that tells what it costs."""
    urls = simulator.urls
    entry = await _add(
        hass,
        "keycard",
        data={
            "provider": "compatible",
            "region": REGION,
            "base_url": urls[REGION],
            "token": simulator.token,
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
    found = er.async_get(hass).async_get_entity_id(
        "sensor", "keycard", f"{entry.entry_id}_estimated_cost"
    )
    return found or ""


async def install_tesla_fleet(hass: HomeAssistant, simulator: Simulator) -> str:
    """Set Home Assistant's own integration up; only the addresses are changed."""
    for region in ("na", "eu", "cn"):
        SERVERS[region] = simulator.urls[region]
    url = f"{simulator.urls['auth']}/oauth2/v3"
    vars(oauth).update(TOKEN_URL=f"{url}/token", AUTHORIZE_URL=f"{url}/authorize")
    await async_setup_component(hass, "application_credentials", {})
    await async_import_client_credential(
        hass, "tesla_fleet", ClientCredential("me", "secret", "Simulated"), "simulated"
    )
    await _add(
        hass,
        "tesla_fleet",
        data={
            "auth_implementation": "simulated",
            "token": {
                "access_token": "long gone",
                "refresh_token": simulator.refresh_token(),
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


async def _add(
    hass: HomeAssistant,
    domain: str,
    *,
    data: dict[str, Any],
    options: dict[str, Any] | None = None,
) -> ConfigEntry:
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
        version=1,
    )
    await hass.config_entries.async_add(entry)
    await hass.async_block_till_done()
    if entry.state is not ConfigEntryState.LOADED:
        raise HarnessError(f"{domain} is not set up: {entry.reason}")
    return entry


def play(name: str, story: Story, days: int, clock: OffsetClock) -> Played:
    """Play so many days of a month that is yet to come, after one that is not counted.

    It begins on the evening before the month, for whoever counts by the month.
    """
    fake_network.install()
    loop = HarnessLoop()
    configure_event_loop(loop)
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(_play(name, story, days, clock, loop))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _play(
    name: str, story: Story, days: int, clock: OffsetClock, loop: HarnessLoop
) -> Played:
    traffic = Traffic()
    with (
        tempfile.TemporaryDirectory(prefix="keycard-month-") as folder,
        traffic.count_requests(),
    ):
        house = HomeAssistantInstance(Path(folder), loop)
        house.configure(REGION, {"time_zone": "UTC"})
        clock.jump(_until_month(clock.now()) - DAY)
        car = CarSpec(name="Ada", model="model3", year=2022)
        home = Home(region=REGION, cars=(car,))
        async with Simulator(home, now=clock.true_time) as simulator:
            pace = TimeControl(clock, loop, traffic, simulator)
            commuter = Commuter(car=simulator.cars["Ada"], story=story)
            commuter.begin(clock.true_time(), days + 1, Random(SEED))
            await house.start()
            try:
                shown = await INSTALL[name](house.hass, simulator)
                stand = Stand(simulator, commuter, pace, Played(name=name, days=days))
                await stand.live(DAY)
                stand.count()
                await stand.live((days + 1) * DAY)
                stand.close()
                if (state := house.hass.states.get(shown)) is not None:
                    stand.played.shown = float(state.state)
                return stand.played
            finally:
                await house.stop()


def _until_month(now: datetime) -> float:
    """Return the seconds until the next month but one day at least."""
    month = (now.replace(day=1) + timedelta(days=32)).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    if month - now < timedelta(days=1):
        month = (month + timedelta(days=32)).replace(day=1)
    return (month - now).total_seconds()


class Stand:
    """Lets a car live, and looks at it and at what was asked of it."""

    def __init__(
        self,
        simulator: Simulator,
        commuter: Commuter,
        pace: TimeControl,
        played: Played,
    ) -> None:
        """Begin at midnight."""
        self.played = played
        self._simulator = simulator
        self._commuter = commuter
        self._pace = pace
        self._began = pace.clock.monotonic()
        self._told = 0
        self._told_at = 0.0
        self._before: Counter[str] | None = None

    @property
    def _now(self) -> float:
        return self._pace.clock.monotonic() - self._began

    async def live(self, until: float) -> None:
        """Let the time pass until so many seconds after the first midnight."""
        while (now := self._now) < until:
            self._look(self._commuter.live(), now)
            await self._pace.run_until(self._began + min(until, now + LOOK), self._hear)

    async def _hear(self) -> None:
        """Note when data were told."""
        told = self._simulator.usage.by_status[f"{REGION}.vehicle_data 200"]
        if told != self._told:
            self._told, self._told_at = told, self._now

    def _look(self, doing: Doing, now: float) -> None:
        if self._before is not None:
            self.played.ages[doing].add(now - self._told_at)

    def count(self) -> None:
        """Count from now on."""
        self._before = self._simulator.usage.by_status.copy()

    def close(self) -> None:
        """Sum up."""
        calls = self._simulator.usage.by_status - (self._before or Counter())
        self.played.billed = billed_in(calls)
        self.played.requests = calls.total()
