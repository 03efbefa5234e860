"""Tests of vehicles added to and removed from an account."""

import pytest

from custom_components.keycard.vehicle.product_list import (
    AccountVehicles,
    ProductChange,
    parse_products,
    parse_unpaired,
)

from .recorded import PRODUCTS, SLEEPER, recorded

NOW = 1000.0
HOUR = 3600.0


def test_vehicles_are_added_at_once() -> None:
    roster = AccountVehicles(known={"ada"})
    assert roster.update({"ada", "cy", "bo"}, NOW) == ProductChange(added=("bo", "cy"))
    assert roster.update({"ada", "cy", "bo"}, NOW + HOUR) == ProductChange()


@pytest.mark.parametrize(
    ("hours", "gone_at"),
    [
        ((0,), None),
        ((0, 1, 2, 23), None),
        ((0, 30), None),
        ((0, 12, 24), 24),
        ((0, 1, 2, 25), 25),
    ],
)
def test_vehicles_are_removed_only_after_a_day_of_lists(
    hours: tuple[int, ...], gone_at: int | None
) -> None:
    roster = AccountVehicles(known={"ada", "bo"})
    removed_at = [
        hour for hour in hours if roster.update({"bo"}, NOW + hour * HOUR).removed
    ]
    assert removed_at == ([] if gone_at is None else [gone_at])
    assert ("ada" in roster.known) is (gone_at is None)


def test_vehicle_that_reappears_is_not_removed() -> None:
    roster = AccountVehicles(known={"ada"})
    for hour in (0, 12):
        assert roster.update(set(), NOW + hour * HOUR) == ProductChange()
    assert roster.update({"ada"}, NOW + 20 * HOUR) == ProductChange()
    for hour in (24, 25, 40):
        assert roster.update(set(), NOW + hour * HOUR) == ProductChange()
    assert roster.update(set(), NOW + 48 * HOUR) == ProductChange(removed=("ada",))


def test_vehicles_of_a_recorded_list() -> None:
    cars = parse_products(recorded(PRODUCTS))
    assert cars is not None
    assert list(cars) == [SLEEPER]
    assert cars[SLEEPER]["display_name"] == "Test"


@pytest.mark.parametrize(
    ("body", "cars"),
    [
        (None, None),
        ({}, None),
        ({"response": None}, None),
        ({"response": {"vin": SLEEPER}}, None),
        ({"response": []}, {}),
        ({"response": [None, 5, "car", [], {}, {"vin": 17}, {"vin": None}]}, {}),
    ],
)
def test_invalid_lists(body: dict[str, object] | None, cars: object) -> None:
    assert parse_products(body) == cars


REQUIRED = {"vehicle_command_protocol_required": True}


@pytest.mark.parametrize(
    ("reported", "unpaired"),
    [
        (None, None),
        ({}, None),
        ({"unpaired_vins": None}, None),
        ({"unpaired_vins": "a"}, None),
        ({"unpaired_vins": []}, []),
        ({"unpaired_vins": ["b", "a"], "vehicle_info": {"a": REQUIRED}}, ["a"]),
        (
            {
                "unpaired_vins": ["b", "a"],
                "vehicle_info": dict.fromkeys("abc", REQUIRED),
            },
            ["a", "b"],
        ),
        # Somebody else's car, and one that takes plain commands.
        ({"unpaired_vins": ["d"], "vehicle_info": {"d": REQUIRED}}, []),
        (
            {
                "unpaired_vins": ["a"],
                "vehicle_info": {"a": {"vehicle_command_protocol_required": False}},
            },
            [],
        ),
        ({"unpaired_vins": ["a"], "vehicle_info": [1]}, []),
        ({"unpaired_vins": ["a"]}, []),
    ],
)
def test_vehicles_without_the_signing_key(
    reported: dict[str, object] | None, unpaired: list[str] | None
) -> None:
    body = None if reported is None else {"response": reported}
    assert parse_unpaired(body, {"a", "b", "c"}) == unpaired
