"""How a car is reached, or why it is not."""

from collections.abc import Mapping
from enum import StrEnum

from ..outage.evidence import Evidence, Reason, Subject
from ..outage.models import Assessment, Status
from ..transport.routing import CloudHealth
from ..vehicle.state import ConnectivityState, VehicleState


class Connection(StrEnum):
    """How a car is reached, or why it is not."""

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


# A command gets through, or wakes the car first.
OVER_CLOUD = frozenset({Connection.CLOUD, Connection.ASLEEP, Connection.BOTH})
OVER_BLUETOOTH = frozenset({Connection.BLUETOOTH, Connection.BOTH})
REACHABLE = OVER_CLOUD | OVER_BLUETOOTH

# At this charge (%) or less a car that is offline is taken to save what is left.
NEARLY_EMPTY = 5

_STATUS_TO_CONNECTION: Mapping[Status, Connection] = {
    Status.INTERNET_DOWN: Connection.INTERNET_DOWN,
    Status.PROVIDER_DOWN: Connection.PROVIDER_DOWN,
    Status.OUTAGE: Connection.TESLA_DOWN,
}
_CALLS = frozenset({Subject.API, Subject.DATA, Subject.COMMANDS})
_PRESENCE_TO_CONNECTION: Mapping[ConnectivityState, Connection] = {
    ConnectivityState.ONLINE: Connection.CLOUD,
    ConnectivityState.ASLEEP: Connection.ASLEEP,
    ConnectivityState.OFFLINE: Connection.OFFLINE,
    ConnectivityState.UNKNOWN: Connection.UNDETERMINED,
}


def cloud_connection(
    judgement: Assessment,
    car: str,
    state: VehicleState | None,
    *,
    calls_work: bool,
    mobile_access: bool,
    refused: Reason | None,
) -> Connection:
    """Say how the cloud reaches a car, or why it does not.

    What hits every car comes before what this one tells. `calls_work` tells whether
    calls for the car get through now, `mobile_access` whether it lets the cloud in,
    `refused` why the maker refuses calls for the car, commands among them.
    """
    status = judgement.status
    if (found := _STATUS_TO_CONNECTION.get(status)) is not None:
        return found
    if _cloud_fails(judgement, car, calls_work=calls_work):
        return Connection.TESLA_DOWN
    if not mobile_access:
        return Connection.MOBILE_ACCESS_OFF
    # A car without mobile access is not the others' trouble.
    if refused not in (None, Reason.MOBILE_ACCESS):
        return Connection.ACCOUNT
    if status is Status.UNDETERMINED and not calls_work:
        return Connection.UNDETERMINED
    return _from_state(state)


def overall_connection(cloud: Connection | None, *, near: bool | None) -> Connection:
    """Say how a car is reached over what there is for it.

    `cloud` is how the cloud does, None without an account; `near` tells whether an
    adapter hears the car and it takes the key, None if there is no key.
    """
    if cloud is None:
        return Connection.BLUETOOTH if near else Connection.OUT_OF_RANGE
    if not near:
        return cloud
    return Connection.BOTH if cloud in REACHABLE else Connection.BLUETOOTH


def cloud_health(cloud: Connection | None) -> CloudHealth:
    """Tell how far the cloud can be relied on for a command to a car."""
    if cloud is None:
        return CloudHealth.NONE
    if cloud in REACHABLE or cloud is Connection.UNDETERMINED:
        return CloudHealth.WORKING
    return CloudHealth.FAILING


def reachable(connection: Connection, *, before: bool | None) -> bool | None:
    """Tell whether a car can be reached; while nobody knows, what was known before."""
    return before if connection is Connection.UNDETERMINED else connection in REACHABLE


def mobile_access_enabled(evidence: Evidence, *, before: bool) -> bool:
    """Tell by what came of a call whether a car lets the cloud in."""
    if evidence.classification.reason is Reason.MOBILE_ACCESS:
        return False
    if evidence.good and evidence.classification.subject in (
        Subject.DATA,
        Subject.COMMANDS,
    ):
        return True
    return before


def count_payment_errors(evidence: Evidence, *, before: int) -> int:
    """Count how often in a row a service asked to be paid for a car."""
    meaning = evidence.classification
    if meaning.reason is Reason.PAYMENT and meaning.subject is Subject.CAR:
        return before + 1
    return 0 if evidence.good and meaning.subject in _CALLS else before


def _cloud_fails(judgement: Assessment, car: str, *, calls_work: bool) -> bool:
    """Tell whether the maker, who works for others or in part, fails for a car."""
    if judgement.status is Status.SIGN_IN_OUTAGE:
        # Who is signed in stays so for a while.
        return not calls_work
    return judgement.status is Status.DEGRADED and (
        judgement.affected is None or car in judgement.affected
    )


def _from_state(state: VehicleState | None) -> Connection:
    """Say what a car's own state tells."""
    if state is None:
        return Connection.UNDETERMINED
    if state.in_service:
        return Connection.IN_SERVICE
    if state.presence is ConnectivityState.OFFLINE and _power_low(state):
        return Connection.POWER_LOW
    return _PRESENCE_TO_CONNECTION[state.presence]


def _power_low(state: VehicleState) -> bool:
    """Tell whether a car had hardly any power left when it was last heard of."""
    if state.low_power_mode:
        return True
    return state.battery_level is not None and state.battery_level <= NEARLY_EMPTY
