"""Keeps secrets, VINs and places out of the log of `tesla-fleet-api`."""

from collections.abc import Iterator
import logging
import re
from typing import override

REDACTED = "**REDACTED**"

# The library, and who connects for it: it names each connection by the VIN.
_LOGGERS = ("tesla_fleet_api", "bleak_retry_connector")

# Words of a name whose value is nobody's business, and whole names.
_PRIVATE = frozenset(
    "address authorization code destination email latitude lat location longitude lon"
    " password pin secret ssid token tokens vin".split()
)
_PRIVATE_PAIRS = ("display_name", "site_name", "vehicle_name")
_PRIVATE_NAMES = frozenset({"id", "id_s", "user_id", "vehicle_id"})

# Every pattern begins at a boundary, or is bounded: a text of any kind takes time by
# its length only.
_NAME = re.compile(
    r"(?<![A-Za-z0-9_])([A-Za-z_][A-Za-z0-9_]{0,79})(\\{0,3}[\"']?\s{0,3}[:=]\s{0,3})"
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SCALAR = re.compile(r"[^\s,;&}\])]+")
_STRINGS = {
    quote: re.compile(rf"(?:[^\\{quote}]|\\.)*+", re.DOTALL) for quote in ('"', "'")
}
_BRACKETS = {"[": "]", "{": "}"}

_BEARER = re.compile(r"(?i)(?<![a-z0-9])(bearer\s{1,3})[^\s'\",]+")
_JWT = re.compile(r"(?<![\w-])eyJ[\w-]+(?:\.[\w-]+)+")
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_PIN = re.compile(
    r"(?i)(?<![a-z0-9])(pin(?![a-z0-9])[^0-9\n]{0,16})[0-9]{4,8}(?![0-9])"
)
_PLACE = re.compile(
    r"(?<![\w.])-?[0-9]{1,3}\.[0-9]{2,18}\s{0,2},\s{0,2}-?[0-9]{1,3}\.[0-9]{2,18}"
)
# What a car advertises is made of its VIN.
_ADVERTISED = re.compile(r"(?<![A-Za-z0-9])S[0-9a-f]{16}C(?![A-Za-z0-9])")
_VIN = re.compile(
    r"(?i)(?<![a-z0-9])(?=[a-z]{0,16}[0-9])[a-hj-npr-z0-9]{17}(?![a-z0-9])"
    # Among bytes that are written out it has no boundary.
    r"|(?:5YJ|7SA|7G2|LRW|XP7|SFZ)[a-hj-npr-z0-9]{14}"
)
# A token that nobody can read: long, of letters and digits.
_OPAQUE = re.compile(r"(?<![\w~+-])[\w~+-]{20,}={0,2}")


def redact(text: str) -> str:
    """Return a text without secrets, VINs and places.

    It may be JSON, Python, the text of a protobuf message, or free.
    """
    text = _BEARER.sub(rf"\1{REDACTED}", text)
    text = "".join(_without_values(text))
    text = _JWT.sub(REDACTED, text)
    text = _EMAIL.sub(REDACTED, text)
    text = _PIN.sub(rf"\1{REDACTED}", text)
    text = _PLACE.sub(REDACTED, text)
    return _OPAQUE.sub(_without_token, redact_vins(text))


def redact_vins(text: str) -> str:
    """Return a text without VINs, and without what is made of them."""
    return _ADVERTISED.sub(REDACTED, _VIN.sub(REDACTED, text))


def _without_token(found: re.Match[str]) -> str:
    word = found[0]
    digits = sum(map(str.isdigit, word))
    return REDACTED if digits and any(map(str.isalpha, word)) else word


def _without_values(text: str) -> Iterator[str]:
    """Return the pieces of a text whose private values are replaced."""
    at = 0
    while (found := _NAME.search(text, at)) is not None:
        yield text[at : found.end()]
        at = found.end()
        if _is_private(found[1]) and (end := _end_of_value(text, at)) > at:
            value = text[at:end]
            quoted = '"' in found[2] or "'" in found[2]
            if value.lower() == "bearer" or value.startswith(REDACTED):
                continue
            yield f"'{REDACTED}'" if quoted else REDACTED
            at = end
    yield text[at:]


def _is_private(name: str) -> bool:
    if name.lower() in _PRIVATE_NAMES:
        return True
    words = _HUMP.sub("_", name).lower()
    return not _PRIVATE.isdisjoint(words.split("_")) or any(
        pair in words for pair in _PRIVATE_PAIRS
    )


def _end_of_value(text: str, at: int) -> int:
    """Return where the value ends that begins at a place."""
    first = text[at : at + 1]
    if first == "\\" and text[at + 1 : at + 2] in _STRINGS:
        # A string within a string ends with the same two letters.
        end = text.find(text[at : at + 2], at + 2)
        return len(text) if end < 0 else end + 2
    if first in _STRINGS:
        found = _STRINGS[first].match(text, at + 1)
        return min(len(text), (found.end() if found else at) + 1)
    if first in _BRACKETS:
        return _end_of_brackets(text, at)
    found = _SCALAR.match(text, at)
    return found.end() if found else at


def _end_of_brackets(text: str, at: int) -> int:
    waiting: list[str] = []
    while at < len(text):
        letter = text[at]
        if letter in _STRINGS and (found := _STRINGS[letter].match(text, at + 1)):
            at = found.end()
        elif letter in _BRACKETS:
            waiting.append(_BRACKETS[letter])
        elif waiting and letter == waiting[-1]:
            waiting.pop()
            if not waiting:
                return at + 1
        at += 1
    return len(text)


class _RedactionFilter(logging.Filter):
    """Rewrites each record before a handler sees it."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = redact(record.getMessage())
        record.args = None
        if record.exc_info:
            # The exception itself goes, too: others would write it out again.
            text = logging.Formatter().formatException(record.exc_info)
            record.exc_text, record.exc_info = redact(text), None
        return True


_redaction = _RedactionFilter()


def redact_library_log() -> None:
    """Redact what the library logs from now on; once is enough."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_redaction)
