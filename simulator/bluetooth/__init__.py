"""Cars near a home, heard and connected to over Bluetooth.

Only the radio is simulated: what goes over it are the bytes of the vehicle protocol.
"""

from .adversary import Adversary
from .connection import CutError, Line
from .environment import (
    LIMIT,
    Advert,
    Air,
    FullError,
    NotHeardError,
    RefusedError,
    Tally,
    address_of,
    name_of,
)
from .link_conditions import Weather, WeatherError
from .strangers import Recorder, Replayer, Stranger, broadcaster, denier, impostor

__all__ = [
    "LIMIT",
    "Adversary",
    "Advert",
    "Air",
    "CutError",
    "FullError",
    "Line",
    "NotHeardError",
    "Recorder",
    "RefusedError",
    "Replayer",
    "Stranger",
    "Tally",
    "Weather",
    "WeatherError",
    "address_of",
    "broadcaster",
    "denier",
    "impostor",
    "name_of",
]
