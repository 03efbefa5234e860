"""Receivers of notifications and their settings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any, Self

from ..const import (
    CONF_ALL_CLEAR,
    CONF_BREAKS,
    CONF_KIND,
    CONF_PERSON,
    CONF_QUIET,
    CONF_QUIET_FROM,
    CONF_QUIET_TO,
    CONF_REMINDER,
    CONF_TARGET,
    CONF_WAIT,
    CONF_WARNINGS,
    CONF_WHEN,
)
from ..vehicle.urgent_conditions import UrgentCondition

_DAY = timedelta(days=1)


class ReceiverKind(StrEnum):
    """Kind of a receiver."""

    PHONE = "phone"
    ENTITY = "entity"
    BELL = "bell"


class When(StrEnum):
    """When a receiver is notified of an outage."""

    AT_ONCE = "at_once"
    LEAVING = "leaving"


@dataclass(frozen=True, kw_only=True)
class QuietHours:
    """Daily quiet hours in local time."""

    begin: time
    end: time

    def left(self, local: datetime) -> timedelta:
        """Return the remaining time at a local time, zero outside of quiet hours."""
        elapsed = (_since_midnight(local.time()) - _since_midnight(self.begin)) % _DAY
        length = (_since_midnight(self.end) - _since_midnight(self.begin)) % _DAY
        return max(length - elapsed, timedelta())


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of the notifications of one or several entries.

    Of several quiet hours, all must be on to hold a notice back.
    """

    wait: timedelta = timedelta()
    reminder: timedelta = timedelta()
    """Time between reminders, zero for none."""

    quiet: tuple[QuietHours, ...] = ()
    breaks_quiet: frozenset[UrgentCondition] = frozenset(UrgentCondition)
    warnings: bool = True
    all_clear: bool = True

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Return the settings of an entry."""
        quiet: tuple[QuietHours, ...] = ()
        if options.get(CONF_QUIET, False):
            begin = time.fromisoformat(options[CONF_QUIET_FROM])
            end = time.fromisoformat(options[CONF_QUIET_TO])
            quiet = (QuietHours(begin=begin, end=end),)
        names = options.get(CONF_BREAKS, [one.value for one in UrgentCondition])
        return cls(
            wait=timedelta(minutes=options.get(CONF_WAIT, 0)),
            reminder=timedelta(minutes=options.get(CONF_REMINDER, 0)),
            quiet=quiet,
            breaks_quiet=frozenset(map(UrgentCondition, names)),
            warnings=options.get(CONF_WARNINGS, True),
            all_clear=options.get(CONF_ALL_CLEAR, True),
        )

    def quiet_left(self, local: datetime) -> timedelta:
        """Return the remaining quiet time at a local time."""
        return min((hours.left(local) for hours in self.quiet), default=timedelta())


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """A receiver of notifications.

    `target` is the ID of a device or of an entity, `person` that of a person's entity.
    """

    kind: ReceiverKind
    target: str = ""
    person: str | None = None
    when: When = When.AT_ONCE
    name: str = ""

    @classmethod
    def from_data(cls, data: Mapping[str, Any], name: str) -> Self:
        """Return the receiver of a subentry."""
        return cls(
            kind=ReceiverKind(data[CONF_KIND]),
            target=data.get(CONF_TARGET, ""),
            person=data.get(CONF_PERSON),
            when=When(data.get(CONF_WHEN, When.AT_ONCE)),
            name=name,
        )

    @classmethod
    def from_id(cls, receiver_id: str) -> Self:
        """Return the receiver with an ID."""
        kind, _, target = receiver_id.partition(":")
        return cls(kind=ReceiverKind(kind), target=target)

    @property
    def id(self) -> str:
        """Return the ID, which is the same in every entry."""
        return f"{self.kind}:{self.target}" if self.target else str(self.kind)

    @property
    def limit_id(self) -> str:
        """Return the ID under which notifications count for the daily limit."""
        return self.person or self.id

    def as_data(self) -> dict[str, Any]:
        """Return the data of its subentry."""
        data: dict[str, Any] = {CONF_KIND: self.kind.value}
        if self.target:
            data |= {CONF_TARGET: self.target, CONF_WHEN: self.when.value}
        return data | ({CONF_PERSON: self.person} if self.person else {})


@dataclass(frozen=True, kw_only=True)
class ReceiverSettings:
    """Receiver with the settings that apply to it."""

    receiver: Receiver
    settings: Settings


@dataclass(frozen=True, kw_only=True)
class EntryReceivers:
    """Receivers of an entry and their settings."""

    settings: Settings
    receivers: tuple[Receiver, ...]


def merge_receivers(entries: Iterable[EntryReceivers]) -> list[ReceiverSettings]:
    """Return each receiver once, with the settings that notify earliest."""
    merged: dict[str, ReceiverSettings] = {}
    for entry in entries:
        for receiver in entry.receivers:
            known = merged.get(receiver.id)
            merged[receiver.id] = ReceiverSettings(
                receiver=receiver if known is None else _sooner(known, receiver),
                settings=entry.settings
                if known is None
                else _merge_settings(known.settings, entry.settings),
            )
    return list(merged.values())


def _sooner(known: ReceiverSettings, other: Receiver) -> Receiver:
    if known.receiver.when is When.AT_ONCE or other.when is When.LEAVING:
        return known.receiver
    return other


def _merge_settings(one: Settings, other: Settings) -> Settings:
    reminders = [found.reminder for found in (one, other) if found.reminder]
    return Settings(
        wait=min(one.wait, other.wait),
        reminder=min(reminders, default=timedelta()),
        quiet=one.quiet + other.quiet if one.quiet and other.quiet else (),
        breaks_quiet=one.breaks_quiet | other.breaks_quiet,
        warnings=one.warnings or other.warnings,
        all_clear=one.all_clear or other.all_clear,
    )


def _since_midnight(at: time) -> timedelta:
    return timedelta(hours=at.hour, minutes=at.minute, seconds=at.second)
