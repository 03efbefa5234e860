"""Data that entities show, derived from assessment, vehicle and drill."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from homeassistant.util.location import distance

from ..bluetooth.vehicle_link import BluetoothStatus
from ..outage.confirmation import Health
from ..outage.evidence import Evidence, Reason, Subject
from ..outage.models import INCONCLUSIVE, Assessment, Status
from ..transport.routing import CloudHealth
from ..vehicle.keys import PhysicalKey
from ..vehicle.state import ConnectivityState, Transport, VehicleState
from ..vehicle.vehicle import Vehicle


class Connection(StrEnum):
    """Transports that reach a vehicle, or the reason why none does."""

    CLOUD = "cloud"
    BLUETOOTH = "bluetooth"
    BOTH = "both"
    ASLEEP = "asleep"
    OFFLINE = "offline"
    POWER_LOW = "power_low"
    IN_SERVICE = "in_service"
    MOBILE_ACCESS_OFF = "mobile_access_off"
    TESLA_DOWN = "maker_down"
    PROVIDER_DOWN = "provider_down"
    INTERNET_DOWN = "internet_down"
    ACCOUNT = "account"
    OUT_OF_RANGE = "out_of_range"
    UNDETERMINED = "undetermined"


# A command to a vehicle that is asleep wakes it first.
OVER_CLOUD = frozenset({Connection.CLOUD, Connection.ASLEEP, Connection.BOTH})
OVER_BLUETOOTH = frozenset({Connection.BLUETOOTH, Connection.BOTH})
REACHABLE = OVER_CLOUD | OVER_BLUETOOTH

# An offline vehicle with this charge (%) or less is taken to save power.
NEARLY_EMPTY = 5

# Distance (m) from home within which a vehicle counts as parked there.
NEARBY = 200.0

_API_DOWN = frozenset({Status.OUTAGE, Status.INTERNET_DOWN, Status.PROVIDER_DOWN})
_STATUS_TO_CONNECTION: Mapping[Status, Connection] = {
    Status.INTERNET_DOWN: Connection.INTERNET_DOWN,
    Status.PROVIDER_DOWN: Connection.PROVIDER_DOWN,
    Status.OUTAGE: Connection.TESLA_DOWN,
}
_PRESENCE_TO_CONNECTION: Mapping[ConnectivityState, Connection] = {
    ConnectivityState.ONLINE: Connection.CLOUD,
    ConnectivityState.ASLEEP: Connection.ASLEEP,
    ConnectivityState.OFFLINE: Connection.OFFLINE,
    ConnectivityState.UNKNOWN: Connection.UNDETERMINED,
}
_UNREACHABLE_BY_CLOUD = frozenset({Connection.OFFLINE, Connection.POWER_LOW})
_CALLS = frozenset({Subject.API, Subject.DATA, Subject.COMMANDS})


@dataclass(frozen=True, kw_only=True)
class CloudData:
    """Data of the cloud's entities; `drill` says that they are a drill's."""

    assessment: Assessment
    api_reachable: bool
    drill: bool = False


@dataclass(frozen=True, kw_only=True)
class VehicleData:
    """Data of a vehicle's entities; `drill` says that a drill changed them.

    Unless `is_current`, only the `fresh_fields` of the state are known to hold now.
    A `restored` state has not been confirmed since the start. While `reachable` is
    undetermined it keeps its last value, None at the start. Times are UTC.
    """

    state: VehicleState | None
    is_current: bool
    restored: bool
    fresh_fields: frozenset[str] = frozenset()
    connectivity_known: bool = True
    """Whether it is known if the vehicle is online."""

    last_contact: datetime | None = None
    """When the vehicle last reported anything, over any transport."""

    data_source: Transport | None = None
    """The transport of the last contact."""

    cloud_works: bool
    connection: Connection
    cloud: Connection | None = None
    """The connection over the cloud, None without an account."""

    reachable: bool | None
    key_to_take: PhysicalKey
    key_tried: datetime | None = None
    """When the user last tried the key card or fob."""

    drill: bool = False
    bluetooth: BluetoothStatus | None = None
    """None without a Bluetooth key."""

    @cached_property
    def provisional(self) -> bool:
        """Return whether the state rests on a key first seen over Bluetooth."""
        bluetooth = self.bluetooth
        return (
            bluetooth is not None and bluetooth.provisional and bool(self.fresh_fields)
        )

    @cached_property
    def usable_state(self) -> VehicleState | None:
        """Return the state without fields that may have changed, None if unknown."""
        state = self.state
        if state is None:
            return None
        if not self.connectivity_known:
            state = state.with_values({"presence": ConnectivityState.UNKNOWN})
        return state if self.is_current else state.only_confirmed(self.fresh_fields)

    def holds(self, name: str) -> bool:
        """Return whether a field was confirmed recently."""
        return self.is_current or name in self.fresh_fields


@dataclass(frozen=True, kw_only=True)
class CloudAccess:
    """Access to a vehicle over the cloud, apart from the assessment.

    `refusal` is the reason why Tesla refuses calls for the vehicle, commands included.
    """

    calls_work: bool = False
    mobile_access: bool = True
    refusal: Reason | None = None


# The cloud


def present_cloud(
    assessment: Assessment, *, host: Health, calls_work: bool
) -> CloudData:
    """Return the data of the cloud.

    `host` is the health of the region's host, `calls_work` whether any vehicle's calls
    get through.
    """
    return CloudData(
        assessment=assessment,
        api_reachable=assessment.status not in _API_DOWN
        and (host is Health.UP or calls_work),
    )


def apply_cloud_drill(actual: CloudData, assessment: Assessment) -> CloudData:
    """Return the data of the cloud with a drill's assessment."""
    return replace(
        actual,
        assessment=assessment,
        api_reachable=actual.api_reachable and assessment.status is not Status.OUTAGE,
        drill=True,
    )


