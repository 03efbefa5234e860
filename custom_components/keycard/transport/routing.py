"""Order of the transports for a command."""

from collections.abc import Callable
from enum import StrEnum

from ..vehicle.state import Transport


class Preference(StrEnum):
    """The user's preferred transport if both work."""

    CHEAPEST = "cheapest"
    CLOUD = "cloud"


class CloudHealth(StrEnum):
    """Health of the cloud for a vehicle."""

    NONE = "none"
    FAILING = "fails"
    WORKING = "works"


class BluetoothReach(StrEnum):
    """Bluetooth reach of a vehicle."""

    OUT_OF_RANGE = "away"
    IN_RANGE = "near"


def transport_order(
    cloud: CloudHealth, bluetooth: BluetoothReach, preference: Preference
) -> tuple[Transport, ...]:
    """Return the transports to a vehicle in the order in which to try them.

    The next one is tried only if the vehicle cannot have received the command over the
    one before. A failing transport comes last; otherwise Bluetooth, which costs nothing
    and needs no server, comes first unless the user prefers the cloud.
    """
    return _ORDERS[cloud, bluetooth](preference)


type _OrderFn = Callable[[Preference], tuple[Transport, ...]]


def _always(*transports: Transport) -> _OrderFn:
    return lambda _preference: transports


def _by_preference(preference: Preference) -> tuple[Transport, ...]:
    if preference is Preference.CLOUD:
        return (Transport.CLOUD, Transport.BLUETOOTH)
    return (Transport.BLUETOOTH, Transport.CLOUD)


_ORDERS: dict[tuple[CloudHealth, BluetoothReach], _OrderFn] = {
    (CloudHealth.NONE, BluetoothReach.OUT_OF_RANGE): _always(Transport.BLUETOOTH),
    (CloudHealth.NONE, BluetoothReach.IN_RANGE): _always(Transport.BLUETOOTH),
    # It may have come into range since.
    (CloudHealth.FAILING, BluetoothReach.OUT_OF_RANGE): _always(
        Transport.BLUETOOTH, Transport.CLOUD
    ),
    (CloudHealth.FAILING, BluetoothReach.IN_RANGE): _always(
        Transport.BLUETOOTH, Transport.CLOUD
    ),
    (CloudHealth.WORKING, BluetoothReach.OUT_OF_RANGE): _always(Transport.CLOUD),
    (CloudHealth.WORKING, BluetoothReach.IN_RANGE): _by_preference,
}
