"""How long data of a vehicle count as current, awake or asleep."""

from datetime import datetime, timedelta

# A confirmed state counts as current for so long, and unbroken sleep confirms it again.
CURRENT_FOR = timedelta(minutes=30)


def is_recent(at: datetime | None, utcnow: datetime) -> bool:
    """Return whether something confirmed at a time is still current."""
    return at is not None and abs(utcnow - at) <= CURRENT_FOR
