"""Invariant "never late": deadlines, expiry and replaced commands."""

import asyncio
from random import Random

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec
import pytest

from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.transport.cloud import FleetClient
from custom_components.keycard.transport.http import (
    DeadlineRequest,
    RecordingMiddleware,
)
from custom_components.keycard.transport.result import CommandResult
from custom_components.keycard.vehicle.command_queue import PendingCommand
from custom_components.keycard.vehicle.commands import Command, command_call
from simulator.bluetooth import LinkConditions
from simulator.vehicle.car import Car

from .home import LOCK, HomeUnderTest, assert_explained, status_of
from .paired_vehicle import NearVehicle, with_paired_vehicle

CLIMATE = "climate.ada_climate"
TRUNK = "cover.ada_rear_trunk"
DOWN = dict.fromkeys(("all.status", "all.api"), "timeout")


@pytest.fixture
def near(near_without_latency: NearVehicle) -> NearVehicle:
    return near_without_latency


class Presses:
    """Presses of a user: start and end of each, and times of execution."""

    def __init__(self, home: HomeUnderTest, car: Car) -> None:
        self.home = home
        self.car = car
        self.tasks: list[asyncio.Task[str]] = []
        self.pressed: list[tuple[str, float]] = []
        self.took: list[float] = []
        self.ran: list[tuple[bool, float]] = []
        self._before = car.locked
        car.on_change, self._original_on_change = self._changed, car.on_change

    def _changed(self) -> None:
        self._original_on_change()
        if self.car.locked is not self._before:
            self._before = self.car.locked
            self.ran.append((self.car.locked, self.home.clock.monotonic()))

    def press(self, action: str, entity_id: str = LOCK) -> asyncio.Task[str]:
        self.pressed.append((action, self.home.clock.monotonic()))
        task = asyncio.create_task(self._press(action, entity_id))
        self.tasks.append(task)
        return task

    async def _press(self, action: str, entity_id: str) -> str:
        start = self.home.clock.monotonic()
        try:
            await self.home.hass.services.async_call(
                entity_id.partition(".")[0],
                action,
                {"entity_id": entity_id},
                blocking=True,
            )
        except HomeAssistantError as err:
            assert_explained(err)
            return str(err.translation_key)
        finally:
            self.took.append(self.home.clock.monotonic() - start)
        return "done"

    async def results(self) -> list[str]:
        """Advance until every press has ended, and return the results."""
        await self.home.until(lambda: all(task.done() for task in self.tasks), 120)
        return [task.result() for task in self.tasks]

    def assert_in_time(self, limit: float) -> None:
        """Check that each execution was within the deadline of a matching press."""
        for locked, at in self.ran:
            action_expected = "lock" if locked else "unlock"
            assert any(
                action == action_expected and 0 <= at - since <= limit
                for action, since in self.pressed
            ), (action_expected, at, self.pressed)


