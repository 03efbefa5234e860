"""Readers of values that a cloud, or a file, may tell in any way."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from unicodedata import category

type JsonObject = Mapping[str, object]
type Reader = Callable[[object], object]


class _Missing(Enum):
    MISSING = "missing"


# A value that is not reported at all, not even as null.
MISSING = _Missing.MISSING

_EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_LONGEST_TEXT = 255  # what a state of Home Assistant holds

# What joins emoji, keeps letters of some scripts apart, and names a flag's region.
_JOINER = "\u200d"
_JOINING = frozenset({_JOINER, "\u200c", *map(chr, range(0xE0020, 0xE0080))})
_SKIN_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
# They print nothing by themselves.
_BLANK = " " + "".join(sorted(_JOINING - {"\U000e007f"}))


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


def integer(low: int, high: int) -> Callable[[object], int | None]:
    """Read a number within bounds, and round it."""
    any_number = number(low, high)

    def read(value: object) -> int | None:
        found = any_number(value)
        return None if found is None else round(found)

    return read


def hundredths(low: float, high: float) -> Callable[[object], float | None]:
    """Parse a number within bounds, reported as an integer of hundredths."""
    any_number = number(low, high)

    def read(value: object) -> float | None:
        return any_number(value / 100) if isinstance(value, int) else None

    return read


def one_of(*words: str) -> Callable[[object], str | None]:
    """Read one of some words."""
    return lambda value: value if isinstance(value, str) and value in words else None


def enum_map[T](names: Mapping[str, T]) -> Callable[[object], T | None]:
    """Read what a word of the cloud's stands for."""
    return lambda value: names.get(value) if isinstance(value, str) else None


def read_text(value: object) -> str | None:
    """Read a short text, without what does not print, and with emoji whole."""
    if not isinstance(value, str):
        return None
    clean = "".join(
        letter for letter in value if letter.isprintable() or letter in _JOINING
    ).strip(_BLANK)
    end = min(len(clean), _LONGEST_TEXT)
    while end < len(clean) and _goes_on(clean, end):
        end -= 1
    return clean[: end or _LONGEST_TEXT].strip(_BLANK) or None


def _goes_on(text: str, at: int) -> bool:
    """Return whether a letter belongs to the one before it."""
    return at > 0 and (
        text[at] in _JOINING
        or text[at - 1] == _JOINER
        or text[at] in _SKIN_TONES
        or category(text[at]).startswith("M")
    )


def read_names(value: object) -> frozenset[str]:
    """Read a list of names; what is none is left out."""
    if not isinstance(value, list):
        return frozenset()
    return frozenset(name for name in value if isinstance(name, str))


def read_version(value: object) -> str | None:
    """Read a version without the build hash behind it."""
    text = read_text(value)
    return None if text is None else text.split(" ", maxsplit=1)[0]


def parse_open(value: object) -> bool | None:
    """Read whether something is open or on, told as a level."""
    level = integer(0, 100)(value)
    return None if level is None else level > 0


def parse_multiple(value: object) -> bool | None:
    """Read whether there are several of something, told as their number."""
    count = integer(0, 100)(value)
    return None if count is None else count > 1


def has_kind(*, none: str) -> Callable[[object], bool | None]:
    """Parse whether there is something, reported as its kind or as `none`."""

    def read(value: object) -> bool | None:
        return None if (found := read_text(value)) is None else found != none

    return read


def kind(*, none: str) -> Callable[[object], str | None]:
    """Parse Tesla's name for a kind, None if it is reported as `none`."""

    def read(value: object) -> str | None:
        return None if (found := read_text(value)) == none else found

    return read


def timestamp(per_second: int) -> Callable[[object], datetime | None]:
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


milliseconds = timestamp(1000)
read_seconds = timestamp(1)
read_temperature = number(-90, 100)
read_year = integer(2008, 2100)


def section(car: JsonObject, name: str) -> JsonObject:
    """Return a part of what is told of a car, empty if it is missing."""
    found = car.get(name)
    return found if isinstance(found, Mapping) else {}


def lookup(json: JsonObject, path: str) -> object:
    """Return the value at a dotted path, MISSING if there is none."""
    *parents, key = path.split(".")
    for name in parents:
        json = section(json, name)
    return json.get(key, MISSING)
