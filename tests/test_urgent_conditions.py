"""Urgent conditions of a vehicle."""

from typing import Any

import pytest

from custom_components.keycard.vehicle.state import VehicleState
from custom_components.keycard.vehicle.urgent_conditions import (
    in_use,
    urgent_conditions,
)


@pytest.mark.parametrize(
    ("known", "used", "matters"),
    [
        ({}, None, []),
        ({"locked": True, "keeper_mode": "keep", "user_present": False}, False, []),
        ({"locked": False}, None, ["unlocked"]),
        ({"locked": False, "shift_state": "p"}, None, ["unlocked"]),
        ({"keeper_mode": "dog"}, None, ["dog_mode"]),
        ({"rear_driver_window_open": True}, None, ["window_open"]),
        (
            {
                "locked": False,
                "keeper_mode": "dog",
                "front_passenger_window_open": True,
                "user_present": False,
            },
            False,
            ["dog_mode", "unlocked", "window_open"],
        ),
        ({"locked": False, "user_present": True}, True, []),
        ({"locked": False, "shift_state": "d"}, True, []),
        ({"keeper_mode": "dog", "shift_state": "r", "user_present": False}, True, []),
    ],
)
def test_urgent_conditions(
    known: dict[str, Any], used: bool | None, matters: list[str]
) -> None:
    state = VehicleState(vin="ada", **known)
    assert in_use(state) is used
    assert urgent_conditions(state) == matters


def test_a_vehicle_without_data_has_no_urgent_condition() -> None:
    assert in_use(None) is None
    assert urgent_conditions(None) == []