async def test_commands_to_a_hanging_cloud_are_not_executed_later(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    presses = Presses(home, home.simulator.cars["Ada"])
    home.simulator.set("eu.commands", "timeout")
    for _ in range(8):
        presses.press("unlock")
        await home.run(4)
    await home.run(60)
    home.simulator.set("eu.commands", "ok")
    await home.run(200)
    results = await presses.results()
    assert presses.car.executed["door_unlock"] == 0
    assert set(results) <= {"command_unconfirmed", "command_too_late"}
    assert max(presses.took) <= 30.0
    # The first is in progress, and the following ones share the waiting command.
    assert home.simulator.usage.count("door_unlock") <= 3


async def test_a_contrary_command_replaces_waiting_ones(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    presses = Presses(home, home.simulator.cars["Ada"])
    home.simulator.set("eu.commands", "slow:6")
    presses.press("unlock")
    for action in ("lock", "unlock", "lock"):
        await home.run(1)
        presses.press(action)
    assert await presses.results() == [
        "done",
        "command_replaced",
        "command_replaced",
        "done",
    ]
    assert presses.car.locked
    assert home.states()[LOCK] == "locked"


@pytest.mark.usefixtures("every_entity")
@pytest.mark.parametrize(
    ("actions", "executed"),
    [
        (("open_cover", "open_cover"), 1),
        (("open_cover", "close_cover"), 2),
        (("open_cover", "close_cover", "open_cover"), 1),
    ],
)
async def test_the_last_request_wins_for_toggling_commands(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    actions: tuple[str, ...],
    executed: int,
) -> None:
    """What a press would reverse is known only when its turn has come."""
    await home.set_up_operational(compatible_entry)
    presses = Presses(home, home.simulator.cars["Ada"])
    presses.car.config["plg"] = True
    home.simulator.set("eu.commands", "slow:6")
    for action in actions:
        presses.press(action, TRUNK)
        await home.run(1)
    results = await presses.results()
    assert set(results) <= {"done", "command_replaced"}
    assert (results[0], results[-1]) == ("done", "done")
    is_open = actions[-1] == "open_cover"
    assert presses.car.rear_trunk is is_open
    assert presses.car.executed["actuate_trunk"] == executed
    assert home.states()[TRUNK] == ("open" if is_open else "closed")


@pytest.mark.usefixtures("every_entity")
async def test_unconfirmed_commands_are_not_toggled_again(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    car = home.simulator.cars["Ada"]
    home.simulator.apply({"eu.commands": "reset", "eu.data": "503 down"})
    error = await home.perform("open_cover", TRUNK)
    assert error is not None
    assert error.translation_key == "command_unconfirmed"
    home.simulator.set("eu.commands", "ok")
    error = await home.perform("open_cover", TRUNK)
    assert error is not None
    assert error.translation_key == "trunk_not_known"
    assert_explained(error)
    home.simulator.set("eu.data", "ok")
    await home.until(lambda: home.states()[TRUNK] == "open", 300)
    assert await home.perform("open_cover", TRUNK) is None
    assert car.executed["actuate_trunk"] == 1
    assert car.rear_trunk


async def test_the_lock_waits_for_nothing_else_of_a_car(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    presses = Presses(home, home.simulator.cars["Ada"])
    home.simulator.set("eu.commands", "timeout")
    presses.press("turn_on", CLIMATE)
    await home.run(1)
    home.simulator.set("eu.commands", "slow:3")
    presses.press("unlock")
    assert await presses.results() == ["done", "done"]


async def test_a_wake_waits_for_no_other_command(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    """A command to infotainment hangs while the car has fallen asleep."""
    entry = await home.set_up_operational(compatible_entry)
    presses = Presses(home, home.simulator.cars["Ada"])
    home.simulator.set("car.Ada", "asleep")
    await home.run(120)
    client = entry.runtime_data.command_sender.client
    async with client._locks[presses.car.vin, False]:
        presses.press("unlock")
        assert await presses.results() == ["done"]
    assert home.simulator.usage.count("wake_up") == 1


async def test_a_car_that_sleeps_has_a_little_longer(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    presses = Presses(home, home.simulator.cars["Ada"])
    home.simulator.set("car.Ada", "offline")
    await home.run(120)
    presses.press("unlock")
    presses.press("turn_on", CLIMATE)
    assert await presses.results() == ["car_asleep", "car_asleep"]
    unlocking, climate = sorted(presses.took)
    assert 25 < unlocking <= 30
    assert 50 < climate <= 60
    home.simulator.set("car.Ada", "online")
    await home.run(120)
    assert presses.car.executed["door_unlock"] == 0


@pytest.mark.parametrize(("late", "runs"), [(12, True), (25, False)])
async def test_a_signed_command_expires_in_the_car(
    home: HomeUnderTest, late: int, runs: bool
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    home.simulator.pair("Ada", key)
    car = home.simulator.cars["Ada"]

    async def token() -> str:
        return home.simulator.token

    async with aiohttp.ClientSession(
        middlewares=(RecordingMiddleware(),), request_class=DeadlineRequest
    ) as session:
        link = FleetClient(session, home.simulator.urls["eu"], token, private_key=key)

        async def send(command: Command) -> CommandResult:
            pending = PendingCommand(
                call=command_call(command), pressed_at=home.clock.monotonic()
            )
            return await home.run_task(
                link.command(
                    car.vin, command_call(command), signed=True, pending=pending
                )
            )

        # Clocks may drift, and days may pass, between handshake and command.
        assert (await send(Command.LOCK)).done
        await home.run(86_400)
        # The cloud accepts the command at once and delivers it late.
        home.simulator.set("eu.commands", f"late:{late}")
        outcome = await send(Command.UNLOCK)
        assert (outcome.done, outcome.known) == (runs, runs)
        await home.run(60)
        assert car.locked is not runs
        assert car.executed["door_unlock"] == int(runs)
        # A command that waits too long (turn, connection, token) is not sent.
        home.simulator.set("eu.commands", "ok")
        calls = home.simulator.usage.count("signed_command")
        pending = PendingCommand(
            call=command_call(Command.UNLOCK), pressed_at=home.clock.monotonic() - 20
        )
        for signed in (True, False):
            outcome = await home.run_task(
                link.command(
                    car.vin,
                    command_call(Command.UNLOCK),
                    signed=signed,
                    pending=pending,
                )
            )
            assert outcome.call is not None
            assert outcome.call.withheld
            assert (outcome.done, outcome.known) == (False, True)
        assert home.simulator.usage.count("signed_command") == calls
        assert home.simulator.usage.count("door_unlock") == 0


async def test_over_bluetooth_a_late_delivery_opens_nothing(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, near: NearVehicle
) -> None:
    entry = await home.set_up_operational(
        with_paired_vehicle(compatible_entry, near.car)
    )
    home.simulator.apply(DOWN)
    await home.until(lambda: status_of(entry) == "outage", 120)
    assert await home.perform("unlock") is None
    assert await home.perform("lock") is None
    presses = Presses(home, near.car)
    near.simulator.bluetooth.set_link_conditions(
        LinkConditions(latency=0.0, connect=0.0, late=25.0)
    )
    presses.press("unlock")
    await presses.results()
    near.simulator.bluetooth.set_link_conditions(
        LinkConditions(latency=0.0, connect=0.0)
    )
    await home.run(120)
    assert presses.ran == []
    assert near.car.locked


async def test_a_radio_that_is_busy_keeps_no_command_for_later(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, near: NearVehicle
) -> None:
    entry = await home.set_up_operational(
        with_paired_vehicle(compatible_entry, near.car)
    )
    home.simulator.apply(DOWN)
    await home.until(lambda: status_of(entry) == "outage", 120)
    local = next(
        car for car in entry.runtime_data.vehicles.values() if car.bluetooth
    ).bluetooth
    presses = Presses(home, near.car)
    async with local.client.connection():
        presses.press("unlock")
        await home.run(40)
        assert presses.tasks[0].done()
    await home.run(60)
    # The cloud had its time, too; it hangs.
    assert await presses.results() == ["command_unconfirmed"]
    assert presses.ran == []


@pytest.mark.parametrize("seed", range(3))
async def test_random_presses_while_links_hang(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, near: NearVehicle, seed: int
) -> None:
    """The last wish holds, and nothing runs late, over either transport."""
    dice = Random(seed)
    near.simulator.bluetooth.random = Random(seed)
    await home.set_up_operational(with_paired_vehicle(compatible_entry, near.car))
    presses = Presses(home, near.car)
    for _ in range(12):
        fine = LinkConditions(latency=0.0, connect=0.0)
        for _ in range(dice.randint(1, 6)):
            near.simulator.bluetooth.set_link_conditions(
                dice.choice(
                    (
                        fine,
                        LinkConditions(latency=0.0, connect=0.0, lose_to_phone=1.0),
                        LinkConditions(latency=0.0, connect=0.0, lose_to_car=1.0),
                        LinkConditions(
                            latency=0.0, connect=0.0, late=dice.uniform(1, 30)
                        ),
                        LinkConditions(latency=0.0, connect=5.0),
                        LinkConditions(refuse=1.0),
                    )
                )
            )
            home.simulator.apply(
                {
                    "eu.commands": dice.choice(("ok", "timeout", "slow:7", "reset")),
                    "car.Ada": dice.choice(("near", "near", "gone")),
                }
            )
            presses.press(dice.choice(("lock", "unlock")))
            await home.run(dice.choice((0.1, 1.0, 4.0, 11.0)))
        near.simulator.bluetooth.set_link_conditions(fine)
        home.simulator.apply({"eu.commands": "ok", "car.Ada": "near"})
        last = presses.press(dice.choice(("lock", "unlock")))
        await presses.results()
        # All delayed messages have arrived or expired by now.
        await home.run(60)
        presses.assert_in_time(20)
        if last.result() == "done":
            wish = presses.pressed[-1][0]
            assert near.car.locked is (wish == "lock"), (presses.ran, presses.pressed)
            assert home.states()[LOCK] == f"{wish}ed"
