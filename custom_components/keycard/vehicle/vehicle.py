"""A vehicle: its state, how long that counts as current, and its keys."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from .commands import CHARGING_STATES, COMMANDS, Command
from .computer_keys import ComputerKeys, ComputerTrust
from .freshness import is_recent
from .keys import UNKNOWN_MODEL, KeyPlace, PhysicalKey, decode_vin, default_key
from .parsing import JsonObject, parse_datetime, parse_names, parse_text, parse_year
from .state import (
    ASLEEP,
    FIELDS,
    PERSISTENT_FIELDS,
    ConnectivityState,
    Transport,
    VehicleState,
    data_time,
    has_data,
    parse_model,
    summary_values,
    unwrap_response,
)

# Data taken less than this before a command do not show its effect yet.
_COMMAND_LAG = timedelta(minutes=2)

_MIN_DATETIME = datetime.min.replace(tzinfo=UTC)

# A vehicle's clock may be ahead by so much.
_MAX_CLOCK_SKEW = timedelta(minutes=15)


@dataclass(kw_only=True)
class Vehicle:
    """A vehicle of the user; all times are UTC.

    `id` is the VIN, or an ID chosen by Keycard for a vehicle without an account.
    """

    id: str
    name: str
    model: str = UNKNOWN_MODEL
    year: int | None = None
    device_name: str | None = None
    """Name of the device, None if it is the vehicle's own name."""

    label: str | None = None
    """Name that the user sees, distinct from those of other vehicles."""

    configured_key: PhysicalKey | None = None
    """Key chosen by the user, None if it follows from the VIN."""

    key_place: KeyPlace | None = None
    """Place of the card or fob, None if not configured."""

    state: VehicleState | None = None
    confirmed_at: datetime | None = None
    """When the cloud last confirmed the state."""

    restored: bool = False
    """Whether the state was restored from storage."""

    unpaired: bool = False
    """Whether the vehicle lacks the key that signs its commands."""

    trust: ComputerTrust = field(default_factory=ComputerTrust, compare=False)
    """Which Bluetooth devices are trusted to be the vehicle."""

    mobile_access_disabled: bool = False
    """Whether the account's product list reports mobile access as disabled."""

    low_charge_amps: int | None = None
    """Charging current below 5 A, for which the vehicle reports a setting of 5 A."""

    pending_changes: dict[object, frozenset[str]] = field(
        default_factory=dict, init=False
    )
    """Fields that commands under way change, by command."""

    _uncertain: dict[str, datetime] = field(default_factory=dict, init=False)
    """When a command with an unknown result may have changed a field."""

    _commanded_values: dict[str, tuple[datetime, object]] = field(
        default_factory=dict, init=False
    )
    """When a command changed a field, and the value it set."""

    _bluetooth_updated: dict[str, datetime] = field(default_factory=dict, init=False)
    """When a field was last received over Bluetooth."""

    _confirmed: dict[str, datetime] = field(default_factory=dict, init=False)
    """When a field was last confirmed other than by data from the cloud."""

    _stored_state: tuple[VehicleState | None, dict[str, object] | None] = field(
        default=(None, None), init=False, compare=False
    )
    """The state that was last converted to JSON, and that JSON."""

    _summarized: tuple[VehicleState, tuple[object, ...]] | None = field(
        default=None, init=False, compare=False
    )
    """The state that was updated from the last summary, and the values of that."""

    _connectivity_at: datetime | None = field(default=None, init=False)
    """When the cloud last reported the connectivity state."""

    _updated_at: datetime | None = field(default=None, init=False, compare=False)
    """Time of the last update, by the system clock."""

    @classmethod
    def from_vin(
        cls,
        vin: str,
        *,
        name: str | None = None,
        configured_key: PhysicalKey | None = None,
    ) -> Self:
        """Create a vehicle of which only the VIN is known."""
        model, year = decode_vin(vin)
        return cls(
            id=vin,
            name=name or vin,
            model=model,
            year=year,
            configured_key=configured_key,
        )

    @property
    def title(self) -> str:
        """Return the name that the user sees."""
        return self.label or self.name

    def set_label(self, label: str) -> None:
        """Set the name that the user sees."""
        self.label = label

    def update_pairing(self, *, paired: bool) -> None:
        """Update whether the vehicle has the key that signs commands."""
        self.unpaired = not paired

    @property
    def has_name(self) -> bool:
        """Return whether the vehicle reports a name."""
        return self.state is not None and self.state.name is not None

    @property
    def physical_key(self) -> PhysicalKey:
        """Return the key to take for this vehicle."""
        return self.configured_key or default_key(self.model, self.year, self.id)

    @property
    def online(self) -> bool:
        """Return whether the vehicle was online when last reported."""
        return (
            self.state is not None and self.state.presence is ConnectivityState.ONLINE
        )

    @property
    def needs_signing(self) -> bool:
        """Return whether the vehicle accepts only signed commands."""
        return self.state is not None and self.state.needs_signing is True

    @property
    def data_at(self) -> datetime | None:
        """Return the vehicle's own timestamp of its data, None without data."""
        return self.state.data_at if self.state else None

    def data_age(self, utcnow: datetime) -> float | None:
        """Return the age of the data in seconds, None without data."""
        return None if self.data_at is None else (utcnow - self.data_at).total_seconds()

    def is_current(self, utcnow: datetime) -> bool:
        """Return whether the whole state counts as current."""
        return is_recent(self.confirmed_at, utcnow)

    def fresh_fields(self, utcnow: datetime) -> frozenset[str]:
        """Return the fields that are current even if the whole state is not.

        Bluetooth, an executed command or a vehicle summary confirmed them.
        """
        return frozenset(
            name for name, at in self._confirmed.items() if is_recent(at, utcnow)
        )

    def confirmation_age(
        self, names: Iterable[str], utcnow: datetime
    ) -> timedelta | None:
        """Return how long ago the last of some fields was confirmed, None if never."""
        ages: list[timedelta] = []
        for name in names:
            times = [at for at in (self._confirmed.get(name), self._cloud_time()) if at]
            if not times:
                return None
            ages.append(abs(utcnow - max(times)))
        return max(ages, default=None)

    def _cloud_time(self) -> datetime | None:
        """Return for when the cloud last confirmed the state.

        A cache may return the data later than the vehicle sent them; only sleep
        confirms them again.
        """
        if self.confirmed_at is None or self.data_at is None:
            return self.confirmed_at
        if self.state is not None and self.state.presence is ConnectivityState.ASLEEP:
            return self.confirmed_at
        return min(self.confirmed_at, self.data_at)

    def is_connectivity_known(self, utcnow: datetime) -> bool:
        """Return whether the connectivity state is current."""
        return is_recent(
            self._connectivity_at, utcnow
        ) or "presence" in self.fresh_fields(utcnow)

    @property
    def _last_bluetooth_update(self) -> datetime | None:
        return max(self._bluetooth_updated.values(), default=None)

    @property
    def last_contact(self) -> datetime | None:
        """Return when the vehicle last reported something, over any transport."""
        times = (self._last_bluetooth_update, self.data_at)
        return max((at for at in times if at is not None), default=None)

    @property
    def data_source(self) -> Transport | None:
        """Return the transport of the last report."""
        bluetooth_at = self._last_bluetooth_update
        if bluetooth_at is None:
            return None if self.data_at is None else Transport.CLOUD
        return (
            Transport.BLUETOOTH
            if self.last_contact == bluetooth_at
            else Transport.CLOUD
        )

    def is_stale(self, json: JsonObject) -> bool:
        """Return whether an online vehicle's data are no newer than before."""
        previous = self.data_at
        data_at = data_time(json)
        if previous is None or data_at is None or data_at > previous:
            return False
        return unwrap_response(json).get("state") == ConnectivityState.ONLINE.value

    def apply_data(self, json: JsonObject, utcnow: datetime) -> bool:
        """Update from a `vehicle_data` response; return whether it was newer."""
        if not has_data(json) or not self._is_same_vehicle(unwrap_response(json)):
            return False
        self._follow_clock(utcnow)
        fresh = VehicleState.from_data(json)
        data_at = fresh.data_at
        if data_at is not None and data_at > utcnow + _MAX_CLOCK_SKEW:
            data_at = None
        previous = self.state
        if not _is_newer(data_at, previous):
            self.apply_summary(json, utcnow)
            return False
        self._connectivity_at = utcnow
        values: dict[str, Any] = {"vin": self.id, "data_at": data_at}
        if previous is not None:
            values |= {
                name: getattr(previous, name)
                for name in PERSISTENT_FIELDS
                if getattr(fresh, name) is None
            }
        values |= self._commanded_values_since(data_at)
        values |= self._bluetooth_values_since(data_at)
        fresh = self._with_low_charge_amps(fresh)
        self._mark_certain(self._reported_again(data_at))
        values |= dict.fromkeys(self._uncertain)
        fresh = fresh.with_values(values)
        self.state, self.restored = fresh, False
        taken_at = fresh.data_at or utcnow
        # A cache may return old data.
        self.confirmed_at = utcnow if is_recent(taken_at, utcnow) else taken_at
        self._apply_sleep(utcnow)
        self._update_name_and_model(fresh)
        return True

    def apply_summary(self, json: JsonObject, utcnow: datetime) -> None:
        """Update from a `vehicle` response or an entry of a `products` response."""
        summary = unwrap_response(json)
        if "state" not in summary or not self._is_same_vehicle(summary):
            return
        self._follow_clock(utcnow)
        state = self._state_or_empty()
        reported = summary_values(summary)
        if (state, reported) != self._summarized:
            state = state.with_summary(json)
            self._summarized = state, reported
        self.state = state
        self._connectivity_at = utcnow
        self._apply_sleep(utcnow)
        self._update_name_and_model(state)

    def apply_product(self, json: JsonObject, utcnow: datetime) -> bool:
        """Update from the vehicle's entry in the product list of the account.

        Return whether anything changed, or is current again.
        """
        was_known = self.is_connectivity_known(utcnow)
        before = self.state, self.mobile_access_disabled
        self.apply_summary(json, utcnow)
        self.mobile_access_disabled = json.get("mobile_access_disabled") is True
        return not was_known or before != (self.state, self.mobile_access_disabled)

    def apply_bluetooth(
        self, values: Mapping[str, Any], data_at: datetime | None, utcnow: datetime
    ) -> None:
        """Update fields that were received over Bluetooth.

        `data_at` is the vehicle's own timestamp, None for a status without data.
        """
        if not values:
            return
        self._follow_clock(utcnow)
        previous = self._state_or_empty()
        self._mark_certain(values)
        self.state = self._with_low_charge_amps(previous.with_values(values))
        self._bluetooth_updated |= dict.fromkeys(values, utcnow)
        self._confirmed |= dict.fromkeys(values, utcnow)
        if data_at is not None and (
            previous.data_at is None or data_at > previous.data_at
        ):
            at = min(data_at, utcnow + _MAX_CLOCK_SKEW)
            self.state = self.state.with_values({"data_at": at})
        if "presence" in values:
            self._confirm_sleep(utcnow)
        self._update_name_and_model(self.state)

    def has_charged_with(self, amps: int, since: datetime) -> bool:
        """Return whether a measured charging current equals `amps` since a time."""
        reported = (self._bluetooth_updated.get("charger_current"), self.data_at)
        if self.state is None or not any(
            at is not None and at > since for at in reported
        ):
            return False
        current = self.state.charger_current
        charging = self.state.charging_state in CHARGING_STATES
        return charging and current is not None and round(current) == amps

    def set_low_charge_amps(self, amps: int) -> None:
        """Show a charging current below 5 A for as long as it is measured."""
        self.low_charge_amps = amps
        self.state = self._with_low_charge_amps(self._state_or_empty())

    def _with_low_charge_amps(self, state: VehicleState) -> VehicleState:
        if self.low_charge_amps is None:
            return state
        current = state.charger_current
        charging = state.charging_state in CHARGING_STATES
        if not charging or current is None or round(current) > self.low_charge_amps:
            # Charging has ended or restarted, or the current was set in the vehicle.
            self.low_charge_amps = None
            return state
        return state.with_values({"charge_amps": self.low_charge_amps})

    def changed_fields(
        self, command: Command, params: Mapping[str, object]
    ) -> frozenset[str]:
        """Return the names of the fields that a command changes."""
        return frozenset(COMMANDS[command].effect(params, self._state_or_empty()))

    def shows_effect(self, command: Command, params: Mapping[str, object]) -> bool:
        """Return whether the state is as after a command."""
        state = self._state_or_empty()
        return state.has_values(COMMANDS[command].effect(params, state))

    @property
    def uncertain_fields(self) -> frozenset[str]:
        """Return the fields that are unknown until the vehicle reports them."""
        return frozenset(self._uncertain)

    def mark_uncertain(self, names: Iterable[str], utcnow: datetime) -> None:
        """Make fields unknown that a command may have changed."""
        self._follow_clock(utcnow)
        self._mark_uncertain(names, utcnow)

    def _mark_uncertain(self, names: Iterable[str], since: datetime) -> None:
        self._uncertain |= dict.fromkeys(names, since)
        if not self._uncertain:
            return
        unknown = dict.fromkeys(self._uncertain)
        self.state = self._state_or_empty().with_values(unknown)

    def apply_command(
        self, command: Command, params: Mapping[str, object], utcnow: datetime
    ) -> None:
        """Update from a command that the vehicle has executed."""
        self._follow_clock(utcnow)
        previous = self._state_or_empty()
        changes = COMMANDS[command].effect(params, previous)
        self.state = previous.with_values(changes)
        self._mark_certain(changes)
        self._commanded_values |= {
            name: (utcnow, value) for name, value in changes.items()
        }
        self._confirmed |= dict.fromkeys(changes, utcnow)

    def to_json(self) -> dict[str, object]:
        """Return the vehicle as JSON for storage."""
        return {
            "id": self.id,
            "name": self.name,
            "model": self.model,
            "year": self.year,
            "state": self._state_to_json(),
            "confirmed_at": self.confirmed_at and self.confirmed_at.isoformat(),
            "overheard": _dump_times(self._bluetooth_updated),
            "confirmed": _dump_times(self._confirmed),
            "unsettled": sorted(
                self.uncertain_fields.union(*self.pending_changes.values())
            ),
            "computers": self.trust.keys.to_json(),
        }

    def _state_to_json(self) -> dict[str, object] | None:
        """Return the state as JSON, converted only once."""
        state, json = self._stored_state
        if state is not self.state:
            json = self.state.to_json() if self.state else None
            self._stored_state = self.state, json
        return json

    @classmethod
    def from_json(
        cls,
        json: JsonObject,
        *,
        configured_key: PhysicalKey | None = None,
    ) -> Self:
        """Restore a stored vehicle; raise ValueError if it has no ID."""
        vehicle_id = parse_text(json.get("id"))
        if vehicle_id is None:
            raise ValueError("Stored vehicle has no ID")
        vehicle = cls(
            id=vehicle_id,
            name=parse_text(json.get("name")) or vehicle_id,
            model=parse_model(json.get("model")),
            year=parse_year(json.get("year")),
            configured_key=configured_key,
            trust=ComputerTrust(ComputerKeys.from_json(json.get("computers"))),
        )
        stored = json.get("state")
        if isinstance(stored, Mapping):
            state = VehicleState.from_json(stored)
            # It may have changed since.
            vehicle.state = state.with_values(
                {"vin": vehicle_id, "presence": ConnectivityState.UNKNOWN}
            )
            vehicle.confirmed_at = parse_datetime(json.get("confirmed_at"))
            vehicle._bluetooth_updated = _parse_times(json.get("overheard"))
            vehicle._confirmed = _parse_times(json.get("confirmed"))
            vehicle.restored = True
            names = parse_names(json.get("unsettled")) & FIELDS.keys()
            vehicle._mark_uncertain(names, vehicle.confirmed_at or _MIN_DATETIME)
        return vehicle

    def _state_or_empty(self) -> VehicleState:
        return self.state or VehicleState(vin=self.id, model=self.model, year=self.year)

    def _follow_clock(self, utcnow: datetime) -> None:
        """Correct the times of earlier updates after the system clock was set back.

        They would be later than all that is received until then.
        """
        before, self._updated_at = self._updated_at, utcnow
        if before is None:
            # It is unknown by how much the clock was set back since it was stored.
            for times in (self._bluetooth_updated, self._uncertain):
                times |= {name: utcnow for name, at in times.items() if at > utcnow}
        elif utcnow < before:
            self._shift_times(utcnow - before)

    def _shift_times(self, by: timedelta) -> None:
        for times in (self._bluetooth_updated, self._uncertain, self._confirmed):
            times |= {
                name: at + by for name, at in times.items() if at != _MIN_DATETIME
            }
        self._commanded_values = {
            name: (at + by, value)
            for name, (at, value) in self._commanded_values.items()
        }
        self.confirmed_at = self.confirmed_at and self.confirmed_at + by
        self._connectivity_at = self._connectivity_at and self._connectivity_at + by

    def _confirm_sleep(self, utcnow: datetime) -> None:
        """Confirm the current fields of a sleeping vehicle.

        After a gap in the reports it may have been awake in between, so fields that
        are no longer current stay unconfirmed.
        """
        if self.state is None or self.state.presence is not ConnectivityState.ASLEEP:
            return
        for name in self.fresh_fields(utcnow):
            self._confirmed[name] = utcnow
        if self.is_current(utcnow):
            self.confirmed_at = utcnow

    def _apply_sleep(self, utcnow: datetime) -> None:
        """Set functions to off that cannot run in a vehicle reported as asleep."""
        if self.state is None or self.state.presence is not ConnectivityState.ASLEEP:
            return
        self._confirm_sleep(utcnow)
        # The cloud may not have noticed yet that the vehicle was woken.
        changes = {
            name: value
            for name, value in sleep_changes(self.state).items()
            if not self._is_recently_updated(name, utcnow)
        }
        self._confirmed |= dict.fromkeys(changes, utcnow)
        if not self.state.has_values(changes):
            self.state = self.state.with_values(changes)

    def _is_recently_updated(self, name: str, utcnow: datetime) -> bool:
        reported_at = self._bluetooth_updated.get(name)
        commanded_at, _ = self._commanded_values.get(name, (None, None))
        return any(
            at is not None and utcnow - at <= _COMMAND_LAG
            for at in (reported_at, commanded_at)
        )

    def _is_same_vehicle(self, vehicle_json: JsonObject) -> bool:
        return vehicle_json.get("vin", self.id) == self.id

    def _update_name_and_model(self, state: VehicleState) -> None:
        self.name = state.name or self.name
        if self.model == UNKNOWN_MODEL:
            self.model = state.model

    def _mark_certain(self, names: Iterable[str]) -> None:
        """Clear the uncertainty of fields."""
        for name in names:
            self._uncertain.pop(name, None)

    def _reported_again(self, data_at: datetime | None) -> list[str]:
        """Return the uncertain fields that newer data report again."""
        return [
            name
            for name, since in self._uncertain.items()
            if data_at is None or data_at > since
        ]

    def _bluetooth_values_since(self, data_at: datetime | None) -> dict[str, Any]:
        """Return field values received over Bluetooth after a data timestamp."""
        if data_at is None or self.state is None:
            return {}
        return {
            name: getattr(self.state, name)
            for name, at in self._bluetooth_updated.items()
            if at > data_at
        }

    def _commanded_values_since(self, data_at: datetime | None) -> dict[str, Any]:
        """Return field values that commands set just after a data timestamp."""
        values, self._commanded_values = self._commanded_values, {}
        if data_at is None:
            return {}
        return {
            name: value
            for name, (at, value) in values.items()
            if at - _COMMAND_LAG < data_at < at
        }


def sleep_changes(state: VehicleState) -> dict[str, Any]:
    """Return the known fields that change when a vehicle falls asleep."""
    changes = {
        name: value
        for name, value in ASLEEP.items()
        if getattr(state, name) is not None
    }
    if state.charging_state in CHARGING_STATES:
        # Charging has ended, the reason is unknown.
        changes |= {"charging_state": None, "minutes_to_full": None}
    return changes


def _dump_times(times: Mapping[str, datetime]) -> dict[str, str]:
    return {name: at.isoformat() for name, at in times.items()}


def _parse_times(stored: object) -> dict[str, datetime]:
    if not isinstance(stored, Mapping):
        return {}
    return {
        name: at
        for name, value in stored.items()
        if name in FIELDS and (at := parse_datetime(value)) is not None
    }


def _is_newer(data_at: datetime | None, previous: VehicleState | None) -> bool:
    """Return whether data of a time may be newer than the previous ones."""
    if previous is None or previous.data_at is None or data_at is None:
        return True
    return data_at > previous.data_at
