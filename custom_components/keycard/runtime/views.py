"""What the entities show: typed views of the cloud, of a car, and of an event."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from ..bluetooth.vehicle_link import BluetoothStatus
from ..outage.models import INCONCLUSIVE, Assessment, Status
from ..vehicle.keys import PhysicalKey
from ..vehicle.state import ConnectivityState, Transport, VehicleState
from .connection import OVER_CLOUD, REACHABLE, Connection, overall_connection


@dataclass(frozen=True, kw_only=True)
class CloudData:
    """What is shown of the cloud: what is known, or what a drill rehearses."""

    assessment: Assessment
    api_reachable: bool
    drill: bool = False


@dataclass(frozen=True, kw_only=True)
class VehicleData:
    """What is shown of one car: what is known, and what a drill rehearses.

    Of a state that is not `trusted`, what may have changed since is unknown, but for
    the fields that are `fresh`. Presence is known if `presence_told`. One that is
    `restored` was not yet confirmed since the start. It is `reachable` as was known
    last, None if nobody knew since the start. `key_tried` (UTC) is when its owner last
    tried card or fob.
    """

    state: VehicleState | None
    is_current: bool
    restored: bool
    fresh_fields: frozenset[str] = frozenset()
    presence_told: bool = True
    last_contact: datetime | None = None
    """When the car told something last, over any link (UTC)."""

    data_source: Transport | None = None
    """The link over which it did."""

    cloud_link: bool
    connection: Connection
    cloud: Connection | None = None
    """How the cloud reaches it, None without an account."""

    reachable: bool | None
    key_to_take: PhysicalKey
    key_tried: datetime | None = None
    drill: bool = False
    bluetooth: BluetoothStatus | None = None
    """None for a car without a Bluetooth key."""

    @property
    def provisional(self) -> bool:
        """Return whether what is known rests on a key first seen over Bluetooth."""
        bluetooth = self.bluetooth
        return (
            bluetooth is not None and bluetooth.provisional and bool(self.fresh_fields)
        )

    @property
    def usable_state(self) -> VehicleState | None:
        """Return what is known of the car, None if nothing is."""
        state = self.state
        if state is None:
            return None
        if not self.presence_told:
            state = replace(state, presence=ConnectivityState.UNKNOWN)
        return state if self.is_current else state.only_confirmed(self.fresh_fields)

    def holds(self, name: str) -> bool:
        """Return whether a field was confirmed so lately that it holds now."""
        return self.is_current or name in self.fresh_fields


@dataclass(frozen=True, kw_only=True)
class OutageNotice:
    """What happened, and how an owner is told; `keys` are by the name of a car."""

    kind: str
    notice: str
    title: str
    text: str
    assessment: Assessment
    keys: Mapping[str, PhysicalKey]
    drill: bool = False


def key_to_take(
    assessment: Assessment, car: str, *, owned: PhysicalKey, before: PhysicalKey
) -> PhysicalKey:
    """Say which key an owner should take for a car.

    `owned` is what the car has beside the phone, `before` what was said last.
    """
    if assessment.status in INCONCLUSIVE:
        return before
    if assessment.status in (Status.OUTAGE, Status.SIGN_IN_OUTAGE):
        return owned
    if assessment.status is Status.DEGRADED and _affects(assessment, car):
        return owned
    return PhysicalKey.NONE


def apply_cloud_drill(real: CloudData, judgement: Assessment) -> CloudData:
    """Show a cloud as a drill has it."""
    return replace(
        real,
        assessment=judgement,
        api_reachable=real.api_reachable and judgement.status is not Status.OUTAGE,
        drill=True,
    )


def apply_vehicle_drill(
    real: VehicleData, judgement: Assessment, car: str, *, owned: PhysicalKey
) -> VehicleData:
    """Show a car as a drill has it; what the car itself tells stays as it is."""
    key = key_to_take(judgement, car, owned=owned, before=real.key_to_take)
    shown = replace(real, key_to_take=key, drill=True)
    fails = judgement.status is Status.OUTAGE or (
        judgement.status is Status.DEGRADED and _affects(judgement, car)
    )
    if not fails or real.cloud not in OVER_CLOUD:
        return shown
    connection = overall_connection(
        Connection.TESLA_DOWN,
        near=real.bluetooth is not None and real.bluetooth.usable,
    )
    return replace(
        shown,
        cloud=Connection.TESLA_DOWN,
        connection=connection,
        reachable=connection in REACHABLE,
    )


def keys_by_name(cars: Iterable[tuple[str, PhysicalKey]]) -> dict[str, PhysicalKey]:
    """Return the keys to take by the names of the cars."""
    keys: dict[str, PhysicalKey] = {}
    for name, key in cars:
        # Of two cars with one name, the one that wants a key counts.
        if keys.get(name, PhysicalKey.NONE) is PhysicalKey.NONE:
            keys[name] = key
    return keys


def _affects(judgement: Assessment, car: str) -> bool:
    return judgement.affected is None or car in judgement.affected