# Vehicles


def present_vehicle(
    vehicle: Vehicle,
    utcnow: datetime,
    *,
    cloud: Connection | None,
    cloud_works: bool,
    key_to_take: PhysicalKey,
    reachable_before: bool | None,
    bluetooth: BluetoothStatus | None = None,
    key_tried: datetime | None = None,
) -> VehicleData:
    """Return the data of a vehicle; `cloud` is None without an account."""
    connection = Connection.UNDETERMINED
    if cloud is not None or bluetooth is not None:
        in_range = None if bluetooth is None else bluetooth.usable
        connection = overall_connection(cloud, in_range=in_range)
    return VehicleData(
        state=vehicle.state,
        is_current=vehicle.is_current(utcnow),
        restored=vehicle.restored,
        fresh_fields=vehicle.fresh_fields(utcnow),
        connectivity_known=vehicle.is_connectivity_known(utcnow),
        last_contact=vehicle.last_contact,
        data_source=vehicle.data_source,
        cloud_works=cloud_works,
        connection=connection,
        cloud=cloud,
        reachable=reachable(connection, before=reachable_before),
        key_to_take=key_to_take,
        bluetooth=bluetooth,
        key_tried=key_tried,
    )


def apply_vehicle_drill(
    actual: VehicleData, assessment: Assessment, vehicle_id: str, *, owned: PhysicalKey
) -> VehicleData:
    """Return the data of a vehicle with a drill's assessment; its state is kept."""
    key = key_to_take(assessment, vehicle_id, owned=owned, before=actual.key_to_take)
    shown = replace(actual, key_to_take=key, drill=True)
    fails = assessment.status is Status.OUTAGE or (
        assessment.status is Status.DEGRADED and _affects(assessment, vehicle_id)
    )
    if not fails or actual.cloud not in OVER_CLOUD:
        return shown
    connection = overall_connection(
        Connection.TESLA_DOWN,
        in_range=actual.bluetooth is not None and actual.bluetooth.usable,
    )
    return replace(
        shown,
        cloud=Connection.TESLA_DOWN,
        connection=connection,
        reachable=connection in REACHABLE,
    )


def key_to_take(
    assessment: Assessment, vehicle_id: str, *, owned: PhysicalKey, before: PhysicalKey
) -> PhysicalKey:
    """Return the key that a user should take for a vehicle.

    `owned` is the vehicle's key beside the phone, `before` the last key to take.
    """
    if assessment.status in INCONCLUSIVE:
        return before
    if assessment.status in (Status.OUTAGE, Status.SIGN_IN_OUTAGE):
        return owned
    if assessment.status is Status.DEGRADED and _affects(assessment, vehicle_id):
        return owned
    return PhysicalKey.NONE


def keys_by_name(keys: Iterable[tuple[str, PhysicalKey]]) -> dict[str, PhysicalKey]:
    """Return the keys to take by the names of the vehicles."""
    by_name: dict[str, PhysicalKey] = {}
    for name, key in keys:
        # Of two vehicles with one name, the one that needs a key counts.
        if by_name.get(name, PhysicalKey.NONE) is PhysicalKey.NONE:
            by_name[name] = key
    return by_name


