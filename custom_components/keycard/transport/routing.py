"""Which link serves a command: decided here, before it is sent."""

from collections.abc import Callable
from enum import StrEnum


class Way(StrEnum):
    """A link to a car."""

    CLOUD = "cloud"
    BLUETOOTH = "bluetooth"


class Preference(StrEnum):
    """Which link an owner wants to serve where both would."""

    CHEAPEST = "cheapest"
    CLOUD = "cloud"


class CloudHealth(StrEnum):
    """How far the cloud can be relied on for a car."""

    NONE = "none"
    FAILS = "fails"
    WORKS = "works"


class Nearness(StrEnum):
    """Whether a car can be reached over Bluetooth."""

    AWAY = "away"
    NEAR = "near"


def ways(cloud: CloudHealth, near: Nearness, preference: Preference) -> tuple[Way, ...]:
    """Return the links to a car, the one that serves first.

    The next one serves only if the car has surely not got the command over the first.
    A link that is known to fail comes last, and Bluetooth, which costs nothing and does
    not need anybody, first, unless the owner wants it otherwise.
    """
    return _WAYS[cloud, near](preference)


type _Choice = Callable[[Preference], tuple[Way, ...]]


def _always(*found: Way) -> _Choice:
    return lambda _preference: found


def _as_wanted(preference: Preference) -> tuple[Way, ...]:
    if preference is Preference.CLOUD:
        return (Way.CLOUD, Way.BLUETOOTH)
    return (Way.BLUETOOTH, Way.CLOUD)


_WAYS: dict[tuple[CloudHealth, Nearness], _Choice] = {
    (CloudHealth.NONE, Nearness.AWAY): _always(Way.BLUETOOTH),
    (CloudHealth.NONE, Nearness.NEAR): _always(Way.BLUETOOTH),
    # It costs nothing to look whether it has come into range since.
    (CloudHealth.FAILS, Nearness.AWAY): _always(Way.BLUETOOTH, Way.CLOUD),
    (CloudHealth.FAILS, Nearness.NEAR): _always(Way.BLUETOOTH, Way.CLOUD),
    (CloudHealth.WORKS, Nearness.AWAY): _always(Way.CLOUD),
    (CloudHealth.WORKS, Nearness.NEAR): _as_wanted,
}
