"""Physical keys, and the one that a vehicle has according to its VIN."""

from enum import StrEnum

UNKNOWN_MODEL = "unknown"
MODELS = ("model3", "modely", "models", "modelx", "cybertruck")


class PhysicalKey(StrEnum):
    """Key to take in addition to the phone."""

    NONE = "usual"
    KEYCARD = "keycard"
    FOB = "fob"


class KeyPlace(StrEnum):
    """Place where the user keeps the card or fob of a vehicle."""

    WALLET = "wallet"
    HOME = "home"
    CAR = "car"


_MODEL_BY_LETTER = {
    "3": "model3",
    "Y": "modely",
    "S": "models",
    "X": "modelx",
    "C": "cybertruck",
}
_YEAR_BY_LETTER = {
    letter: year
    for year, letter in enumerate("ABCDEFGHJKLMNPRSTVWXY123456789", start=2010)
}

# Model S and X came with a fob and no card until their refresh in model year 2021.
_MODELS_WITH_FOB = frozenset({"models", "modelx"})
_REFRESH_YEAR = 2021

# 8th character of the VINs of that year from before the refresh.
_PRE_REFRESH_DIGITS = frozenset("1234")


def is_vin(text: str) -> bool:
    """Return whether a text has the shape of a VIN."""
    return (
        len(text) == 17
        and text.isascii()
        and text.isalnum()
        and text.isupper()
        and not set(text) & set("IOQ")
    )


def decode_vin(vin: str) -> tuple[str, int | None]:
    """Return the model and the model year from a VIN."""
    if not is_vin(vin):
        return UNKNOWN_MODEL, None
    return _MODEL_BY_LETTER.get(vin[3], UNKNOWN_MODEL), _YEAR_BY_LETTER.get(vin[9])


def default_key(model: str, year: int | None, vin: str = "") -> PhysicalKey:
    """Return the key that a vehicle most likely has.

    A Model S or X of an unknown year counts as from before the refresh.
    """
    older = is_pre_refresh(model, year, vin)
    return PhysicalKey.KEYCARD if older is False else PhysicalKey.FOB


def is_pre_refresh(model: str, year: int | None, vin: str = "") -> bool | None:
    """Return whether it is a Model S or X before the refresh, None if unknown."""
    if model not in _MODELS_WITH_FOB:
        return False
    if year is None:
        return None
    if year == _REFRESH_YEAR:
        return is_vin(vin) and vin[7] in _PRE_REFRESH_DIGITS
    return year < _REFRESH_YEAR
