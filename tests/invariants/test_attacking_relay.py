"""Invariant "proven over Bluetooth", with a relay that attacks messages at random."""

from collections import Counter
from collections.abc import AsyncIterator
from random import Random

import pytest

from homeassistant.const import EVENT_STATE_CHANGED, STATE_UNKNOWN
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator import Simulator
from simulator.bluetooth import Adversary, LinkConditions

from .home import HomeUnderTest, assert_explained
from .paired_vehicle import NearVehicle, add_near_vehicle, with_paired_vehicle
from .test_bluetooth_in_an_outage import lock_of
from .test_spoofed_devices import limit_of

STEPS = 60
SEALS = {
    "seals": (20211119, True, True),
    "never seals": (19112021, False, True),
    "infotainment never seals": (11192021, True, False),
}
"""Seeds, and whether vehicle security and infotainment seal their answers."""

# Maximum duration in seconds of a request and its answer.
LONGEST = 45.0

WANTED = {"lock": True, "unlock": False}
SHOWN = {"locked": True, "unlocked": False}


@pytest.fixture
async def near(
    hass: HomeAssistant, enable_bluetooth: None, simulator: Simulator
) -> AsyncIterator[NearVehicle]:
    simulator.bluetooth.set_link_conditions(LinkConditions(latency=0.0, connect=0.0))
    near = await add_near_vehicle(hass, simulator)
    yield near
    near.proxy.remove()


@pytest.mark.parametrize(("seed", "status", "data"), SEALS.values(), ids=SEALS)
async def test_a_relay_cannot_change_the_shown_state(
    home: HomeUnderTest,
    near: NearVehicle,
    watching_entry: MockConfigEntry,
    *,
    seed: int,
    status: bool,
    data: bool,
) -> None:
    """Exception: an injected unsealed answer where a computer seals none."""
    print(f"seed: {seed}")
    dice, car = Random(seed), near.car
    computers = home.simulator.computers["Ada"]
    computers.seals_status, computers.seals_infotainment = status, data
    entry = await home.set_up_operational(with_paired_vehicle(watching_entry, car))
    lock = lock_of(home, entry)
    limit = limit_of(home, entry)
    assert home.states()[limit] == f"{car.charge_limit:.0f}"
    adversary = Adversary(
        computers,
        car,
        dice,
        home.clock.time,
        forges_status=status,
        forges_data=data,
    )
    home.simulator.bluetooth.relays["Ada"] = adversary
    # Lock states of the car and their times.
    was: list[tuple[float, bool]] = [(0.0, car.locked)]
    wrong: list[str] = []
    limits: set[str] = set()
    last_shown = [home.states()[lock]]
    ended: Counter[str] = Counter()
    pressed: Counter[str] = Counter()
    executed = Counter(car.executed)

    def note() -> None:
        if was[-1][1] is not car.locked:
            was.append((home.clock.monotonic(), car.locked))

    def held_lately(value: bool) -> bool:
        note()
        since = home.clock.monotonic() - LONGEST
        ends = [*(at for at, _ in was[1:]), float("inf")]
        return any(
            held is value and end >= since
            for (_, held), end in zip(was, ends, strict=True)
        )

    @callback
    def shown(event: Event[EventStateChangedData]) -> None:
        state = event.data["new_state"]
        if event.data["entity_id"] == limit and state is not None:
            limits.add(state.state)
        if event.data["entity_id"] != lock or state is None:
            return
        if state.state not in SHOWN or state.state == last_shown[-1]:
            # After a failed command the previous state is shown again.
            return
        last_shown.append(state.state)
        if not held_lately(SHOWN[state.state]):
            wrong.append(f"shown {state.state}")

    unsub = home.hass.bus.async_listen(EVENT_STATE_CHANGED, shown)
    changed = car.on_change

    def on_change() -> None:
        note()
        changed()

    car.on_change = on_change
    for number in range(STEPS):
        if dice.random() < 0.2:
            # Someone uses a phone.
            car.locked = not car.locked
            note()
        else:
            act = dice.choice(("lock", "unlock"))
            pressed[act] += 1
            error = await home.perform(act, lock)
            note()
            if error is None and car.locked is not WANTED[act]:
                wrong.append(f"{number}: {act} is said to be done")
            if error is not None:
                assert_explained(error)
            ended["done" if error is None else str(error.translation_key)] += 1
        await home.run(dice.choice((1, 5, 90, 240)))
    unsub()
    print(ended, adversary.attacks)
    assert wrong == []
    # Nothing changes the car, whatever the relay sends.
    assert limits <= {f"{car.charge_limit:.0f}", STATE_UNKNOWN}
    assert home.states()[limit] == f"{car.charge_limit:.0f}"
    for act, command in (("lock", "door_lock"), ("unlock", "door_unlock")):
        assert car.executed[command] - executed[command] <= pressed[act]
    # The relay attacked, and did not succeed every time.
    assert len(adversary.attacks) == 10
    assert ended["done"]
    assert len(ended) > 1
