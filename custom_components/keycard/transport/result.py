"""What came of a command, whichever link carried it."""

from dataclasses import dataclass
from enum import StrEnum


class CommandRejection(StrEnum):
    """Why a car, or a server before it, did not take a command."""

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
    """Why nothing reached a car over Bluetooth."""

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
class CommandResult:
    """What came of a command.

    Without `confirmed` nobody knows whether the car did it. `reason` is the car's own
    word for refusing, `refusal` why the command was not taken at all.
    """

    done: bool
    confirmed: bool
    reason: str | None = None
    refusal: CommandRejection | None = None


@dataclass(frozen=True, kw_only=True)
class BluetoothResult(CommandResult):
    """What came of a command that was sent over Bluetooth.

    `trouble` tells why the command surely never left for the car.
    """

    trouble: BluetoothError | None = None
    withheld: bool = False
    """Whether it was too late to send it."""
