"""Invariant "proven over Bluetooth": a device that is not the car is not believed."""

from collections.abc import AsyncIterator, Callable

import pytest

from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator import Simulator
from simulator.cars import Car
from simulator.radio import Stranger, Weather, broadcaster, denier, impostor

from .local import Near, bring_near, paired
from .story import Story, assert_explained, status_of
from .test_local import lock_of
from .test_repairs import repairs

type Kind = Callable[[Car, Callable[[], float]], Stranger]

STRANGERS: dict[str, Kind] = {
    "broadcasts": broadcaster,
    "own key pair": impostor,
    "not on the list": denier,
}


@pytest.fixture
async def near(
    hass: HomeAssistant,
    enable_bluetooth: None,
    simulator: Simulator,
    story: Story,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Near]:
    # When something was heard is of the story's time, too.
    for name in (
        "custom_components.keycard.radio.MONOTONIC_TIME",
        "script.stage.proxy.monotonic_time_coarse",
    ):
        monkeypatch.setattr(name, story.clock.monotonic)
    simulator.air.set_weather(Weather(latency=0.0, connect=0.0))
    near = await bring_near(hass, simulator)
    near.proxy.patience = 5.0
    yield near
    near.proxy.remove()


async def replace_car(story: Story, near: Near, kind: Kind) -> Stranger:
    """Let the open car leave; a stranger that claims to be locked takes its place."""
    near.car.locked = False
    stranger = kind(near.car, story.clock.time)
    stranger.car.locked = True
    story.simulator.set("car.Ada", "gone")
    await story.go(130)
    story.simulator.air.place(stranger)
    return stranger


@pytest.mark.parametrize("kind", STRANGERS.values(), ids=STRANGERS)
async def test_a_stranger_changes_no_state_and_confirms_no_command(
    story: Story, near: Near, watching_entry: MockConfigEntry, kind: Kind
) -> None:
    near.car.locked = False
    entry = await story.settled(paired(watching_entry, near.car))
    lock = lock_of(story, entry)
    assert story.states()[lock] == "unlocked"
    stranger = await replace_car(story, near, kind)
    for _ in range(3):
        await story.go(130)
        assert story.states()[lock] in {"unlocked", "unknown"}
        error = await story.act("lock", lock)
        assert error is not None
        assert_explained(error)
        assert story.states()[lock] in {"unlocked", "unknown"}
    assert stranger.car.executed["door_lock"] == 0


@pytest.mark.parametrize("kind", STRANGERS.values(), ids=STRANGERS)
async def test_a_stranger_leaves_the_lock_to_the_cloud(
    story: Story, near: Near, compatible_entry: MockConfigEntry, kind: Kind
) -> None:
    """Bluetooth comes first while the cloud works, too."""
    entry = await story.settled(paired(compatible_entry, near.car))
    assert status_of(entry) == "operational"
    await replace_car(story, near, kind)
    await story.go(10)
    assert await story.act("lock") is None
    assert near.car.locked
    assert near.car.executed["door_lock"] == 1
    assert story.simulator.calls.count("door_lock") == 1


async def test_one_word_of_a_stranger_does_not_end_bluetooth(
    story: Story, near: Near, watching_entry: MockConfigEntry
) -> None:
    """That the key is not listed cannot be sealed: it ends the attempt, no more."""
    entry = await story.settled(paired(watching_entry, near.car))
    await replace_car(story, near, denier)
    error = await story.act("lock", lock_of(story, entry))
    assert error is not None
    assert error.translation_key == "bluetooth_key_not_paired"
    assert repairs(story) == {}
    story.simulator.air.strangers.clear()
    story.simulator.set("car.Ada", "near")
    await story.go(130)
    assert await story.act("lock", lock_of(story, entry)) is None
    assert near.car.locked
