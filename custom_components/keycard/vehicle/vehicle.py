"""A vehicle: its snapshot, how long that holds, and its keys."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from .commands import CHARGING, COMMANDS, Command
from .computer_keys import ComputerKeys, ComputerTrust
from .keys import UNKNOWN_MODEL, PhysicalKey, decode_vin, default_key
from .parsing import JsonObject, read_moment, read_names, read_text, read_year
from .state import (
    ASLEEP,
    FIELDS,
    PERSISTENT_FIELDS,
    ConnectivityState,
    Transport,
    VehicleState,
    data_time,
    has_data,
    read_model,
    unwrapped,
)

TRUSTED_FOR = timedelta(minutes=30)

# Data that a car took this long before a command show what was before it.
_OVERTAKEN = timedelta(minutes=2)

_LONG_AGO = datetime.min.replace(tzinfo=UTC)

# A car's clock may be ahead of ours by this much.
_AHEAD = timedelta(minutes=15)


@dataclass(kw_only=True)
class Vehicle:
    """A car of the owner's; all times are UTC and handed in.

    `id` is the VIN, or a name of its own for a car that is only watched for.
    """

    id: str
    name: str
    model: str = UNKNOWN_MODEL
    year: int | None = None
    device_name: str | None = None
    """The name of its device, where that is not the car's own."""

    shown_as: str | None = None
    """What its owner calls it, unlike any other car."""

    configured_key: PhysicalKey | None = None
    """What the owner said to have; without it the VIN tells."""

    state: VehicleState | None = None
    confirmed_at: datetime | None = None
    """When the cloud last confirmed what the snapshot holds."""

    restored: bool = False
    """Whether the snapshot is from before a restart."""

    unpaired: bool = False
    """Whether the car is known not to know the key that signs its commands."""

    trust: ComputerTrust = field(default_factory=ComputerTrust, compare=False)
    """Which device is believed to be the car over Bluetooth."""

    mobile_access_disabled: bool = False
    """Whether the account's list says that the car does not let the cloud in."""

    low_amps: int | None = None
    """The current below 5 A that the car charges with; its setting goes on saying 5."""

    sending: dict[object, frozenset[str]] = field(default_factory=dict, init=False)
    """The fields that commands which may have been sent are about to change."""

    _unsettled: dict[str, datetime] = field(default_factory=dict, init=False)
    """Since when a field is unknown, for a command may have changed it."""

    _pending_commands: dict[str, tuple[datetime, object]] = field(
        default_factory=dict, init=False
    )
    _bluetooth_updated: dict[str, datetime] = field(default_factory=dict, init=False)
    """When a field was last told over Bluetooth."""

    _confirmed: dict[str, datetime] = field(default_factory=dict, init=False)
    """When a field was last confirmed by anything but data from the cloud."""

    _presence_at: datetime | None = field(default=None, init=False)
    """When the cloud last told whether it reaches the car."""

    @classmethod
    def from_vin(
        cls,
        vin: str,
        *,
        name: str | None = None,
        owners_key: PhysicalKey | None = None,
    ) -> Self:
        """Return a car of which only the VIN is known for sure."""
        model, year = decode_vin(vin)
        return cls(
            id=vin,
            name=name or vin,
            model=model,
            year=year,
            configured_key=owners_key,
        )

    @property
    def title(self) -> str:
        """Return the name by which its owner knows it."""
        return self.shown_as or self.name

    @property
    def named(self) -> bool:
        """Return whether the car tells a name."""
        return self.state is not None and self.state.name is not None

    @property
    def physical_key(self) -> PhysicalKey:
        """Return the key that the owner has for this car."""
        return self.configured_key or default_key(self.model, self.year, self.id)

    @property
    def online(self) -> bool:
        """Return whether the car was online when it was last heard of."""
        return (
            self.state is not None and self.state.presence is ConnectivityState.ONLINE
        )

    @property
    def needs_signing(self) -> bool:
        """Return whether the car takes only signed commands."""
        return self.state is not None and self.state.needs_signing is True

    @property
    def data_at(self) -> datetime | None:
        """Return when the car took its own data (UTC), None without any."""
        return self.state.data_at if self.state else None

    def data_age(self, now: datetime) -> float | None:
        """Return how old the car's own data are, in seconds, None without any."""
        return None if self.data_at is None else (now - self.data_at).total_seconds()

    def is_current(self, now: datetime) -> bool:
        """Return whether the snapshot may be shown as what holds now."""
        return _recent(self.confirmed_at, now)

    def fresh_fields(self, now: datetime) -> frozenset[str]:
        """Return the fields that hold now, however old the snapshot is.

        Bluetooth, a command that was done or a summary has confirmed them.
        """
        return frozenset(
            name for name, at in self._confirmed.items() if _recent(at, now)
        )

    def presence_told(self, now: datetime) -> bool:
        """Return whether it is known if the car is online."""
        return _recent(self._presence_at, now) or "presence" in self.fresh_fields(now)

    @property
    def _overheard_at(self) -> datetime | None:
        return max(self._bluetooth_updated.values(), default=None)

    @property
    def last_contact(self) -> datetime | None:
        """Return when the car told something last, over any link (UTC)."""
        told = (self._overheard_at, self.data_at)
        return max((at for at in told if at is not None), default=None)

    @property
    def data_source(self) -> Transport | None:
        """Return the link over which the car told something last."""
        if self.last_contact is None:
            return None
        return (
            Transport.BLUETOOTH
            if self.last_contact == self._overheard_at
            else Transport.CLOUD
        )

    def is_stale(self, json: JsonObject) -> bool:
        """Return whether a car that is online is shown as it was before."""
        known = self.data_at
        taken = data_time(json)
        if known is None or taken is None or taken > known:
            return False
        return unwrapped(json).get("state") == ConnectivityState.ONLINE.value

    def apply_data(self, json: JsonObject, now: datetime) -> bool:
        """Take in a `vehicle_data` answer; return whether it told anything new."""
        if not has_data(json) or not self._is_mine(json):
            return False
        fresh = replace(VehicleState.from_data(json), vin=self.id)
        if fresh.data_at is not None and fresh.data_at > now + _AHEAD:
            fresh = replace(fresh, data_at=None)
        known = self.state
        if not _newer(fresh, known):
            self.apply_summary(json, now)
            return False
        self._presence_at = now
        if known is not None:
            lasting: dict[str, Any] = {
                name: getattr(known, name)
                for name in PERSISTENT_FIELDS
                if getattr(fresh, name) is None
            }
            fresh = replace(fresh, **lasting)
        since: dict[str, Any] = self._done_since(fresh.data_at)
        since |= self._told_since(fresh.data_at)
        fresh = self._with_low_amps(fresh)
        self._settle(self._told_again(fresh.data_at))
        since |= dict.fromkeys(self._unsettled)
        fresh = replace(fresh, **since)
        self.state, self.restored = fresh, False
        taken = fresh.data_at or now
        # A cache may hold what was true long ago.
        self.confirmed_at = now if _recent(taken, now) else taken
        self._rest(now)
        self._describe(fresh)
        return True

    def apply_summary(self, json: JsonObject, now: datetime) -> None:
        """Take in what a `vehicle` or `products` answer tells of this car."""
        if "state" not in unwrapped(json) or not self._is_mine(json):
            return
        self.state = self._known().with_summary(json)
        self._presence_at = now
        self._rest(now)
        self._describe(self.state)

    def apply_product(self, json: JsonObject, now: datetime) -> None:
        """Take in what the account's list tells of this car."""
        self.apply_summary(json, now)
        self.mobile_access_disabled = json.get("mobile_access_disabled") is True

    def apply_bluetooth(
        self, values: Mapping[str, Any], taken: datetime | None, now: datetime
    ) -> None:
        """Take in fields of the state that the car itself has told over Bluetooth.

        `taken` is when the car took its data, None if it told no more than its status.
        """
        if not values:
            return
        known = self._known()
        self._settle(values)
        self.state = self._with_low_amps(replace(known, **values))
        self._bluetooth_updated |= dict.fromkeys(values, now)
        self._confirmed |= dict.fromkeys(values, now)
        if taken is not None and (known.data_at is None or taken > known.data_at):
            self.state = replace(self.state, data_at=min(taken, now + _AHEAD))
        if "presence" in values:
            self._confirm_sleep(now)
        self._describe(self.state)

    def draws(self, amps: int, since: datetime) -> bool:
        """Return whether the car was measured to charge with a current since then."""
        told = (self._bluetooth_updated.get("charger_current"), self.data_at)
        if self.state is None or not any(at is not None and at > since for at in told):
            return False
        current = self.state.charger_current
        charging = self.state.charging_state in CHARGING
        return charging and current is not None and round(current) == amps

    def hold_low_amps(self, amps: int) -> None:
        """Show a current that the car has proven, as long as it charges with it."""
        self.low_amps = amps
        self.state = self._with_low_amps(self._known())

    def _with_low_amps(self, state: VehicleState) -> VehicleState:
        if self.low_amps is None:
            return state
        current = state.charger_current
        charging = state.charging_state in CHARGING
        if not charging or current is None or round(current) > self.low_amps:
            # Charging has ended or begun anew, or somebody has set it in the car.
            self.low_amps = None
            return state
        return replace(state, charge_amps=self.low_amps)

    def changed_by(
        self, command: Command, params: Mapping[str, object]
    ) -> frozenset[str]:
        """Return the fields that a command changes."""
        return frozenset(COMMANDS[command].effect(params, self._known()))

    @property
    def unsettled(self) -> frozenset[str]:
        """Return the fields that are unknown until the car is asked."""
        return frozenset(self._unsettled)

    def unsettle(self, names: Iterable[str], now: datetime) -> None:
        """Know no more of some fields than that a command may have changed them."""
        self._unsettled |= dict.fromkeys(names, now)
        if not self._unsettled:
            return
        unknown: dict[str, Any] = dict.fromkeys(self._unsettled)
        self.state = replace(self._known(), **unknown)

    def apply_command(
        self, command: Command, params: Mapping[str, object], now: datetime
    ) -> None:
        """Take in what a car has done for sure."""
        known = self._known()
        changes = COMMANDS[command].effect(params, known)
        self.state = replace(known, **changes)
        self._settle(changes)
        self._pending_commands |= {
            name: (now, value) for name, value in changes.items()
        }
        self._confirmed |= dict.fromkeys(changes, now)

    def to_json(self) -> dict[str, object]:
        """Return what storage can hold."""
        return {
            "id": self.id,
            "name": self.name,
            "model": self.model,
            "year": self.year,
            "state": self.state.to_json() if self.state else None,
            "confirmed_at": self.confirmed_at and self.confirmed_at.isoformat(),
            "overheard": _dump_times(self._bluetooth_updated),
            "confirmed": _dump_times(self._confirmed),
            "unsettled": sorted(self.unsettled.union(*self.sending.values())),
            "computers": self.trust.keys.to_json(),
        }

    @classmethod
    def from_json(
        cls,
        json: JsonObject,
        *,
        owners_key: PhysicalKey | None = None,
    ) -> Self:
        """Return a car as it was before a restart; without an id that is an error."""
        car_id = read_text(json.get("id"))
        if car_id is None:
            raise ValueError("A car was kept without its id")
        car = cls(
            id=car_id,
            name=read_text(json.get("name")) or car_id,
            model=read_model(json.get("model")),
            year=read_year(json.get("year")),
            configured_key=owners_key,
            trust=ComputerTrust(ComputerKeys.from_json(json.get("computers"))),
        )
        stored = json.get("state")
        if isinstance(stored, Mapping):
            state = VehicleState.from_json(stored)
            # Who knows where it is now.
            car.state = replace(state, vin=car_id, presence=ConnectivityState.UNKNOWN)
            car.confirmed_at = read_moment(json.get("confirmed_at"))
            car._bluetooth_updated = _read_times(json.get("overheard"))
            car._confirmed = _read_times(json.get("confirmed"))
            car.restored = True
            names = read_names(json.get("unsettled")) & FIELDS.keys()
            car.unsettle(names, car.confirmed_at or _LONG_AGO)
        return car

    def _known(self) -> VehicleState:
        return self.state or VehicleState(vin=self.id, model=self.model, year=self.year)

    def _confirm_sleep(self, now: datetime) -> None:
        """Confirm what is known of a car that is asleep.

        It is as it was when it fell asleep if it was known until now; otherwise it may
        have been awake in between.
        """
        if self.state is None or self.state.presence is not ConnectivityState.ASLEEP:
            return
        for name in self.fresh_fields(now):
            self._confirmed[name] = now
        if self.is_current(now):
            self.confirmed_at = now

    def _rest(self, now: datetime) -> None:
        """Take in that the cloud says a car is asleep: nothing runs in it."""
        if self.state is None or self.state.presence is not ConnectivityState.ASLEEP:
            return
        self._confirm_sleep(now)
        # The cloud may not have noticed yet that the car was woken.
        changes = {
            name: value
            for name, value in asleep(self.state).items()
            if not self._was_told_lately(name, now)
        }
        self.state = replace(self.state, **changes)
        self._confirmed |= dict.fromkeys(changes, now)

    def _was_told_lately(self, name: str, now: datetime) -> bool:
        told = self._bluetooth_updated.get(name)
        done, _ = self._pending_commands.get(name, (None, None))
        return any(at is not None and now - at <= _OVERTAKEN for at in (told, done))

    def _is_mine(self, json: JsonObject) -> bool:
        return unwrapped(json).get("vin", self.id) == self.id

    def _describe(self, state: VehicleState) -> None:
        self.name = state.name or self.name
        if self.model == UNKNOWN_MODEL:
            self.model = state.model

    def _settle(self, names: Iterable[str]) -> None:
        """Note that some fields are known again."""
        for name in names:
            self._unsettled.pop(name, None)

    def _told_again(self, taken: datetime | None) -> list[str]:
        """Return the unsettled fields that data tell which were taken since."""
        return [
            name
            for name, since in self._unsettled.items()
            if taken is None or taken > since
        ]

    def _told_since(self, taken: datetime | None) -> dict[str, Any]:
        """Return what the car told over Bluetooth after data were taken."""
        if taken is None or self.state is None:
            return {}
        return {
            name: getattr(self.state, name)
            for name, at in self._bluetooth_updated.items()
            if at > taken
        }

    def _done_since(self, taken: datetime | None) -> dict[str, Any]:
        """Return what commands have changed just after data were taken."""
        commanded, self._pending_commands = self._pending_commands, {}
        if taken is None:
            return {}
        return {
            name: value
            for name, (at, value) in commanded.items()
            if at - _OVERTAKEN < taken < at
        }


def asleep(state: VehicleState) -> dict[str, Any]:
    """Return the fields that change, of those that are known, when a car sleeps."""
    changes = {
        name: value
        for name, value in ASLEEP.items()
        if getattr(state, name) is not None
    }
    if state.charging_state in CHARGING:
        # It has ended, nobody told how.
        changes |= {"charging_state": None, "minutes_to_full": None}
    return changes


def _recent(at: datetime | None, now: datetime) -> bool:
    return at is not None and abs(now - at) <= TRUSTED_FOR


def _dump_times(times: Mapping[str, datetime]) -> dict[str, str]:
    return {name: at.isoformat() for name, at in times.items()}


def _read_times(stored: object) -> dict[str, datetime]:
    if not isinstance(stored, Mapping):
        return {}
    return {
        name: at
        for name, value in stored.items()
        if name in FIELDS and (at := read_moment(value)) is not None
    }


def _newer(fresh: VehicleState, known: VehicleState | None) -> bool:
    """Return whether data are not known to be from the same time or before."""
    if known is None or known.data_at is None or fresh.data_at is None:
        return True
    return fresh.data_at > known.data_at
