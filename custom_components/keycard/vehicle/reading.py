"""Readers of values that a cloud, or a file, may tell in any way."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

type JsonObject = Mapping[str, object]
type Reader = Callable[[object], object]

_EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_LONGEST_TEXT = 255  # what a state of Home Assistant holds


def read_flag(value: object) -> bool | None:
    """Read a plain yes or no."""
    return value if isinstance(value, bool) else None


def number(low: float, high: float) -> Callable[[object], float | None]:
    """Read a number within bounds."""

    def read(value: object) -> float | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if low <= value <= high else None

    return read


def whole(low: int, high: int) -> Callable[[object], int | None]:
    """Read a number within bounds, and round it."""
    any_number = number(low, high)

    def read(value: object) -> int | None:
        found = any_number(value)
        return None if found is None else round(found)

    return read


def one_of(*words: str) -> Callable[[object], str | None]:
    """Read one of some words."""
    return lambda value: value if isinstance(value, str) and value in words else None


def named[T](names: Mapping[str, T]) -> Callable[[object], T | None]:
    """Read what a word of the cloud's stands for."""
    return lambda value: names.get(value) if isinstance(value, str) else None


def read_text(value: object) -> str | None:
    """Read a short text, without what does not print."""
    if not isinstance(value, str):
        return None
    clean = "".join(letter for letter in value if letter.isprintable()).strip()
    return clean[:_LONGEST_TEXT] or None


def read_names(value: object) -> frozenset[str]:
    """Read a list of names; what is none is left out."""
    if not isinstance(value, list):
        return frozenset()
    return frozenset(name for name in value if isinstance(name, str))


def read_version(value: object) -> str | None:
    """Read a version without the build hash behind it."""
    text = read_text(value)
    return None if text is None else text.split(" ", maxsplit=1)[0]


def read_level(value: object) -> bool | None:
    """Read whether something is open or on, told as a level."""
    level = whole(0, 100)(value)
    return None if level is None else level > 0


def read_several(value: object) -> bool | None:
    """Read whether there are several of something, told as their number."""
    count = whole(0, 100)(value)
    return None if count is None else count > 1


def read_cable(value: object) -> bool | None:
    """Read whether there is a cable, told as its kind."""
    return None if (kind := read_text(value)) is None else kind != "<invalid>"


def read_kind(value: object) -> str | None:
    """Read the maker's word for a kind of thing, if there is one at all."""
    return None if (kind := read_text(value)) == "<invalid>" else kind


def moment(per_second: int) -> Callable[[object], datetime | None]:
    """Read a time since the epoch, told in parts of a second."""
    any_number = number(
        _EARLIEST.timestamp() * per_second, _LATEST.timestamp() * per_second
    )

    def read(value: object) -> datetime | None:
        found = any_number(value)
        return (
            None if found is None else datetime.fromtimestamp(found / per_second, UTC)
        )

    return read


def read_moment(value: object) -> datetime | None:
    """Read a stored time."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return None if found is None or found.tzinfo is None else found


milliseconds = moment(1000)
read_seconds = moment(1)
read_temperature = number(-90, 100)
read_year = whole(2008, 2100)


def section(car: JsonObject, name: str) -> JsonObject:
    """Return a part of what is told of a car, empty if it is missing."""
    found = car.get(name)
    return found if isinstance(found, Mapping) else {}
