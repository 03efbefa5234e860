"""Moves of an account from one region's host to another."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
import re

# One move an hour, and none back to where one came from within a day.
MOVE_EVERY = timedelta(hours=1)
NEVER_BACK_WITHIN = timedelta(days=1)

_URL = re.compile(r"https?://[\w.:\[\]-]+", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Move:
    """A move away from a host (`left`, its base URL), at a time (UTC)."""

    left: str
    at: datetime


def redirect_host(refusal: str, hosts: Collection[str], *, current: str) -> str | None:
    """Return which of the `hosts` the body of a 421 names, beside the current one.

    Only those of Tesla's own regions are handed in: a token is shown to nobody else.
    """
    named = {url.rstrip("./,:").lower() for url in _URL.findall(refusal)}
    found = [host for host in hosts if host.lower() in named and host != current]
    return found[0] if len(found) == 1 else None


def may_move(to: str, moves: Iterable[Move], now: datetime) -> bool:
    """Return whether an account may move to a host now (UTC).

    A move of the future was made before the clock was set back: it counts as just made.
    """
    for move in moves:
        age = max(now - move.at, timedelta())
        if age < MOVE_EVERY or (move.left == to and age < NEVER_BACK_WITHIN):
            return False
    return True


def recent_moves(moves: Iterable[Move], now: datetime) -> list[Move]:
    """Return the moves that still forbid something."""
    return [move for move in moves if now - move.at < NEVER_BACK_WITHIN]
