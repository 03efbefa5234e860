"""What a proxy between here and Tesla says of its own: Tesla's `tesla-http-proxy`."""

from collections.abc import Mapping
import json

from ..vehicle.parsing import JsonObject, parse_text
from .http import HttpResult
from .result import CommandRejection

# What it says to whoever shows no token: nothing is asked of Tesla for that.
_NO_TOKEN = "did not provide an oauth token"
# What it says to a token that is none of Tesla's.
_BAD_TOKEN = ("malformed oauth token", "oauth token with invalid audiences")
# Beside an error of Tesla's it says the name of the status, and no more.
_NO_PARAMETERS = "bad request"

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


def read_rejection(answer: HttpResult) -> CommandRejection | None:
    """Return why a command was surely not done, None if that is not said.

    What may have been done all the same, such as one whose time ran out, is no refusal.
    """
    if answer.failure is not None or answer.status not in {400, 412, 500}:
        return None
    words = _words(answer)
    for phrase, rejection in _REJECTIONS.items():
        if phrase in words:
            return rejection
    if answer.status == 400 and words.endswith(" param"):
        return CommandRejection.SERVER_LACKS_COMMAND
    return None


def lost_parameters(answer: HttpResult) -> bool:
    """Tell whether Tesla refused a command that a proxy may have sent without its body.

    That proxy does so once for each car that takes no signed commands.
    """
    return answer.status == 400 and _words(answer) == _NO_PARAMETERS


def is_tesla_proxy(answer: HttpResult) -> bool:
    """Tell whether Tesla's proxy answered a request that showed no token."""
    return answer.status == 403 and _NO_TOKEN in _words(answer)


def refuses_token(answer: HttpResult) -> bool:
    """Tell whether Tesla's proxy sees that a token is none of Tesla's."""
    words = _words(answer)
    return answer.status == 403 and any(phrase in words for phrase in _BAD_TOKEN)


def read_object(answer: HttpResult) -> JsonObject | None:
    """Return the JSON object of a good answer, whatever content type it names."""
    if answer.failure is not None or answer.truncated:
        return None
    if answer.status is None or not 200 <= answer.status < 300:
        return None
    return _object(answer.body)


def _words(answer: HttpResult) -> str:
    """Return the error that an answer names, in lower case."""
    body = _object(answer.body)
    if body is None:
        return ""
    response = body.get("response")
    reason = response.get("reason") if isinstance(response, Mapping) else None
    words = parse_text(body.get("error")) or parse_text(reason) or ""
    return words.strip().lower()


def _object(text: str) -> JsonObject | None:
    try:
        body = json.loads(text)
    except ValueError, RecursionError:
        return None
    return body if isinstance(body, dict) else None
