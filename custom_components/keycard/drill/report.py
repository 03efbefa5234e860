"""Readiness report of a drill."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from homeassistant.util import dt as dt_util

from ..notifications.markdown import escape_markdown
from ..notifications.text import Translations
from ..vehicle.keys import KeyPlace, PhysicalKey


@dataclass(frozen=True, kw_only=True)
class AutomationResult:
    """Automation that a drill triggered, or could have."""

    entity_id: str
    name: str
    triggered: bool
    disabled: bool


@dataclass(frozen=True, kw_only=True)
class NotificationResult:
    """Automations and message receivers of a drill."""

    automations: tuple[AutomationResult, ...] = ()
    receivers: tuple[str, ...] = ()
    enabled: bool = True
    """Keycard notifies its receivers without an automation."""

    sent: tuple[str, ...] = ()
    """Receivers of Keycard's own notification, which may not have arrived."""

    received: tuple[str, ...] = ()
    """Receivers of which the app has confirmed the arrival."""

    failed: tuple[str, ...] = ()
    """Receivers to which no notification could be handed over."""

    acknowledged: tuple[str, ...] = ()
    """Receivers on which *Got it* was pressed."""

    persons_without_phone: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class VehicleReadiness:
    """Keys of a vehicle; `key_tried` is in UTC."""

    name: str
    key: PhysicalKey
    key_configured: bool
    """Whether the user configured the key."""

    key_tried: datetime | None
    pin_to_drive: bool | None
    """Whether the vehicle requires a PIN, None if unknown."""

    bluetooth: bool | None
    """Whether Bluetooth can be used now, None without a Bluetooth key."""

    takes_bluetooth_key: bool = True
    key_place: KeyPlace | None = None
    """Place of the key, None if unknown."""


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """Readiness for an outage."""

    notifications: NotificationResult
    vehicles: tuple[VehicleReadiness, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the report for an action response and a sensor attribute."""
        return {
            "automations": [
                {
                    "entity_id": automation.entity_id,
                    "name": automation.name,
                    "ran": automation.triggered,
                    "on": not automation.disabled,
                }
                for automation in self.notifications.automations
            ],
            "receivers": list(self.notifications.receivers),
            "sent": list(self.notifications.sent),
            "received": list(self.notifications.received),
            "failed": list(self.notifications.failed),
            "got_it": list(self.notifications.acknowledged),
            "without_phone": list(self.notifications.persons_without_phone),
            "cars": [
                {
                    "name": vehicle.name,
                    "key": vehicle.key.value,
                    "key_named_by_owner": vehicle.key_configured,
                    "key_place": vehicle.key_place and vehicle.key_place.value,
                    "key_tried": vehicle.key_tried and vehicle.key_tried.isoformat(),
                    "pin_to_drive": vehicle.pin_to_drive,
                    "bluetooth": vehicle.bluetooth,
                }
                for vehicle in self.vehicles
            ],
        }

    def as_markdown(self, translations: Translations) -> str:
        """Return the report as Markdown."""
        lines = [*_notification_lines(translations, self.notifications)]
        sections = [_section(translations.format("ready_told"), lines)]
        sections += [
            _section(
                escape_markdown(vehicle.name), _vehicle_lines(translations, vehicle)
            )
            for vehicle in self.vehicles
        ]
        return "\n\n".join(sections)


def _section(heading: str, lines: Iterable[str]) -> str:
    return "\n".join([f"**{heading}**", "", *(f"- {line}" for line in lines)])


def _notification_lines(
    translations: Translations, results: NotificationResult
) -> Iterator[str]:
    for automation in results.automations:
        name = escape_markdown(automation.name)
        if automation.triggered:
            yield translations.format("ready_ran", name=name)
        elif automation.disabled:
            yield translations.format("ready_off", name=name)
        else:
            yield translations.format("ready_did_not_run", name=name)
    for key, names in (
        ("ready_receivers", results.sent),
        ("ready_received", results.received),
        ("ready_failed", results.failed),
        ("ready_pressed", results.acknowledged),
    ):
        if names:
            yield translations.format(key, receivers=_row(names))
    if not results.enabled:
        yield translations.format("ready_disabled")
    elif not (results.automations or results.sent or results.failed):
        yield translations.format("ready_no_automation")
    if names := results.persons_without_phone:
        yield translations.format("ready_no_phone", persons=_row(names))
    if results.receivers:
        receivers = _row(results.receivers)
        yield translations.format("ready_sent", receivers=receivers)
    elif results.automations and not results.sent:
        yield translations.format("ready_not_sent")


def _row(names: Iterable[str]) -> str:
    return ", ".join(map(escape_markdown, names))


def _vehicle_lines(
    translations: Translations, vehicle: VehicleReadiness
) -> Iterator[str]:
    key = translations.format(f"ready_key_{vehicle.key}")
    yield translations.format(
        "ready_key_named" if vehicle.key_configured else "ready_key_guessed", key=key
    )
    yield translations.format(f"ready_place_{vehicle.key_place or 'unknown'}", key=key)
    if vehicle.key_tried is None:
        yield translations.format("ready_never_tried", key=key)
    else:
        day = dt_util.as_local(vehicle.key_tried)
        yield translations.format("ready_tried", key=key, day=f"{day:%Y-%m-%d}")
    if vehicle.pin_to_drive is not None:
        pin = "ready_pin_on" if vehicle.pin_to_drive else "ready_pin_off"
        yield translations.format(pin, key=key)
    if vehicle.takes_bluetooth_key:
        yield translations.format(_BLUETOOTH_KEYS[vehicle.bluetooth])


_BLUETOOTH_KEYS = {
    None: "ready_bluetooth_none",
    True: "ready_bluetooth_near",
    False: "ready_bluetooth_away",
}
