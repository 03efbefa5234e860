"""Keys of cars, and what VINs tell."""

import pytest

from custom_components.keycard.vehicle.keys import Key, default_key, describe_vin


@pytest.mark.parametrize(
    ("vin", "model", "year"),
    [
        ("LRW3F7EK4NC700000", "model3", 2022),
        ("5YJ3E1EA7JF000000", "model3", 2018),
        ("XP7YGCEE1RB000000", "modely", 2024),
        ("7SAYGDEE6PA000000", "modely", 2023),
        ("5YJSA1E26HF000000", "models", 2017),
        ("5YJSA1DN5CFP00000", "models", 2012),
        ("LRWXF7EK4KC700000", "modelx", 2019),
        ("7G2CEHED1RA000000", "cybertruck", 2024),
        ("7SAYGDEE6YA000000", "modely", 2030),
        ("7SAYGDEE61A000000", "modely", 2031),
        ("5YJRE1A38A1000000", "unknown", 2010),
        ("5YJ3E1EA70F000000", "model3", None),
        ("5yj3e1ea7jf000000", "unknown", None),
        ("5YJ3E1EA7JF00000O", "unknown", None),
        ("5YJ3E1EA7JF00000", "unknown", None),
        ("", "unknown", None),
        ("ada", "unknown", None),
    ],
)
def test_vins(vin: str, model: str, year: int | None) -> None:
    assert describe_vin(vin) == (model, year)


@pytest.mark.parametrize(
    ("model", "year", "vin", "key"),
    [
        ("model3", 2018, "", Key.KEYCARD),
        ("modely", None, "", Key.KEYCARD),
        ("cybertruck", 2024, "", Key.KEYCARD),
        ("unknown", None, "", Key.KEYCARD),
        ("models", 2012, "", Key.FOB),
        ("modelx", 2020, "", Key.FOB),
        ("models", None, "", Key.FOB),
        ("models", 2021, "", Key.KEYCARD),
        ("models", 2021, "5YJSA1E26MF000000", Key.FOB),
        ("models", 2021, "5YJSA1E56MF000000", Key.KEYCARD),
        ("modelx", 2022, "5YJXCAE26NF000000", Key.KEYCARD),
    ],
)
def test_default_keys(model: str, year: int | None, vin: str, key: Key) -> None:
    assert default_key(model, year, vin) is key
