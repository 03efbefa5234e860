"""Report of vehicles that an automation locked, or why it did not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.translation import async_get_translations

from ..const import DOMAIN
from ..runtime.lock_up import LockUpOutcome, LockUpResult
from ..vehicle.lock_up import LockUpDecision
from .text import Translations, async_load_translations

_LOCKED = frozenset({LockUpOutcome.LOCKED, LockUpOutcome.ALREADY_LOCKED})


@dataclass(frozen=True, kw_only=True)
class LockUpVehicle:
    """Vehicle of a report; `device_id` is None before it is registered."""

    name: str
    device_id: str | None
    result: LockUpResult

    @property
    def locked(self) -> bool:
        """Return whether the vehicle is known to be locked."""
        return self.result.outcome in _LOCKED

    @property
    def rehearsed(self) -> bool:
        """Return whether it was skipped because of a drill."""
        return self.result.decision is LockUpDecision.DRILL


@dataclass(frozen=True, kw_only=True)
class LockUpReport:
    """Report on locking each vehicle."""

    vehicles: Sequence[LockUpVehicle]
    translations: Translations
    errors: Mapping[str, str]
    """Translated messages of errors, by their key."""

    @classmethod
    async def async_create(
        cls, hass: HomeAssistant, vehicles: Sequence[LockUpVehicle]
    ) -> Self:
        """Create a report in the language of Home Assistant."""
        errors = await async_get_translations(
            hass, hass.config.language, "exceptions", [DOMAIN]
        )
        return cls(
            vehicles=vehicles,
            translations=await async_load_translations(hass),
            errors=errors,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the report for an action response."""
        texts = [self._text(vehicle) for vehicle in self.vehicles]
        return {
            "title": self._title(),
            "text": "\n".join(texts),
            "cars": [
                {
                    "name": vehicle.name,
                    "device_id": vehicle.device_id,
                    "result": vehicle.result.outcome.value,
                    "reason": _reason(vehicle.result),
                    "text": text,
                }
                for vehicle, text in zip(self.vehicles, texts, strict=True)
            ],
        }

    def _title(self) -> str:
        key = "locked" if all(one.locked for one in self.vehicles) else "check"
        title = self.translations.format(f"lock_up_title_{key}")
        if any(one.rehearsed for one in self.vehicles):
            return self.translations.format("drill_title", title=title)
        return title

    def _text(self, vehicle: LockUpVehicle) -> str:
        result = vehicle.result
        if result.error is not None:
            return self._error_text(result.error)
        key = _reason(result) or result.outcome.value
        return self.translations.format(f"lock_up_{key}", car=vehicle.name)

    def _error_text(self, error: HomeAssistantError) -> str:
        key = f"component.{DOMAIN}.exceptions.{error.translation_key}.message"
        if (text := self.errors.get(key)) is None:
            return str(error)
        return text.format(**(error.translation_placeholders or {}))


def not_locked(vehicles: Iterable[LockUpVehicle]) -> list[str]:
    """Return the names of vehicles that may be unlocked, except in a drill."""
    return [one.name for one in vehicles if not one.locked and not one.rehearsed]


def _reason(result: LockUpResult) -> str | None:
    """Return why a vehicle was not locked, None if it is locked."""
    if result.error is not None:
        return result.error.translation_key
    if result.outcome is LockUpOutcome.NOT_LOCKED:
        return result.decision.value
    return None
