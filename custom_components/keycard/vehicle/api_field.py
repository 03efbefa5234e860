"""Specification of a field of the vehicle state; `state` declares the fields."""

from dataclasses import dataclass, field
from typing import Any

from .parsing import Parser

KEEPER_MODES = ("off", "keep", "dog", "camp")
OVERHEAT_MODES = ("off", "on", "fan_only")
SHIFT_STATES = ("p", "r", "n", "d")
CHARGE_SCHEDULES = ("off", "start_at", "depart_by")
PARKED = "p"

# Cabin overheat protection temperatures (°C), by the number of the level.
OVERHEAT_TEMPS = (30, 35, 40)

DOORS = ("front_driver", "front_passenger", "rear_driver", "rear_passenger")
WINDOWS = DOORS
TIRES = ("front_left", "front_right", "rear_left", "rear_right")

# Heated and cooled seats, with their number in a command.
SEATS = {
    "left": 0,
    "right": 1,
    "rear_left": 2,
    "rear_center": 4,
    "rear_right": 5,
    "third_row_left": 7,
    "third_row_right": 8,
}
COOLED_SEATS = {"left": 1, "right": 2}


@dataclass(frozen=True, kw_only=True)
class FieldSpec:
    """Source and parsers of a vehicle field.

    Paths are dotted: a section of the Fleet API's `vehicle_data`, or a message of the
    Bluetooth `VehicleData`, and a field in it.
    """

    path: str
    parse: Parser
    stored: Parser | None = None
    """Parser of the stored value, None if it is the same."""

    bluetooth: tuple[str, ...]
    """Paths in Bluetooth messages; of several reported values the last one counts."""

    parse_bluetooth: Parser | None = None
    """Parser of the Bluetooth value, None if it is the same."""

    omitted_if_none: bool = False
    """Whether a Bluetooth message omits the field where the Fleet API has null."""

    closure: str | None = None
    """Name in the closure statuses of the vehicle security computer."""

    asleep: object = None
    """Value while the vehicle sleeps, None if it keeps its last value."""

    current_only: bool = False
    """Whether the value is shown only while confirmed, as anybody may change it."""

    @property
    def section(self) -> str:
        """Return the section of the Fleet API's `vehicle_data`."""
        return self.path.partition(".")[0]

    @property
    def stored_parser(self) -> Parser:
        """Return the parser of the stored value."""
        return self.stored or self.parse

    @property
    def bluetooth_parser(self) -> Parser:
        """Return the parser of the Bluetooth value."""
        return self.parse_bluetooth or self.parse


def api_field(
    path: str, parse: Parser, *, bluetooth: tuple[str, ...] | None = None, **spec: Any
) -> Any:
    """Declare a dataclass field parsed from API data, None by default.

    Without `bluetooth`, Bluetooth uses the path of the Fleet API.
    """
    bluetooth = (path,) if bluetooth is None else bluetooth
    field_spec = FieldSpec(path=path, parse=parse, bluetooth=bluetooth, **spec)
    return field(default=None, metadata={"spec": field_spec})
