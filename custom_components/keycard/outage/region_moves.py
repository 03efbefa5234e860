"""Moves of an account from one region's host to another."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
import re

# At most one move per hour, and none back to an earlier host within a day.
MOVE_EVERY = timedelta(hours=1)
NEVER_BACK_WITHIN = timedelta(days=1)

_URL = re.compile(r"https?://[\w.:\[\]-]+", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Move:
    """A move away from a host (`left`, its base URL), at a time (UTC)."""

    left: str
    at: datetime


def redirect_host(refusal: str, hosts: Collection[str], *, current: str) -> str | None:
    """Return the other one of `hosts` that the body of a 421 names.

    `hosts` must be Tesla's own, as the token is sent to the returned one.
    """
    named = {url.rstrip("./,:").lower() for url in _URL.findall(refusal)}
    found = [host for host in hosts if host.lower() in named and host != current]
    return found[0] if len(found) == 1 else None


def may_move(to: str, moves: Iterable[Move], utcnow: datetime) -> bool:
    """Return whether an account may move to a host now (UTC).

    A move in the future, before the clock was set back, counts as one just made.
    """
    for move in moves:
        age = max(utcnow - move.at, timedelta())
        if age < MOVE_EVERY or (move.left == to and age < NEVER_BACK_WITHIN):
            return False
    return True


def recent_moves(moves: Iterable[Move], utcnow: datetime) -> list[Move]:
    """Return the moves that still restrict others.

    Those of a clock that was more than a day ahead would do so for too long.
    """
    return [move for move in moves if abs(utcnow - move.at) < NEVER_BACK_WITHIN]
