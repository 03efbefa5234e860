"""A thousand commands under random faults of both transports.

None runs twice, and no result is reported that is not true, whichever way the car
confirms them; the state shown is true or unknown.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
import os
from random import Random

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator import Simulator
from simulator.bluetooth import LinkConditions
from simulator.protocol import Confirmation
from simulator.vehicle.car import Car

from .home import LOCK, HomeUnderTest, status_of
from .paired_vehicle import NearVehicle, add_near_vehicle, with_paired_vehicle

# Another version of the library need not be searched for rare mistakes of Keycard.
COMMANDS = int(
    os.environ.get(
        "KEYCARD_COMMANDS", "200" if "KEYCARD_LIBRARY" in os.environ else "1000"
    )
)
SEED = 20211119

pytestmark = pytest.mark.timeout(1500)

CLIMATE = "climate.ada_climate"
# Action -> entity, command of the car, resulting state.
ACTS: dict[str, tuple[str, str, Callable[[Car], bool]]] = {
    "lock": (LOCK, "door_lock", lambda car: car.locked),
    "unlock": (LOCK, "door_unlock", lambda car: not car.locked),
    "turn_on": (CLIMATE, "auto_conditioning_start", lambda car: car.climate_on),
    "turn_off": (CLIMATE, "auto_conditioning_stop", lambda car: not car.climate_on),
}
OVER_CLOUD = ("ok", "ok", "reset", "timeout", "garbage", "503 upstream", "slow:4")
ON_AIR: dict[str, dict[str, float]] = {
    "fine": {},
    "a tenth lost": {"lose_to_car": 0.1, "lose_to_phone": 0.1},
    "a third lost": {"lose_to_car": 0.33, "lose_to_phone": 0.33},
    "answers lost": {"lose_to_phone": 0.6},
    "slow": {"slow": 3.0, "slow_rate": 0.5},
    "cut before": {"cut_before": 0.2},
    "cut after": {"cut_after": 0.2},
    "refused": {"refuse": 0.5},
}
MISHAPS = ("", "", "", "wait", "wait-done", "busy", "busy-done", "lost", "lost-done")


@dataclass
class ResultCounter:
    """Results of the commands by condition."""

    ended: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    twice: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    """States that the lock had, and the car had not."""

    def check_shown(self, home: HomeUnderTest, car: Car, context: str) -> None:
        """Note a state of the lock that the car has not."""
        state = home.states()[LOCK]
        if state not in {"unknown", "locked" if car.locked else "unlocked"}:
            self.shown.append(f"{context}: {state}")

    def show(self) -> None:
        """Print the rates."""
        for name, counts in (("wrong was", self.faults), ("told was", self.ended)):
            for reason, count in counts.most_common():
                print(f"{name} {reason}: {count / self.ended.total():.1%}")


@pytest.fixture
async def near(
    hass: HomeAssistant, enable_bluetooth: None, simulator: Simulator
) -> AsyncIterator[NearVehicle]:
    simulator.bluetooth.random = Random(SEED)
    near = await add_near_vehicle(hass, simulator)
    yield near
    near.proxy.remove()


def conditions_without_latency(name: str) -> LinkConditions:
    """Return link conditions without latency."""
    return LinkConditions(latency=0.0, connect=0.0, **ON_AIR[name])


def check_result(
    tally: ResultCounter,
    error: HomeAssistantError | None,
    executed: int,
    holds: bool,
    context: str,
) -> None:
    """Compare the reported result with what the car did."""
    end = "done" if error is None else str(error.translation_key)
    tally.ended[end] += 1
    if executed > 1:
        tally.twice.append(context)
    # A state that held before may count as done.
    if (error is None and not holds) or (
        end not in {"done", "command_unconfirmed"} and executed
    ):
        tally.wrong.append(f"{context}: {end}, executed {executed}")


async def test_whatever_goes_wrong_no_command_runs_twice(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, near: NearVehicle
) -> None:
    dice, tally, forms = Random(SEED), ResultCounter(), Random(SEED)
    await home.set_up_operational(with_paired_vehicle(compatible_entry, near.car))
    simulator, car = home.simulator, near.car
    for number in range(COMMANDS):
        form = forms.choice(list(Confirmation))
        simulator.computers["Ada"].confirmation = form
        weather = dice.choice(list(ON_AIR))
        cloud, mishap = dice.choice(OVER_CLOUD), dice.choice(MISHAPS)
        range_ = "gone" if dice.random() < 0.1 else "near"
        simulator.bluetooth.set_link_conditions(conditions_without_latency(weather))
        simulator.apply({"eu.commands": cloud, "car.Ada": range_})
        simulator.computers["Ada"].faults.clear()
        if mishap:
            simulator.inject_fault("Ada", mishap)
        tally.faults.update(
            (
                f"on air: {weather}",
                f"over the cloud: {cloud}",
                f"in the car: {mishap or 'nothing'}",
                f"confirmed by: {form}",
                f"the car's place: {range_}",
            )
        )
        act = dice.choice(list(ACTS))
        entity_id, command, holds = ACTS[act]
        before = car.executed[command]
        error = await home.perform(act, entity_id)
        check_result(
            tally,
            error,
            car.executed[command] - before,
            holds=holds(car),
            context=f"{number} {act}: {weather}, {cloud}, {mishap}, {range_}, {form}",
        )
        tally.check_shown(home, car, f"{number} {act}")
        await home.run(dice.choice((1, 5, 30)))
        tally.check_shown(home, car, f"after {number} {act}")
    tally.show()
    assert tally.twice == []
    assert tally.wrong == []
    assert tally.shown == []


async def test_in_an_outage_the_lock_obeys_within_ten_seconds(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, near: NearVehicle
) -> None:
    dice, tally = Random(SEED), ResultCounter()
    entry = await home.set_up_operational(
        with_paired_vehicle(compatible_entry, near.car)
    )
    home.simulator.apply(dict.fromkeys(("all.status", "all.api"), "timeout"))
    await home.until(lambda: status_of(entry) == "outage", 120)
    near.simulator.bluetooth.set_link_conditions(
        conditions_without_latency("a tenth lost")
    )
    car: Car = near.car
    late = 0
    for number in range(COMMANDS):
        act = dice.choice(("lock", "unlock"))
        _, command, holds = ACTS[act]
        before, began = car.executed[command], home.clock.monotonic()
        error = await home.perform(act)
        late += error is None and home.clock.monotonic() - began > 10
        executed = car.executed[command] - before
        check_result(
            tally, error, executed, holds=holds(car), context=f"{number} {act}"
        )
        tally.check_shown(home, car, f"{number} {act}")
        await home.run(dice.choice((1, 5, 30)))
        tally.check_shown(home, car, f"after {number} {act}")
    tally.show()
    print(f"later than ten seconds: {late / COMMANDS:.1%}")
    assert tally.twice == []
    assert tally.wrong == []
    assert tally.shown == []
    assert tally.ended["done"] - late >= 0.99 * COMMANDS
