"""Tests of the order of transports."""

import pytest

from custom_components.keycard.transport.routing import (
    BluetoothReach,
    CloudHealth,
    Preference,
    transport_order,
)
from custom_components.keycard.vehicle.state import Transport

CLOUD, BLUETOOTH = (Transport.CLOUD,), (Transport.BLUETOOTH,)


@pytest.mark.parametrize(
    ("cloud", "near", "cheapest", "cloud_first"),
    [
        ("none", "away", BLUETOOTH, BLUETOOTH),
        ("none", "near", BLUETOOTH, BLUETOOTH),
        ("fails", "away", BLUETOOTH + CLOUD, BLUETOOTH + CLOUD),
        ("fails", "near", BLUETOOTH + CLOUD, BLUETOOTH + CLOUD),
        ("works", "away", CLOUD, CLOUD),
        ("works", "near", BLUETOOTH + CLOUD, CLOUD + BLUETOOTH),
    ],
)
def test_transport_order(
    cloud: str,
    near: str,
    cheapest: tuple[Transport, ...],
    cloud_first: tuple[Transport, ...],
) -> None:
    health, nearness = CloudHealth(cloud), BluetoothReach(near)
    assert transport_order(health, nearness, Preference.CHEAPEST) == cheapest
    assert transport_order(health, nearness, Preference.CLOUD) == cloud_first
