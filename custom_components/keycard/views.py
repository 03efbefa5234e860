"""What the entities show: typed views of the cloud, of a car, and of an event."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from .connection import Connection
from .outage.words import FROZEN, Judgement, Status
from .vehicle.keys import Key
from .vehicle.state import CarState

# What nothing but the cloud makes possible.
_OVER_CLOUD = frozenset({Connection.CLOUD, Connection.ASLEEP})


@dataclass(frozen=True, kw_only=True)
class CloudView:
    """What is shown of the cloud: what is known, or what a drill rehearses."""

    judgement: Judgement
    api_reachable: bool
    drill: bool = False


@dataclass(frozen=True, kw_only=True)
class CarView:
    """What is shown of one car: what is known, and what a drill rehearses.

    A state that is not `trusted` is too old to act on; one that is `restored` was not
    yet confirmed since the start. It is `reachable` as was known last, None if nobody
    knew since the start. `key_tried` (UTC) is when its owner last tried card or fob.
    """

    state: CarState | None
    trusted: bool
    restored: bool
    cloud_link: bool
    connection: Connection
    reachable: bool | None
    key_to_take: Key
    key_tried: datetime | None = None
    drill: bool = False


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
    if fails and real.connection in _OVER_CLOUD:
        return replace(shown, connection=Connection.MAKER_DOWN, reachable=False)
    return shown


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
