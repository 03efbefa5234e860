"""Every command of every entity, with every result: sent at most once, state true."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
import time
from typing import Any
from unittest.mock import patch

import pytest
from pytest import Subtests  # noqa: PT013 - the fixture's type has no other home

from homeassistant.const import Platform
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity import EntityDescription
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.button import BUTTONS
from custom_components.keycard.climate import CLIMATES, OVERHEAT_PROTECTIONS
from custom_components.keycard.cover import COVERS
from custom_components.keycard.lock import LOCKS
from custom_components.keycard.number import NUMBERS
from custom_components.keycard.select import SELECTS
from custom_components.keycard.switch import SWITCHES
from custom_components.keycard.update import UPDATES
from custom_components.keycard.vehicle.state import ConnectivityState
from simulator.vehicle.car import Car
from simulator.vehicle.commands import COMMANDS
from tests.command_table import CASES, Case, act, named, shown
from tests.conftest import car_of

from .home import HomeUnderTest

pytestmark = pytest.mark.usefixtures("every_entity", "everything_fitted", "quick")

REFUSAL = '200 {"response":{"result":false,"reason":"user_not_present"}}'


@dataclass(frozen=True, kw_only=True)
class ExpectedResult:
    """Result of a command: an error or none, executed or not.

    With `unsure` the result is unknown at first; `sent` is the number of requests.
    """

    conditions: dict[str, str] = field(default_factory=dict)
    known: ConnectivityState = ConnectivityState.ONLINE
    asleep: bool = False
    done: bool = False
    unsure: bool = False
    error: str | None = None
    sent: int = 1
    patience: float = 30.0
    """Timeout in seconds."""


FATES = {
    "done": ExpectedResult(done=True),
    "refused by the car": ExpectedResult(
        conditions={"eu.commands": REFUSAL}, error="command_failed"
    ),
    "asleep and wakes": ExpectedResult(
        asleep=True, known=ConnectivityState.ASLEEP, done=True
    ),
    "fell asleep unnoticed": ExpectedResult(asleep=True, done=True, sent=2),
    "the cloud fails": ExpectedResult(
        conditions={"eu.commands": '500 {"error":"upstream internal error"}'},
        unsure=True,
        error="command_unconfirmed",
    ),
    "no answer": ExpectedResult(
        conditions={"eu.commands": "timeout"},
        patience=0.1,
        unsure=True,
        error="command_unconfirmed",
    ),
    "the answer is lost": ExpectedResult(
        conditions={"eu.commands": "reset"},
        done=True,
        unsure=True,
        error="command_unconfirmed",
    ),
    "connection refused": ExpectedResult(
        conditions={"eu.api": "refuse", "eu.status": "refuse"},
        error="cloud_unreachable",
        sent=0,
    ),
}


@pytest.fixture
def quick() -> Iterator[None]:
    """Shorten waits: cars wake and unconfirmed states are requested at once.

    No poll of its own comes between the state of a car and the command.
    """
    poller = "custom_components.keycard.runtime.vehicle_poller"
    with (
        patch("simulator.vehicle.car.WAKE_SECONDS", 0.05),
        patch("custom_components.keycard.transport.cloud._WAKE_POLL_INTERVAL", 0.06),
        patch(f"{poller}.SOON", 0.0),
        patch(f"{poller}.SUMMARY_INTERVAL", 1e9),
        patch(f"{poller}.PRODUCTS_INTERVAL", 1e9),
    ):
        yield


@dataclass(kw_only=True)
class ResettableVehicles:
    """The cars of the account, reset for each command."""

    home: HomeUnderTest
    account: MockConfigEntry
    before: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Save the state of the cars."""
        self.before = {
            name: {
                key: deepcopy(value)
                for key, value in vars(car).items()
                if not key.startswith("_")
            }
            for name, car in self.home.simulator.cars.items()
        }

    async def put(self, item: Case, fate: ExpectedResult) -> Car:
        """Set the state of a car for a command, and then the condition."""
        self.bring_back(item.of)
        simulator = self.home.simulator
        car = simulator.cars[item.of]
        for name, value in (deepcopy(self.before[item.of]) | item.car).items():
            setattr(car, name, value)
        await self.look(item.of)
        if fate.asleep:
            simulator.set(f"car.{item.of}", "asleep")
        known = car_of(self.account, item.of).vehicle
        assert known.state is not None
        known.state = replace(known.state, presence=fate.known)
        simulator.apply(fate.conditions)
        # Kept connections may be dropped.
        await self.home.time_control.settle()
        simulator.usage.by_endpoint.clear()
        return car

    def bring_back(self, name: str) -> None:
        """Reset the cloud and set a car online."""
        simulator = self.home.simulator
        simulator.apply(dict.fromkeys(simulator.conditions, "ok"))
        simulator.set(f"car.{name}", "online")

    async def look(self, name: str) -> None:
        """Update the shown state of a car."""
        coordinator = car_of(self.account, name)
        assert coordinator.vehicle.state is not None
        state = coordinator.vehicle.state
        coordinator.vehicle.state = replace(state, presence=ConnectivityState.ONLINE)
        seen = self.updated_at(name)
        self.account.runtime_data.command_sender.request_refresh(coordinator.vehicle.id)
        await self.wait_for_update(name, seen)

    async def wait_for_update(self, name: str, seen: float) -> None:
        """Wait until a car was updated after a time."""
        await self.home.until(lambda: self.updated_at(name) > seen, 60)
        await self.home.hass.async_block_till_done()

    def updated_at(self, name: str) -> float:
        """Return the time of a car's last update."""
        state = car_of(self.account, name).vehicle.state
        assert state is not None
        assert state.data_at is not None
        return state.data_at.timestamp()


