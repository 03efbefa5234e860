"""Which link serves a command."""

import pytest

from custom_components.keycard.transport.routing import (
    CloudHealth,
    Nearness,
    Preference,
    Way,
    ways,
)

CLOUD, BLUETOOTH = (Way.CLOUD,), (Way.BLUETOOTH,)


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
def test_which_link_serves(
    cloud: str, near: str, cheapest: tuple[Way, ...], cloud_first: tuple[Way, ...]
) -> None:
    health, nearness = CloudHealth(cloud), Nearness(near)
    assert ways(health, nearness, Preference.CHEAPEST) == cheapest
    assert ways(health, nearness, Preference.CLOUD) == cloud_first
