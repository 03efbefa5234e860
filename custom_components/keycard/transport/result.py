"""Results of API calls and commands."""

from dataclasses import dataclass
from enum import StrEnum

from tesla_fleet_api.exceptions import MissingToken

from ..vehicle.command_queue import NotSentError
from ..vehicle.commands import COMMANDS, Command
from ..vehicle.parsing import JsonObject
from .http import HttpResult, RequestWithheldError

_MAX_REASON_LENGTH = 255

# Tesla's proxy prepends this to the reason of a vehicle.
_PROXY_REASON_PREFIX = "car could not execute command: "


class CommandRejection(StrEnum):
    """Why a vehicle, or a server in front of it, did not accept a command."""

    KEY_NOT_PAIRED = "key_not_paired"
    KEY_NOT_ALLOWED = "key_not_allowed"
    REMOTE_ACCESS_OFF = "remote_access_off"
    CLOCK = "clock_wrong"
    SERVER_KEY_NOT_PAIRED = "server_key_not_paired"
    SERVER_KEY_NOT_ALLOWED = "server_key_not_allowed"
    SERVER_WANTS_PIN = "server_wants_pin"
    SERVER_LACKS_COMMAND = "server_lacks_command"
    OTHER = "car_refused"


class BluetoothError(StrEnum):
    """Why a vehicle was not reached over Bluetooth."""

    NO_ADAPTER = "no_adapter"
    OUT_OF_RANGE = "out_of_range"
    NO_SLOT = "no_slot"
    NO_CONNECTION = "no_connection"
    NO_ANSWER = "no_answer"
    NO_SESSION = "no_session"
    PAIRING = "pairing"
    STRANGER = "stranger"
    UNSEALED = "unsealed"


@dataclass(frozen=True, kw_only=True)
class ApiCall:
    """Result of one API call; `body` is set only for a 2xx with a JSON object."""

    answer: HttpResult
    body: JsonObject | None = None
    sent: bool = True
    """False if no request was made: no token, or invalid parameters."""

    error: BaseException | None = None
    """Exception that the library raised."""

    @property
    def without_token(self) -> bool:
        """Return whether no request was made because there is no access token."""
        return isinstance(self.error, MissingToken)

    @property
    def withheld(self) -> bool:
        """Return whether no request was made because the deadline had passed."""
        return isinstance(self.error, NotSentError | RequestWithheldError)


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """Result of a command, whichever transport sent it.

    Unless it is `known`, it is unclear whether the vehicle executed the command.
    """

    done: bool
    known: bool
    reason: str | None = None
    """Reason of the vehicle for not executing the command."""

    rejection: CommandRejection | None = None
    """Why the command was not accepted."""

    error: BluetoothError | None = None
    """Why the command was not sent over Bluetooth."""

    withheld: bool = False
    """Whether the command was not sent because its deadline had passed."""

    signed: bool = False
    """Whether the command was signed and sent over the cloud."""

    call: ApiCall | None = None
    """API call that sent the command over the cloud."""

    @property
    def key_paired(self) -> bool | None:
        """Return whether the signing key is paired, None if that is unknown."""
        if self.rejection is CommandRejection.KEY_NOT_PAIRED:
            return False
        return True if self.signed and self.done else None


def parse_result(command: Command, response: JsonObject) -> CommandResult | None:
    """Parse the response of a vehicle to a command, None if it is inconclusive.

    A command also counts as done if its effect is already in place. A `result: true`
    with an error, or for a command that was only queued, is inconclusive.
    """
    match response.get("result"):
        case True:
            if response.get("error") or response.get("queued"):
                return None
            return CommandResult(done=True, known=True)
        case False:
            text = str(response.get("reason") or "").removeprefix(_PROXY_REASON_PREFIX)
            reason = text[:_MAX_REASON_LENGTH] or None
            done = reason in COMMANDS[command].idempotent_reasons
            return CommandResult(done=done, known=True, reason=reason)
        case _:
            return None
