"""What the entities show: typed views of the cloud, of a car, and of an event."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from ..outage.models import FROZEN, Judgement, Status
from ..transport.routing import Way
from ..vehicle.keys import Key
from ..vehicle.state import CarState, Presence
from .connection import OVER_CLOUD, REACHED, Connection, over_all


@dataclass(frozen=True, kw_only=True)
class CloudView:
    """What is shown of the cloud: what is known, or what a drill rehearses."""

    judgement: Judgement
    api_reachable: bool
    drill: bool = False


@dataclass(frozen=True, kw_only=True)
class NearView:
    """How a car is heard over Bluetooth.

    `signal` is in dBm, `heard_at` is UTC; both are None until it was heard. `key_lost`
    tells whether the car seems to have lost the key. What comes over Bluetooth is
    `provisional` while it rests on a public key that was first seen there.
    """

    near: bool
    signal: int | None = None
    heard_at: datetime | None = None
    key_lost: bool = False
    provisional: bool = False
    infotainment_answers: bool | None = None
    """Whether infotainment answers, too, None until it was talked to."""

    @property
    def usable(self) -> bool:
        """Return whether the car can be told something over Bluetooth."""
        return self.near and not self.key_lost


@dataclass(frozen=True, kw_only=True)
class CarView:
    """What is shown of one car: what is known, and what a drill rehearses.

    Of a state that is not `trusted`, what may have changed since is unknown, but for
    the fields that are `fresh`. Presence is known if `presence_told`. One that is
    `restored` was not yet confirmed since the start. It is `reachable` as was known
    last, None if nobody knew since the start. `key_tried` (UTC) is when its owner last
    tried card or fob.
    """

    state: CarState | None
    trusted: bool
    restored: bool
    fresh: frozenset[str] = frozenset()
    presence_told: bool = True
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
    key_tried: datetime | None = None
    drill: bool = False
    bluetooth: NearView | None = None
    """None for a car without a Bluetooth key."""

    @property
    def provisional(self) -> bool:
        """Return whether what is known rests on a key first seen over Bluetooth."""
        bluetooth = self.bluetooth
        return bluetooth is not None and bluetooth.provisional and bool(self.fresh)

    @property
    def known(self) -> CarState | None:
        """Return what is known of the car, None if nothing is."""
        state = self.state
        if state is None:
            return None
        if not self.presence_told:
            state = replace(state, presence=Presence.UNKNOWN)
        return state if self.trusted else state.confirmed(self.fresh)

    def holds(self, name: str) -> bool:
        """Return whether a field was confirmed so lately that it holds now."""
        return self.trusted or name in self.fresh


@dataclass(frozen=True, kw_only=True)
class OutageEvent:
    """What happened, and how an owner is told; `keys` are by the name of a car."""

    kind: str
    notice: str
    title: str
    text: str
    judgement: Judgement
    keys: Mapping[str, Key]
    drill: bool = False


def key_to_take(judgement: Judgement, car: str, *, owned: Key, before: Key) -> Key:
    """Say which key an owner should take for a car.

    `owned` is what the car has beside the phone, `before` what was said last.
    """
    if judgement.status in FROZEN:
        return before
    if judgement.status in (Status.OUTAGE, Status.SIGN_IN_OUTAGE):
        return owned
    if judgement.status is Status.DEGRADED and _hits(judgement, car):
        return owned
    return Key.USUAL


def rehearsed_cloud(real: CloudView, judgement: Judgement) -> CloudView:
    """Show a cloud as a drill has it."""
    return replace(
        real,
        judgement=judgement,
        api_reachable=real.api_reachable and judgement.status is not Status.OUTAGE,
        drill=True,
    )


def rehearsed_car(
    real: CarView, judgement: Judgement, car: str, *, owned: Key
) -> CarView:
    """Show a car as a drill has it; what the car itself tells stays as it is."""
    key = key_to_take(judgement, car, owned=owned, before=real.key_to_take)
    shown = replace(real, key_to_take=key, drill=True)
    fails = judgement.status is Status.OUTAGE or (
        judgement.status is Status.DEGRADED and _hits(judgement, car)
    )
    if not fails or real.cloud not in OVER_CLOUD:
        return shown
    connection = over_all(
        Connection.MAKER_DOWN,
        near=real.bluetooth is not None and real.bluetooth.usable,
    )
    return replace(
        shown,
        cloud=Connection.MAKER_DOWN,
        connection=connection,
        reachable=connection in REACHED,
    )


def keys_by_name(cars: Iterable[tuple[str, Key]]) -> dict[str, Key]:
    """Return the keys to take by the names of the cars."""
    keys: dict[str, Key] = {}
    for name, key in cars:
        # Of two cars with one name, the one that wants a key counts.
        if keys.get(name, Key.USUAL) is Key.USUAL:
            keys[name] = key
    return keys


def _hits(judgement: Judgement, car: str) -> bool:
    return judgement.affected is None or car in judgement.affected
