"""Which link serves a command: decided here, before it is sent."""

from collections.abc import Callable
from enum import StrEnum

from ..vehicle.state import Transport


class Preference(StrEnum):
    """Which link an owner wants to serve where both would."""

    CHEAPEST = "cheapest"
    CLOUD = "cloud"


class CloudHealth(StrEnum):
    """How far the cloud can be relied on for a car."""

    NONE = "none"
    FAILS = "fails"
    WORKS = "works"


class BluetoothReach(StrEnum):
    """Whether a car can be reached over Bluetooth."""

    AWAY = "away"
    NEAR = "near"


def transport_order(
    cloud: CloudHealth, near: BluetoothReach, preference: Preference
) -> tuple[Transport, ...]:
    """Return the links to a car, the one that serves first.

    The next one serves only if the car has surely not got the command over the first.
    A link that is known to fail comes last, and Bluetooth, which costs nothing and does
    not need anybody, first, unless the owner wants it otherwise.
    """
    return _WAYS[cloud, near](preference)


type _Choice = Callable[[Preference], tuple[Transport, ...]]


def _always(*found: Transport) -> _Choice:
    return lambda _preference: found


def _as_wanted(preference: Preference) -> tuple[Transport, ...]:
    if preference is Preference.CLOUD:
        return (Transport.CLOUD, Transport.BLUETOOTH)
    return (Transport.BLUETOOTH, Transport.CLOUD)


_WAYS: dict[tuple[CloudHealth, BluetoothReach], _Choice] = {
    (CloudHealth.NONE, BluetoothReach.AWAY): _always(Transport.BLUETOOTH),
    (CloudHealth.NONE, BluetoothReach.NEAR): _always(Transport.BLUETOOTH),
    # It costs nothing to look whether it has come into range since.
    (CloudHealth.FAILS, BluetoothReach.AWAY): _always(
        Transport.BLUETOOTH, Transport.CLOUD
    ),
    (CloudHealth.FAILS, BluetoothReach.NEAR): _always(
        Transport.BLUETOOTH, Transport.CLOUD
    ),
    (CloudHealth.WORKS, BluetoothReach.AWAY): _always(Transport.CLOUD),
    (CloudHealth.WORKS, BluetoothReach.NEAR): _as_wanted,
}
