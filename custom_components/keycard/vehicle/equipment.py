"""What a car is fitted with, as far as its commands depend on it."""

from dataclasses import asdict, dataclass, fields
from typing import Self

from .reading import JsonObject

_NO_SEATS = (None, "None", "<invalid>")


@dataclass(frozen=True, kw_only=True)
class Equipment:
    """What a car is fitted with."""

    trunks: bool
    """Whether the trunks open on command."""

    power_liftgate: bool
    """Whether the rear trunk closes on command, too."""

    motorized_port: bool
    """Whether the charge port closes on command."""

    rear_seat_heaters: bool
    seat_cooling: bool
    third_row: bool
    sun_roof: bool
    overheat_temp: bool
    """Whether the temperature of the overheat protection can be chosen."""

    @classmethod
    def from_config(cls, config: JsonObject) -> Self | None:
        """Read a `vehicle_config`, None if there is none.

        What a car does not say is taken as most cars have it.
        """
        if not config:
            return None
        return cls(
            trunks=config.get("can_actuate_trunks") is not False,
            power_liftgate=config.get("plg") is True,
            motorized_port=config.get("motorized_charge_port") is not False,
            rear_seat_heaters=config.get("rear_seat_heaters") != 0,
            seat_cooling=config.get("has_seat_cooling") is True,
            third_row=config.get("third_row_seats") not in _NO_SEATS,
            sun_roof=config.get("sun_roof_installed") in (True, 1, 2),
            overheat_temp=config.get("cop_user_set_temp_supported") is True,
        )

    @classmethod
    def from_json(cls, json: object) -> Self | None:
        """Read what storage held."""
        if not isinstance(json, dict):
            return None
        return cls(**{item.name: json.get(item.name) is True for item in fields(cls)})

    def to_json(self) -> dict[str, bool]:
        """Return what storage can hold."""
        return asdict(self)
