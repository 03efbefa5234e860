"""What the entities show: typed views of the cloud, of a car, and of an event."""

from collections.abc import Mapping
from dataclasses import dataclass

from .connection import Connection
from .outage.words import FROZEN, Judgement, Status
from .vehicle.keys import Key
from .vehicle.state import CarState


@dataclass(frozen=True, kw_only=True)
class CloudView:
    """What is known of the cloud."""

    judgement: Judgement
    api_reachable: bool


@dataclass(frozen=True, kw_only=True)
class CarView:
    """What is known of one car.

    A state that is not `trusted` is too old to act on; one that is `restored` was not
    yet confirmed since the start. It is `reachable` as was known last, None if nobody
    knew since the start.
    """

    state: CarState | None
    trusted: bool
    restored: bool
    cloud_link: bool
    connection: Connection
    reachable: bool | None
    key_to_take: Key


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
