"""Redaction of secrets, VINs and locations in the log of `tesla-fleet-api`."""

from collections.abc import Iterator
import logging
import re
from typing import override

REDACTED = "**REDACTED**"

# The library, and its Bluetooth connector, which logs VINs.
_LOGGERS = ("tesla_fleet_api", "bleak_retry_connector")

# Words in names of private values, and whole names.
_PRIVATE_WORDS = frozenset(
    "address authorization code destination email latitude lat location longitude lon"
    " password pin secret ssid token tokens vin".split()
)
_PRIVATE_PAIRS = ("display_name", "site_name", "vehicle_name")
_PRIVATE_NAMES = frozenset({"id", "id_s", "user_id", "vehicle_id"})

# Every pattern starts at a boundary or is bounded, so that matching takes linear time.
_NAME = re.compile(
    r"(?<![A-Za-z0-9_])([A-Za-z_][A-Za-z0-9_]{0,79})(\\{0,3}[\"']?\s{0,3}[:=]\s{0,3})"
)
_CAMEL_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
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
_COORDINATES = re.compile(
    r"(?<![\w.])-?[0-9]{1,3}\.[0-9]{2,18}\s{0,2},\s{0,2}-?[0-9]{1,3}\.[0-9]{2,18}"
)
# The advertised Bluetooth name is derived from the VIN.
_ADVERTISED_NAME = re.compile(r"(?<![A-Za-z0-9])S[0-9a-f]{16}C(?![A-Za-z0-9])")
_VIN = re.compile(
    r"(?i)(?<![a-z0-9])(?=[a-z]{0,16}[0-9])[a-hj-npr-z0-9]{17}(?![a-z0-9])"
    # In a bytes literal it has no boundary.
    r"|(?:5YJ|7SA|7G2|LRW|XP7|SFZ)[a-hj-npr-z0-9]{14}"
)
# A long token of letters and digits.
_OPAQUE_TOKEN = re.compile(r"(?<![\w~+-])[\w~+-]{20,}={0,2}")


def redact(text: str) -> str:
    """Return a text without secrets, VINs and locations.

    It may be JSON, Python, a protobuf message as text, or free text.
    """
    text = _BEARER.sub(rf"\1{REDACTED}", text)
    text = "".join(_redact_values(text))
    text = _JWT.sub(REDACTED, text)
    text = _EMAIL.sub(REDACTED, text)
    text = _PIN.sub(rf"\1{REDACTED}", text)
    text = _COORDINATES.sub(REDACTED, text)
    return _OPAQUE_TOKEN.sub(_redact_token, redact_vins(text))


def redact_vins(text: str) -> str:
    """Return a text without VINs and Bluetooth names derived from them."""
    return _ADVERTISED_NAME.sub(REDACTED, _VIN.sub(REDACTED, text))


def _redact_token(match: re.Match[str]) -> str:
    token = match[0]
    digits = sum(map(str.isdigit, token))
    return REDACTED if digits and any(map(str.isalpha, token)) else token


def _redact_values(text: str) -> Iterator[str]:
    """Yield the parts of a text with private values replaced."""
    position = 0
    while (match := _NAME.search(text, position)) is not None:
        yield text[position : match.end()]
        position = match.end()
        if _is_private(match[1]) and (end := _end_of_value(text, position)) > position:
            value = text[position:end]
            quoted = '"' in match[2] or "'" in match[2]
            if value.lower() == "bearer" or value.startswith(REDACTED):
                continue
            yield f"'{REDACTED}'" if quoted else REDACTED
            position = end
    yield text[position:]


def _is_private(name: str) -> bool:
    if name.lower() in _PRIVATE_NAMES:
        return True
    name_words = _CAMEL_CASE.sub("_", name).lower()
    return not _PRIVATE_WORDS.isdisjoint(name_words.split("_")) or any(
        pair in name_words for pair in _PRIVATE_PAIRS
    )


def _end_of_value(text: str, start: int) -> int:
    """Return the end of the value that starts at an index."""
    opening = text[start : start + 1]
    if opening == "\\" and text[start + 1 : start + 2] in _STRINGS:
        # A string within a string ends with the same two characters.
        end = text.find(text[start : start + 2], start + 2)
        return len(text) if end < 0 else end + 2
    if opening in _STRINGS:
        match = _STRINGS[opening].match(text, start + 1)
        return min(len(text), (match.end() if match else start) + 1)
    if opening in _BRACKETS:
        return _end_of_brackets(text, start)
    match = _SCALAR.match(text, start)
    return match.end() if match else start


def _end_of_brackets(text: str, index: int) -> int:
    closing: list[str] = []
    while index < len(text):
        character = text[index]
        if character in _STRINGS and (
            match := _STRINGS[character].match(text, index + 1)
        ):
            index = match.end()
        elif character in _BRACKETS:
            closing.append(_BRACKETS[character])
        elif closing and character == closing[-1]:
            closing.pop()
            if not closing:
                return index + 1
        index += 1
    return len(text)


class _RedactionFilter(logging.Filter):
    """Redact each record before it is handled."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = redact(record.getMessage())
        record.args = None
        if record.exc_info:
            # Other handlers would format the exception again.
            text = logging.Formatter().formatException(record.exc_info)
            record.exc_text, record.exc_info = redact(text), None
        return True


_redaction = _RedactionFilter()


def redact_library_log() -> None:
    """Redact the log of the library; calling it again has no effect."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_redaction)
