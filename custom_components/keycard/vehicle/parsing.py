"""Parsers of untrusted values; they return None for invalid ones."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from unicodedata import category

type JsonObject = Mapping[str, object]
type Parser = Callable[[object], object]


class _Missing(Enum):
    MISSING = "missing"


# A value that is absent, not even null.
MISSING = _Missing.MISSING

_MIN_DATETIME = datetime(2010, 1, 1, tzinfo=UTC)
_MAX_DATETIME = datetime(2200, 1, 1, tzinfo=UTC)
_MAX_TEXT_LENGTH = 255  # limit of a Home Assistant state

# Zero-width joiner and non-joiner, and the tags of regional flags.
_ZERO_WIDTH_JOINER = "\u200d"
_JOINERS = frozenset({_ZERO_WIDTH_JOINER, "\u200c", *map(chr, range(0xE0020, 0xE0080))})
_SKIN_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
# Not printed by themselves.
_INVISIBLE = " " + "".join(sorted(_JOINERS - {"\U000e007f"}))


def parse_bool(value: object) -> bool | None:
    """Parse a boolean."""
    return value if isinstance(value, bool) else None


def number(low: float, high: float) -> Callable[[object], float | None]:
    """Return a parser of numbers within bounds."""

    def parse(value: object) -> float | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if low <= value <= high else None

    return parse


def integer(low: int, high: int) -> Callable[[object], int | None]:
    """Return a parser that rounds numbers within bounds."""
    parse_number = number(low, high)

    def parse(value: object) -> int | None:
        found = parse_number(value)
        return None if found is None else round(found)

    return parse


def hundredths(low: float, high: float) -> Callable[[object], float | None]:
    """Return a parser of numbers reported as an integer of hundredths."""
    parse_number = number(low, high)

    def parse(value: object) -> float | None:
        return parse_number(value / 100) if isinstance(value, int) else None

    return parse


def one_of(*options: str) -> Callable[[object], str | None]:
    """Return a parser of one of some strings."""
    return lambda value: value if isinstance(value, str) and value in options else None


def enum_map[T](values: Mapping[str, T]) -> Callable[[object], T | None]:
    """Return a parser that maps strings to values."""
    return lambda value: values.get(value) if isinstance(value, str) else None


def parse_text(value: object) -> str | None:
    """Parse a text; drop unprintable characters and shorten it between characters."""
    if not isinstance(value, str):
        return None
    if not value.isprintable():
        value = "".join(
            character
            for character in value
            if character.isprintable() or character in _JOINERS
        )
    clean = value.strip(_INVISIBLE)
    end = min(len(clean), _MAX_TEXT_LENGTH)
    while end < len(clean) and _continues_character(clean, end):
        end -= 1
    return clean[: end or _MAX_TEXT_LENGTH].strip(_INVISIBLE) or None


def _continues_character(text: str, index: int) -> bool:
    """Return whether a code point belongs to the character before it."""
    return index > 0 and (
        text[index] in _JOINERS
        or text[index - 1] == _ZERO_WIDTH_JOINER
        or text[index] in _SKIN_TONES
        or category(text[index]).startswith("M")
    )


def parse_names(value: object) -> frozenset[str]:
    """Parse a list of names, ignoring other items."""
    if not isinstance(value, list):
        return frozenset()
    return frozenset(name for name in value if isinstance(name, str))


def parse_version(value: object) -> str | None:
    """Parse a version without its build hash."""
    text = parse_text(value)
    return None if text is None else text.split(" ", maxsplit=1)[0]


_parse_level = integer(0, 100)


def parse_open(value: object) -> bool | None:
    """Parse whether something is open or on, reported as a level."""
    level = _parse_level(value)
    return None if level is None else level > 0


def parse_multiple(value: object) -> bool | None:
    """Parse whether there is more than one, reported as a count."""
    count = _parse_level(value)
    return None if count is None else count > 1


def has_kind(*, none_value: str) -> Callable[[object], bool | None]:
    """Return a parser of whether a kind other than `none_value` is reported."""

    def parse(value: object) -> bool | None:
        return None if (found := parse_text(value)) is None else found != none_value

    return parse


def kind(*, none_value: str) -> Callable[[object], str | None]:
    """Return a parser of Tesla's name of a kind, None for `none_value`."""

    def parse(value: object) -> str | None:
        return None if (found := parse_text(value)) == none_value else found

    return parse


def timestamp(ticks_per_second: int) -> Callable[[object], datetime | None]:
    """Return a parser of times since the epoch in fractions of a second."""
    any_number = number(
        _MIN_DATETIME.timestamp() * ticks_per_second,
        _MAX_DATETIME.timestamp() * ticks_per_second,
    )

    def parse(value: object) -> datetime | None:
        found = any_number(value)
        return (
            None
            if found is None
            else datetime.fromtimestamp(found / ticks_per_second, UTC)
        )

    return parse


def parse_datetime(value: object) -> datetime | None:
    """Parse a stored ISO 8601 time with a time zone."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return None if moment is None or moment.tzinfo is None else moment


parse_milliseconds = timestamp(1000)
parse_seconds = timestamp(1)
parse_temperature = number(-90, 100)
parse_year = integer(2008, 2100)


def section(json: JsonObject, name: str) -> JsonObject:
    """Return an object by name, empty if it is missing."""
    value = json.get(name)
    return value if isinstance(value, dict) else {}


def lookup(json: JsonObject, path: str) -> object:
    """Return the value at a dotted path, MISSING if there is none."""
    *parents, key = path.split(".")
    for name in parents:
        json = section(json, name)
    return json.get(key, MISSING)
