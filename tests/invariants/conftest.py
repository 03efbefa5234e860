"""Fixtures of a Home Assistant with a movable clock, over real HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import tzinfo
import logging
import time
from typing import Any

from jwt import api_jwt
import pytest

from homeassistant import runner
from homeassistant.components.device_tracker import legacy
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity, event, script
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.keycard.const import DOMAIN
from custom_components.keycard.providers import SERVICES
from harness.clock import OffsetClock, datetime_class
from harness.phone import Phone, registered
from harness.time_control import TimeControl, Traffic
from simulator import Simulator
from simulator.bluetooth import LinkConditions
from tests.conftest import HOME, unload
from tests.event_loop import CheckedHarnessLoop

from .home import HomeUnderTest
from .paired_vehicle import NearVehicle, add_near_vehicle


@pytest.fixture(scope="module", autouse=True)
def clock() -> Iterator[OffsetClock]:
    """Install a clock that can be moved."""
    clock = OffsetClock()

    def now(time_zone: tzinfo | None = None) -> object:
        return clock.now(time_zone or dt_util.get_default_time_zone())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", clock.time)
        patch.setattr(time, "monotonic", clock.monotonic)
        # Time of the event loop.
        patch.setattr(runner, "monotonic", clock.monotonic)
        # Time of a state change of an entity.
        patch.setattr(entity, "timer", clock.time)
        # Time at which a timer may fire: one that seems early is armed again.
        patch.setattr(event, "time_tracker_timestamp", clock.time)
        patch.setattr(event, "time_tracker_utcnow", clock.now)
        # Time of the last run of an automation.
        patch.setattr(script, "utcnow", clock.now)
        patch.setattr(dt_util, "utcnow", clock.now)
        patch.setattr(dt_util, "now", now)
        # Expiry of access tokens.
        patch.setattr(api_jwt, "datetime", datetime_class(clock))
        yield clock


@pytest.fixture(scope="module", autouse=True)
def no_legacy_device_trackers() -> Iterator[None]:
    """Check no legacy device trackers, of which there are none, every five seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            legacy, "async_track_utc_time_change", lambda *_, **__: lambda: None
        )
        yield


@pytest.fixture
def late_polls() -> None:
    """Let polls begin at a random time: only the tests let time pass."""


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Capture all messages of Keycard, and the warnings of Home Assistant."""
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.WARNING, "homeassistant")
    caplog.set_level(logging.DEBUG, "custom_components.keycard")
    return caplog


@pytest.fixture
async def simulator(
    hass: HomeAssistant, socket_enabled: None, clock: OffsetClock
) -> AsyncIterator[Simulator]:
    """Start the simulated cloud on loopback; it stops after Home Assistant."""
    async with Simulator(HOME, get_time=clock.time) as running:
        yield running
        await unload(hass)


@pytest.fixture(autouse=True)
def services(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the simulator of a test to exchange tokens of third parties."""
    if "simulator" not in request.fixturenames:
        return
    simulator: Simulator = request.getfixturevalue("simulator")
    url = f"{simulator.urls['teslemetry']}/oauth/token"
    service = replace(SERVICES["teslemetry"], exchange_url=url)
    monkeypatch.setitem(SERVICES, "teslemetry", service)


@pytest.fixture
def home(
    hass: HomeAssistant, simulator: Simulator, clock: OffsetClock
) -> Iterator[HomeUnderTest]:
    """Return a Home Assistant and a simulated cloud with a movable clock."""
    loop = hass.loop
    assert isinstance(loop, CheckedHarnessLoop)
    traffic = Traffic()
    with traffic.count_requests():
        yield HomeUnderTest(
            hass=hass,
            simulator=simulator,
            clock=clock,
            time_control=TimeControl(clock, loop, traffic, simulator),
        )


@pytest.fixture
async def new_phone(
    hass: HomeAssistant, home: HomeUnderTest, hass_client: ClientSessionGenerator
) -> AsyncIterator[Callable[..., Awaitable[Phone]]]:
    """Return a function that registers a phone over HTTP."""
    assert await async_setup_component(hass, "mobile_app", {})
    # Its views must be registered before the first request.
    assert await async_setup_component(hass, DOMAIN, {})
    await hass.async_block_till_done()
    client = await hass_client()
    async with AsyncExitStack() as stack:

        async def register(name: str, **details: Any) -> Phone:
            phone = Phone(client=client, name=name, **details)
            return await stack.enter_async_context(registered(hass, phone))

        yield register


@pytest.fixture
async def phone(new_phone: Callable[..., Awaitable[Phone]]) -> Phone:
    """Register Anne's phone."""
    return await new_phone("Anne's phone")


@pytest.fixture
async def near(
    hass: HomeAssistant, enable_bluetooth: None, simulator: Simulator
) -> AsyncIterator[NearVehicle]:
    """Return a paired car in Bluetooth range."""
    near = await add_near_vehicle(hass, simulator)
    yield near
    near.proxy.remove()


@pytest.fixture
async def near_without_latency(
    hass: HomeAssistant, enable_bluetooth: None, simulator: Simulator
) -> AsyncIterator[NearVehicle]:
    """Return a paired car in range, whose connection takes no time."""
    simulator.bluetooth.set_link_conditions(LinkConditions(latency=0.0, connect=0.0))
    near = await add_near_vehicle(hass, simulator)
    near.proxy.connect_timeout = 5.0
    yield near
    near.proxy.remove()
