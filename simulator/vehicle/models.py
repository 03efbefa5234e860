"""Model specifications and VINs."""

from dataclasses import dataclass
import zlib

_VIN_YEARS = "ABCDEFGHJKLMNPRSTVWXY123456789"
_VIN_CHARACTERS = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
_VIN_VALUES = (*range(10), *range(1, 9), *range(1, 6), 7, 9, *range(2, 10))
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


@dataclass(frozen=True, kw_only=True)
class ModelSpecification:
    """Specification of a model, as in Tesla's data."""

    vin_letter: str
    manufacturer: str
    vin_body: str
    battery_capacity: float  # kWh
    range_miles: float  # with a full battery
    config: dict[str, object]


MODEL_SPECIFICATIONS = {
    "model3": ModelSpecification(
        vin_letter="3",
        manufacturer="5YJ",
        vin_body="E1E",
        battery_capacity=75.0,
        range_miles=310.0,
        config={"car_type": "model3", "exterior_color": "DeepBlue"},
    ),
    "modely": ModelSpecification(
        vin_letter="Y",
        manufacturer="7SA",
        vin_body="GDE",
        battery_capacity=78.0,
        range_miles=320.0,
        config={"car_type": "modely", "exterior_color": "MidnightSilver"},
    ),
    "models": ModelSpecification(
        vin_letter="S",
        manufacturer="5YJ",
        vin_body="A1E",
        battery_capacity=98.0,
        range_miles=370.0,
        config={"car_type": "models", "has_air_suspension": True},
    ),
    "modelx": ModelSpecification(
        vin_letter="X",
        manufacturer="5YJ",
        vin_body="CDE",
        battery_capacity=98.0,
        range_miles=340.0,
        config={
            "car_type": "modelx",
            "has_air_suspension": True,
            "third_row_seats": "SixSeats",
        },
    ),
    "cybertruck": ModelSpecification(
        vin_letter="C",
        manufacturer="7G2",
        vin_body="EHE",
        battery_capacity=123.0,
        range_miles=318.0,
        config={
            "car_type": "cybertruck",
            "exterior_color": "StainlessSteel",
            "has_air_suspension": True,
            "rear_seat_heaters": 3,
        },
    ),
}

# Vehicle config of every car, before changes by market and model.
BASE_CONFIG: dict[str, object] = {
    "aux_park_lamps": "NaPremium",
    "badge_version": 1,
    "can_accept_navigation_requests": True,
    "can_actuate_trunks": True,
    "car_special_type": "base",
    "charge_port_type": "US",
    "cop_user_set_temp_supported": True,
    "dashcam_clip_save_supported": True,
    "default_charge_to_max": False,
    "driver_assist": "TeslaAP3",
    "ece_restrictions": False,
    "efficiency_package": "Default",
    "eu_vehicle": False,
    "exterior_color": "PearlWhite",
    "exterior_trim": "Black",
    "exterior_trim_override": "",
    "has_air_suspension": False,
    "has_ludicrous_mode": False,
    "has_seat_cooling": False,
    "headlamp_type": "Global",
    "interior_trim_type": "Black2",
    "key_version": 2,
    "motorized_charge_port": True,
    "paint_color_override": "",
    "performance_package": "Base",
    "plg": True,
    "pws": True,
    "rear_drive_unit": "PM216MOSFET",
    "rear_seat_heaters": 1,
    "rear_seat_type": 0,
    "rhd": False,
    "roof_color": "RoofColorGlass",
    "seat_type": None,
    "spoiler_type": "None",
    "sun_roof_installed": None,
    "supports_qr_pairing": False,
    "third_row_seats": "None",
    "trim_badging": "74d",
    "use_range_badging": True,
    "utc_offset": -28800,
    "webcam_selfie_supported": True,
    "webcam_supported": True,
    "wheel_type": "Pinwheel18CapKit",
}
EUROPEAN_CONFIG: dict[str, object] = {
    "aux_park_lamps": "Eu",
    "charge_port_type": "CCS",
    "ece_restrictions": True,
    "eu_vehicle": True,
    "utc_offset": 3600,
}


def default_signing(model: str, year: int) -> str:
    """Return the default `command_signing` of a car."""
    return "off" if model in {"models", "modelx"} and year < 2021 else "allowed"


def build_config(model: str, year: int, region: str) -> dict[str, object]:
    """Return the vehicle config of a car; an older Model S has a sun roof."""
    market_config = EUROPEAN_CONFIG if region == "eu" else {}
    sun_roof_config = (
        {"sun_roof_installed": 1} if model == "models" and year < 2019 else {}
    )
    return {
        **BASE_CONFIG,
        **market_config,
        **MODEL_SPECIFICATIONS[model].config,
        **sun_roof_config,
    }


def build_vin(name: str, model: str, year: int) -> str:
    """Return a VIN with model, year and a valid check digit."""
    specification = MODEL_SPECIFICATIONS[model]
    motor_digit = "5" if year >= 2021 else "2"
    serial = 100_000 + zlib.crc32(f"{name} {model} {year}".encode()) % 899_999
    vin = (
        f"{specification.manufacturer}{specification.vin_letter}{specification.vin_body}{motor_digit}0"
        f"{_VIN_YEARS[(year - 2010) % len(_VIN_YEARS)]}F{serial}"
    )
    total = sum(
        _VIN_VALUES[_VIN_CHARACTERS.index(character)] * weight
        for character, weight in zip(vin, _VIN_WEIGHTS, strict=True)
    )
    digit = "0123456789X"[total % 11]
    return f"{vin[:8]}{digit}{vin[9:]}"
