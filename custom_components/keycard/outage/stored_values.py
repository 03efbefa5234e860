"""Validation of stored data."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import NoneType, UnionType
from typing import (
    Any,
    TypeAliasType,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
    override,
)

# Errors that invalid stored data raise.
INVALID_DATA_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)

# Stored failures are valid for so long.
LONGEST_GAP = timedelta(days=1)

_LARGEST = 1e12
_YEARS = range(1970, 2200)


def check_type(value: object, form: object, name: str = "it") -> None:
    """Raise a ValueError unless a JSON value is of a type.

    `form` is a TypedDict, or consists of `list`, `dict`, unions and plain types. Extra
    keys, as of a newer version, are allowed.
    """
    if isinstance(form, TypeAliasType):
        form = form.__value__
    origin, arguments = get_origin(form), get_args(form)
    if is_typeddict(form):
        _check_fields(value, form, name)
    elif origin is UnionType:
        if not any(_fits(value, one) for one in arguments):
            raise _invalid_format(name)
    elif origin is list and isinstance(value, list):
        for item in value:
            check_type(item, arguments[0], f"an item of {name}")
    elif origin is dict and isinstance(value, dict):
        for item in value.values():
            check_type(item, arguments[1], f"an item of {name}")
    elif not _is_plain(value, form):
        raise _invalid_format(name)


def _check_fields(value: object, form: Any, name: str) -> None:
    if not isinstance(value, Mapping):
        raise _invalid_format(name)
    if missing := sorted(form.__required_keys__ - value.keys()):
        raise ValueError(f"{missing[0]} is missing")
    for key, hint in get_type_hints(form).items():
        if key in value:
            check_type(value[key], hint, key)


def _invalid_format(name: str) -> ValueError:
    return ValueError(f"{name} has an invalid format")


def _fits(value: object, form: object) -> bool:
    try:
        check_type(value, form)
    except ValueError:
        return False
    return True


def _is_plain(value: object, form: object) -> bool:
    if form in (object, Any):
        return True
    if form in (None, NoneType):
        return value is None
    if isinstance(value, bool) or form is bool:
        return isinstance(value, bool) and form is bool
    if form is float:
        return isinstance(value, int | float) and -_LARGEST < value < _LARGEST
    return isinstance(form, type) and isinstance(value, form)


def parse_stored_time(text: str) -> datetime:
    """Parse a stored time; raise a ValueError if it is invalid."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or at.year not in _YEARS:
        raise ValueError("a time has an invalid format")
    return at


class Skipped:
    """Skipped parts of stored data, with reasons."""

    def __init__(self) -> None:
        """Initialize without skipped parts."""
        self._reasons: dict[str, str] = {}

    @contextmanager
    def part(self, name: str) -> Generator[None]:
        """Skip a part that is invalid."""
        try:
            yield
        except INVALID_DATA_ERRORS as err:
            self._reasons.setdefault(name, describe_error(err))

    def __bool__(self) -> bool:
        return bool(self._reasons)

    @override
    def __str__(self) -> str:
        skipped = (f"{name} ({reason})" for name, reason in self._reasons.items())
        return ", ".join(skipped)


def describe_error(err: Exception) -> str:
    """Describe why stored data were skipped, without quoting them."""
    known = type(err) is ValueError and str(err).endswith(("format", "missing"))
    return str(err) if known else type(err).__name__