def cloud_connection(
    assessment: Assessment,
    vehicle_id: str,
    state: VehicleState | None,
    access: CloudAccess,
) -> Connection:
    """Return the connection to a vehicle over the cloud.

    Causes that affect all vehicles precede the vehicle's own report.
    """
    status = assessment.status
    if (connection := _STATUS_TO_CONNECTION.get(status)) is not None:
        return connection
    if _cloud_fails(assessment, vehicle_id, calls_work=access.calls_work):
        return Connection.TESLA_DOWN
    if not access.mobile_access:
        return Connection.MOBILE_ACCESS_OFF
    # Mobile access that another vehicle lacks does not affect this one.
    if access.refusal not in (None, Reason.MOBILE_ACCESS):
        return Connection.ACCOUNT
    if status is Status.UNDETERMINED and not access.calls_work:
        return Connection.UNDETERMINED
    return _state_connection(state)


def overall_connection(
    cloud: Connection | None, *, in_range: bool | None
) -> Connection:
    """Return the connection to a vehicle over all transports.

    `cloud` is None without an account; `in_range` says whether commands can be sent
    over Bluetooth, None without a Bluetooth key.
    """
    if cloud is None:
        return Connection.BLUETOOTH if in_range else Connection.OUT_OF_RANGE
    if not in_range:
        return cloud
    return Connection.BOTH if cloud in REACHABLE else Connection.BLUETOOTH


def cloud_health(cloud: Connection | None) -> CloudHealth:
    """Return whether the cloud can be relied on for a command to a vehicle."""
    if cloud is None:
        return CloudHealth.NONE
    if cloud in REACHABLE or cloud is Connection.UNDETERMINED:
        return CloudHealth.WORKING
    return CloudHealth.FAILING


def reachable(connection: Connection, *, before: bool | None) -> bool | None:
    """Return whether a vehicle is reachable; `before` holds while undetermined."""
    return before if connection is Connection.UNDETERMINED else connection in REACHABLE


def is_unreachable_at_home(data: VehicleData, home: tuple[float, float]) -> bool:
    """Return whether a vehicle that is parked at home answers over no transport.

    It must have been in range of Bluetooth before. `home` is in degrees.
    """
    bluetooth = data.bluetooth
    if bluetooth is None or bluetooth.in_range or bluetooth.last_seen is None:
        return False
    if data.cloud not in _UNREACHABLE_BY_CLOUD or data.state is None:
        return False
    latitude, longitude = data.state.latitude, data.state.longitude
    if latitude is None or longitude is None:
        return False
    meters = distance(*home, latitude, longitude)
    return meters is not None and meters <= NEARBY


def mobile_access_enabled(evidence: Evidence, *, before: bool) -> bool:
    """Return whether the mobile access of a vehicle is on, after a call."""
    if evidence.classification.reason is Reason.MOBILE_ACCESS:
        return False
    if evidence.good and evidence.classification.subject in (
        Subject.DATA,
        Subject.COMMANDS,
    ):
        return True
    return before


def count_payment_errors(evidence: Evidence, *, before: int) -> int:
    """Return the number of consecutive calls that a service refused as unpaid."""
    classification = evidence.classification
    unpaid = classification.reason is Reason.PAYMENT
    if unpaid and classification.subject is Subject.CAR:
        return before + 1
    return 0 if evidence.good and classification.subject in _CALLS else before


def _affects(assessment: Assessment, vehicle_id: str) -> bool:
    return assessment.affected is None or vehicle_id in assessment.affected


def _cloud_fails(assessment: Assessment, vehicle_id: str, *, calls_work: bool) -> bool:
    """Return whether the cloud, though not all of it, fails for a vehicle."""
    if assessment.status is Status.SIGN_IN_OUTAGE:
        # Tokens stay valid for a while.
        return not calls_work
    return assessment.status is Status.DEGRADED and _affects(assessment, vehicle_id)


def _state_connection(state: VehicleState | None) -> Connection:
    """Return the connection according to the state of the vehicle."""
    if state is None:
        return Connection.UNDETERMINED
    if state.in_service:
        return Connection.IN_SERVICE
    if state.presence is ConnectivityState.OFFLINE and _is_power_low(state):
        return Connection.POWER_LOW
    return _PRESENCE_TO_CONNECTION[state.presence]


def _is_power_low(state: VehicleState) -> bool:
    """Return whether the vehicle last reported a nearly empty battery."""
    if state.low_power_mode:
        return True
    return state.battery_level is not None and state.battery_level <= NEARLY_EMPTY
