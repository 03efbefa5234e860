"""Keeps secrets, VINs and places out of the log of `tesla-fleet-api`."""

import logging
import re
from typing import override

REDACTED = "**REDACTED**"

# The library, and who connects for it: it names each connection by the VIN.
_LIBRARIES = ("tesla_fleet_api", "bleak_retry_connector")

# Whole words of a key whose value is nobody's business.
_PRIVATE = (
    "address|authorization|code|destination|display_name|email|latitude|lat|location"
    "|longitude|lon|password|pin|secret|site_name|ssid|tokens?|vehicle_name|vin"
)
_PRIVATE_IDS = "id|id_s|user_id|vehicle_id"

_VALUE = re.compile(
    rf"""(["'](?:(?:\w+_)?(?:{_PRIVATE})(?:_\w+)?|{_PRIVATE_IDS})["']\s*:\s*)"""
    r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\[[^\]]*\]|\{[^}]*\}|[^\s,}\]]+)"""
)
_BEARER = re.compile(r"(?i)(\bbearer\s+)[^\s'\",]+")
_JWT = re.compile(r"\beyJ[\w-]+(?:\.[\w-]+)+")
_VIN = re.compile(r"(?<![A-Za-z0-9])[A-HJ-NPR-Z0-9]{17}(?![A-Za-z0-9])")


def redact(text: str) -> str:
    """Return a text without secrets, VINs and places."""
    text = _VALUE.sub(rf"\1'{REDACTED}'", text)
    text = _BEARER.sub(rf"\1{REDACTED}", text)
    return _VIN.sub(REDACTED, _JWT.sub(REDACTED, text))


class _Redaction(logging.Filter):
    """Rewrites each record before a handler sees it."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = redact(record.getMessage())
        record.args = None
        return True


_redaction = _Redaction()


def redact_library_log() -> None:
    """Redact what the library logs from now on; once is enough."""
    for name in _LIBRARIES:
        logging.getLogger(name).addFilter(_redaction)
