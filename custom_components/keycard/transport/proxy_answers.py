"""Answers that originate from Tesla's `tesla-http-proxy`, not from Tesla."""

from collections.abc import Mapping
import json

from ..vehicle.commands import Command, CommandCall, flag_param
from ..vehicle.parsing import JsonObject, parse_text
from .http import HttpResult
from .result import CommandRejection

# Answer to a request without a token, which is not forwarded to Tesla.
_NO_TOKEN = "did not provide an oauth token"
# Answers to a token that Tesla did not issue.
_BAD_TOKEN = ("malformed oauth token", "oauth token with invalid audiences")
# Of an error of Tesla it only returns the name of the status.
_LOST_PARAMETERS = "bad request"

_REJECTIONS: Mapping[str, CommandRejection] = {
    "pin codes must be": CommandRejection.SERVER_WANTS_PIN,
    "public key has not been paired": CommandRejection.SERVER_KEY_NOT_PAIRED,
    "messagefault_error_unknown_key_id": CommandRejection.SERVER_KEY_NOT_PAIRED,
    "messagefault_error_inactive_key": CommandRejection.SERVER_KEY_NOT_PAIRED,
    "messagefault_error_insufficient_privileges": (
        CommandRejection.SERVER_KEY_NOT_ALLOWED
    ),
    "messagefault_error_command_requires_account_credentials": (
        CommandRejection.SERVER_KEY_NOT_ALLOWED
    ),
    "messagefault_error_remote_access_disabled": CommandRejection.REMOTE_ACCESS_OFF,
    "messagefault_error_remote_service_access_disabled": (
        CommandRejection.REMOTE_ACCESS_OFF
    ),
    "messagefault_error_invalid_command": CommandRejection.SERVER_LACKS_COMMAND,
    "messagefault_error_invalid_domains": CommandRejection.SERVER_LACKS_COMMAND,
    "messagefault_error_decoding": CommandRejection.OTHER,
    "messagefault_error_bad_parameter": CommandRejection.OTHER,
    "messagefault_error_wrong_personalization": CommandRejection.OTHER,
    "messagefault_error_time_expired": CommandRejection.CLOCK,
    "invalid_command": CommandRejection.SERVER_LACKS_COMMAND,
    "command not implemented": CommandRejection.SERVER_LACKS_COMMAND,
}


# Commands that Tesla's proxy does not know. It refuses them at once, all others only
# after it has reached the vehicle.
_UNKNOWN = frozenset({Command.SUN_ROOF, Command.AUTO_WHEEL, Command.WHEEL_HEATER})


def may_be_unknown(command: Command) -> bool:
    """Return whether Tesla's proxy may not know a command."""
    return command in _UNKNOWN


def requires_pin(call: CommandCall) -> bool:
    """Return whether Tesla's proxy sends a command only with a PIN."""
    return call.command is Command.VALET and flag_param(call.params, "on")


def parse_rejection(answer: HttpResult) -> CommandRejection | None:
    """Return why a command was not executed, None if it may have been.

    A command that timed out may have been executed, so it is not rejected.
    """
    if answer.failure is not None or answer.status not in {400, 412, 500}:
        return None
    text = _error_text(answer)
    for phrase, rejection in _REJECTIONS.items():
        if phrase in text:
            return rejection
    if answer.status == 400 and text.endswith(" param"):
        return CommandRejection.SERVER_LACKS_COMMAND
    return None


def has_lost_parameters(answer: HttpResult) -> bool:
    """Return whether a proxy may have sent a command without its parameters.

    It does so once for each vehicle that does not accept signed commands.
    """
    return answer.status == 400 and _error_text(answer) == _LOST_PARAMETERS


def is_tesla_proxy(answer: HttpResult) -> bool:
    """Return whether Tesla's proxy answered a request without a token."""
    return answer.status == 403 and _NO_TOKEN in _error_text(answer)


def rejects_token(answer: HttpResult) -> bool:
    """Return whether Tesla's proxy rejected a token that Tesla did not issue."""
    text = _error_text(answer)
    return answer.status == 403 and any(phrase in text for phrase in _BAD_TOKEN)


def parse_object(answer: HttpResult) -> JsonObject | None:
    """Return the JSON object of a successful answer of any content type."""
    if answer.failure is not None or answer.truncated:
        return None
    if answer.status is None or not 200 <= answer.status < 300:
        return None
    return _parse_json_object(answer.body)


def _error_text(answer: HttpResult) -> str:
    """Return the error text of an answer in lower case."""
    body = _parse_json_object(answer.body)
    if body is None:
        return ""
    response = body.get("response")
    reason = response.get("reason") if isinstance(response, Mapping) else None
    text = parse_text(body.get("error")) or parse_text(reason) or ""
    return text.strip().lower()


def _parse_json_object(text: str) -> JsonObject | None:
    try:
        body = json.loads(text)
    except ValueError, RecursionError:
        return None
    return body if isinstance(body, dict) else None