@pytest.mark.parametrize("fate", FATES.values(), ids=FATES)
async def test_every_command(
    home: HomeUnderTest,
    *,
    account: MockConfigEntry,
    subtests: Subtests,
    fate: ExpectedResult,
) -> None:
    resettable = ResettableVehicles(home=home, account=account)
    # Older cars close windows and open a garage only for a user nearby.
    config = home.hass.config
    config.latitude, config.longitude = home.simulator.cars["Cy"].home_position
    timeout = "custom_components.keycard.transport.cloud._COMMAND_TIMEOUT"
    for item in CASES:
        with subtests.test(named(item)), patch(timeout, fate.patience):
            await check(resettable, item, fate)


async def check(
    resettable: ResettableVehicles, item: Case, fate: ExpectedResult
) -> None:
    home = resettable.home
    hass = home.hass
    car = await resettable.put(item, fate)
    before, seen = shown(hass, item.entity, item.attribute), time.time()
    if fate.error is None:
        await home.run_task(act(hass, item.entity, item.action, item.data))
    else:
        with pytest.raises(HomeAssistantError) as error:
            await home.run_task(act(hass, item.entity, item.action, item.data))
        assert error.value.translation_domain == "keycard"
        assert error.value.translation_key == fate.error
    wakes = item.command == "wake_up"
    sent = home.simulator.usage.count(f"eu.{item.command}")
    assert sent == (min(fate.sent, 1) if wakes else fate.sent)
    executed = dict(car.executed)
    if fate.asleep and not wakes:
        assert executed.pop("wake_up") == 1
    assert executed == ({item.command: 1} if fate.done else {})
    if fate.done:
        assert item.done(car) == item.result
    if fate.unsure:
        # An unconfirmed command is settled by asking the car.
        await resettable.wait_for_update(item.of, seen)
    now = shown(hass, item.entity, item.attribute)
    assert now == (item.shown if fate.done else before)
    resettable.bring_back(item.of)
    await resettable.look(item.of)
    assert shown(hass, item.entity, item.attribute) == now


ACTIONS: dict[Platform, Callable[[Any], set[str]]] = {
    Platform.BUTTON: lambda _: {"press"},
    Platform.CLIMATE: lambda described: (
        {"turn_on", "turn_off", "set_hvac_mode", "set_temperature"}
        | ({"set_preset_mode"} if described in CLIMATES else set())
    ),
    Platform.COVER: lambda described: (
        {"open_cover"} | ({"close_cover"} if described.close_command else set())
    ),
    Platform.LOCK: lambda described: (
        {"unlock"} | ({"lock"} if described.lock_command else set())
    ),
    Platform.NUMBER: lambda _: {"set_value"},
    Platform.SELECT: lambda _: {"select_option"},
    Platform.SWITCH: lambda _: {"turn_on", "turn_off"},
    Platform.UPDATE: lambda _: {"install"},
}
TABLES: dict[Platform, tuple[EntityDescription, ...]] = {
    Platform.BUTTON: BUTTONS,
    Platform.CLIMATE: (*CLIMATES, *OVERHEAT_PROTECTIONS),
    Platform.COVER: COVERS,
    Platform.LOCK: LOCKS,
    Platform.NUMBER: NUMBERS,
    Platform.SELECT: SELECTS,
    Platform.SWITCH: SWITCHES,
    Platform.UPDATE: UPDATES,
}


async def test_no_command_is_left_out(
    account: MockConfigEntry, entity_registry: er.EntityRegistry
) -> None:
    tried = set()
    for item in CASES:
        entry = entity_registry.async_get(item.entity)
        assert entry is not None, item.entity
        vin = car_of(account, item.of).vehicle.id
        key = entry.unique_id.removeprefix(f"{vin}_")
        tried.add((entry.domain, key, item.action))
    assert tried == {
        (platform, described.key, action)
        for platform, table in TABLES.items()
        for described in table
        for action in ACTIONS[platform](described)
    }


def test_every_command_of_the_simulator_is_given() -> None:
    # They undo settings of a user in the car.
    given_by_none = {
        "cancel_software_update",
        "clear_pin_to_drive_admin",
        "reset_pin_to_drive_pin",
        "reset_valet_pin",
    }
    given = {item.command for item in CASES}
    assert given - {"wake_up"} == COMMANDS.keys() - given_by_none
