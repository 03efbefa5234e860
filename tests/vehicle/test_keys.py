"""Tests of physical keys and VINs."""

import pytest

from custom_components.keycard.vehicle.keys import PhysicalKey, decode_vin, default_key


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
    assert decode_vin(vin) == (model, year)


@pytest.mark.parametrize(
    ("model", "year", "vin", "key"),
    [
        ("model3", 2018, "", PhysicalKey.KEYCARD),
        ("modely", None, "", PhysicalKey.KEYCARD),
        ("cybertruck", 2024, "", PhysicalKey.KEYCARD),
        ("unknown", None, "", PhysicalKey.KEYCARD),
        ("models", 2012, "", PhysicalKey.FOB),
        ("modelx", 2020, "", PhysicalKey.FOB),
        ("models", None, "", PhysicalKey.FOB),
        ("models", 2021, "", PhysicalKey.KEYCARD),
        ("models", 2021, "5YJSA1E26MF000000", PhysicalKey.FOB),
        ("models", 2021, "5YJSA1E56MF000000", PhysicalKey.KEYCARD),
        ("modelx", 2022, "5YJXCAE26NF000000", PhysicalKey.KEYCARD),
    ],
)
def test_default_keys(model: str, year: int | None, vin: str, key: PhysicalKey) -> None:
    assert default_key(model, year, vin) is key
