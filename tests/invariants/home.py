"""A Home Assistant with a movable clock, and checks of invariants."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
import json
import logging
import re
from typing import Any

import pytest

from homeassistant.config_entries import SOURCE_REAUTH
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import Event, EventStateChangedData, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.const import DOMAIN
from harness.clock import OffsetClock
from harness.time_control import TimeControl
from simulator import Simulator
from tests.repository_files import KEYCARD

LOCK = "lock.ada_lock"

# Step of `HomeUnderTest.skip`: shorter than the evidence of a call counts.
SKIP_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class HomeUnderTest:
    """A Home Assistant and a simulated cloud with a common clock."""

    hass: HomeAssistant
    simulator: Simulator
    clock: OffsetClock
    time_control: TimeControl

    async def run(self, seconds: float) -> None:
        """Let a number of seconds pass."""
        await self.time_control.run_until(self.clock.monotonic() + seconds)

    async def skip(self, seconds: float) -> None:
        """Let hours pass whose single minutes do not matter.

        Each timer expires at most once in a step, which is much faster than `run`.
        """
        end = self.clock.monotonic() + seconds
        await self.time_control.settle()
        while (left := end - self.clock.monotonic()) > 0:
            await self.time_control.pass_time(min(left, SKIP_SECONDS))
            await self.time_control.settle()

    async def until(self, holds: Callable[[], bool], within: float) -> float:
        """Let time pass until a condition holds, and return the seconds it took."""
        seconds = await self.time_control.advance_until(holds, within)
        assert seconds is not None, "the condition never held"
        return seconds

    async def run_task[T](
        self, coroutine: Coroutine[Any, Any, T], within: float = 120.0
    ) -> T:
        """Let time pass until a coroutine is done."""
        return await self.time_control.run_task(asyncio.create_task(coroutine), within)

    async def set_up(self, entry: MockConfigEntry) -> MockConfigEntry:
        """Set up an entry without letting time pass."""
        if self.hass.config_entries.async_get_entry(entry.entry_id) is None:
            entry.add_to_hass(self.hass)
        assert await self.hass.config_entries.async_setup(entry.entry_id)
        return entry

    async def set_up_operational(self, entry: MockConfigEntry) -> MockConfigEntry:
        """Set up an entry and wait until it is operational."""
        await self.set_up(entry)
        await self.run(125)
        assert status_of(entry) == "operational"
        return entry

    async def restart(self, entry: MockConfigEntry) -> None:
        """Unload an entry and set it up again."""
        assert await self.hass.config_entries.async_unload(entry.entry_id)
        await self.set_up(entry)

    async def perform(
        self, action: str, entity_id: str = LOCK, **data: object
    ) -> HomeAssistantError | None:
        """Perform an action and return its error, None without one."""
        domain = entity_id.partition(".")[0]
        try:
            await self.run_task(
                self.hass.services.async_call(
                    domain, action, {"entity_id": entity_id, **data}, blocking=True
                )
            )
        except HomeAssistantError as err:
            return err
        return None

    def states(self) -> dict[str, str]:
        """Return the state of each of Keycard's entities."""
        return {
            entity_id: state.state
            for entity_id in entity_ids(self.hass)
            if (state := self.hass.states.get(entity_id)) is not None
        }

    def reauths(self) -> int:
        """Return the number of reauth flows."""
        flows = self.hass.config_entries.flow.async_progress_by_handler(DOMAIN)
        return sum(flow["context"]["source"] == SOURCE_REAUTH for flow in flows)


def entity_ids(hass: HomeAssistant) -> list[str]:
    """Return the ids of Keycard's enabled entities."""
    return [
        entity.entity_id
        for entity in er.async_get(hass).entities.values()
        if entity.platform == DOMAIN and entity.disabled_by is None
    ]


def status_of(entry: MockConfigEntry) -> str:
    """Return the status of an entry's assessment."""
    return str(entry.runtime_data.detector.assessment.status)


def assert_available(home: HomeUnderTest) -> None:
    """Check that every entity exists and is available."""
    states = home.states()
    assert set(states) == set(entity_ids(home.hass))
    assert [one for one, state in states.items() if state == STATE_UNAVAILABLE] == []


def assert_no_errors(caplog: pytest.LogCaptureFixture) -> None:
    """Check that no error was logged, and no warning twice."""
    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    errors = [
        record.getMessage()
        for record in records
        if record.levelno >= logging.ERROR or record.exc_info
    ]
    assert errors == []
    warnings = [(record.name, record.getMessage()) for record in records]
    assert len(warnings) == len(set(warnings)), warnings


def assert_explained(error: HomeAssistantError) -> None:
    """Check that an error is translated, with all placeholders of its text."""
    assert error.translation_domain == DOMAIN
    texts = json.loads((KEYCARD / "translations" / "en.json").read_text())
    text = texts["exceptions"][error.translation_key]["message"]
    assert set(re.findall(r"{(\w+)}", text)) <= set(
        error.translation_placeholders or {}
    )


def states_of(events: list[Event[EventStateChangedData]], entity_id: str) -> list[str]:
    """Return the states of an entity in the order of their events."""
    return [
        event.data["new_state"].state
        for event in events
        if event.data["entity_id"] == entity_id and event.data["new_state"] is not None
    ]
