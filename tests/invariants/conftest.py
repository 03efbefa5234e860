"""Fixtures of a Home Assistant whose clock jumps hours in seconds, over real HTTP."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import tzinfo
import time

from jwt import api_jwt
import pytest

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity, script
from homeassistant.util import dt as dt_util

from custom_components.keycard.providers import SERVICES
from harness.clock import OffsetClock, datetime_class
from harness.event_loop import HarnessLoop
from harness.time_control import TimeControl, Traffic
from simulator import Simulator
from tests.conftest import HOME, unload

from .story import Story


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], HarnessLoop]]:
    """Run these tests on a loop that knows its next timer."""
    return {"stage": HarnessLoop}


@pytest.fixture(scope="module", autouse=True)
def clock() -> Iterator[OffsetClock]:
    """Let everybody read a clock that can be moved on."""
    clock = OffsetClock()

    def now(time_zone: tzinfo | None = None) -> object:
        return clock.now(time_zone or dt_util.get_default_time_zone())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", clock.time)
        patch.setattr(time, "monotonic", clock.monotonic)
        # When a state of an entity changed.
        patch.setattr(entity, "timer", clock.time)
        # When an automation ran.
        patch.setattr(script, "utcnow", clock.now)
        patch.setattr(dt_util, "utcnow", clock.now)
        patch.setattr(dt_util, "now", now)
        # Whether a token is of now.
        patch.setattr(api_jwt, "datetime", datetime_class(clock))
        yield clock


@pytest.fixture(autouse=True)
def enable_event_loop_debug() -> None:
    """Leave the loop's debug mode off: it would take each jump for a slow callback."""


@pytest.fixture
async def simulator(
    hass: HomeAssistant, socket_enabled: None, clock: OffsetClock
) -> AsyncIterator[Simulator]:
    """Open the simulated cloud on loopback; it outlives what asks it."""
    async with Simulator(HOME, now=clock.time) as running:
        yield running
        await unload(hass)


@pytest.fixture(autouse=True)
def services(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the simulator stand where a service renews its sign-ins."""
    url = f"{simulator.urls['teslemetry']}/oauth/token"
    service = replace(SERVICES["teslemetry"], exchange_url=url)
    monkeypatch.setitem(SERVICES, "teslemetry", service)


@pytest.fixture
def story(
    hass: HomeAssistant, simulator: Simulator, clock: OffsetClock
) -> Iterator[Story]:
    """Let time pass as it is told."""
    loop = hass.loop
    assert isinstance(loop, HarnessLoop)
    traffic = Traffic()
    with traffic.count_requests():
        yield Story(
            hass=hass,
            simulator=simulator,
            clock=clock,
            pace=TimeControl(clock, loop, traffic, simulator),
        )
