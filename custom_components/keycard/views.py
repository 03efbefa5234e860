"""What the entities show: typed views of the cloud, of a car, and of an event."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from .connection import Connection
from .outage.words import FROZEN, Judgement, Status
from .vehicle.keys import Key
from .vehicle.state import CarState
from .vehicle.ways import Way


@dataclass(frozen=True, kw_only=True)
class CloudView:
    """What is known of the cloud."""

    judgement: Judgement
    api_reachable: bool


@dataclass(frozen=True, kw_only=True)
class NearView:
    """How a car is heard over Bluetooth.

    `signal` is in dBm, `heard_at` is UTC; both are None until it was heard. Whether the
    car takes the key is None until it said so.
    """

    near: bool
    signal: int | None = None
    heard_at: datetime | None = None
    key_known: bool | None = None


@dataclass(frozen=True, kw_only=True)
class CarView:
    """What is known of one car.

    A state that is not `trusted` is too old to act on, but for the fields that are
    `fresh`: Bluetooth has told them. One that is `restored` was not yet confirmed since
    the start. It is `reachable` as was known last, None if nobody knew since the start.
    """

    state: CarState | None
    trusted: bool
    restored: bool
    fresh: frozenset[str] = frozenset()
    told_at: datetime | None = None
    """When the car told something last, over any link (UTC)."""

    source: Way | None = None
    """The link over which it did."""

    cloud_link: bool
    connection: Connection
    cloud: Connection | None = None
    """How the cloud reaches it, None without an account."""

    reachable: bool | None
    key_to_take: Key
    bluetooth: NearView | None = None
    """None for a car without a Bluetooth key."""

    @property
    def known(self) -> CarState | None:
        """Return what is known to hold now, None if nothing is."""
        if self.trusted or self.state is None:
            return self.state
        return self.state.only(self.fresh) if self.fresh else None


@dataclass(frozen=True, kw_only=True)
class OutageEvent:
    """What happened, and how an owner is told; `keys` are by the name of a car."""

    kind: str
    notice: str
    title: str
    text: str
    judgement: Judgement
    keys: Mapping[str, Key]


def key_to_take(judgement: Judgement, car: str, *, owned: Key, before: Key) -> Key:
    """Say which key an owner should take for a car.

    `owned` is what the car has beside the phone, `before` what was said last.
    """
    if judgement.status in FROZEN:
        return before
    if judgement.status in (Status.OUTAGE, Status.SIGN_IN_OUTAGE):
        return owned
    hit = judgement.affected is None or car in judgement.affected
    if judgement.status is Status.DEGRADED and hit:
        return owned
    return Key.USUAL
