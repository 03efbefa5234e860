"""Binary sensors of the cloud and of the vehicles."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.outage.models import Assessment, Status
from custom_components.keycard.runtime.presentation import CloudData
from custom_components.keycard.vehicle.state import ConnectivityState

from .conftest import car_of, show_state, state_of

CLOUD = "binary_sensor.tesla_cloud"
SINCE = datetime(2021, 11, 19, 21, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    ("assessment", "outage", "warning"),
    [
        (Assessment(status=Status.OPERATIONAL), "off", "off"),
        (Assessment(status=Status.OPERATIONAL, other_regions=("na",)), "off", "on"),
        (Assessment(status=Status.OUTAGE, since=SINCE), "on", "off"),
        (
            Assessment(status=Status.OUTAGE, since=SINCE, other_regions=("na",)),
            "on",
            "off",
        ),
        (Assessment(status=Status.DEGRADED, since=SINCE), "on", "off"),
        (Assessment(status=Status.SIGN_IN_OUTAGE, since=SINCE), "on", "off"),
        (Assessment(status=Status.PROVIDER_DOWN), "off", "off"),
        (Assessment(status=Status.ACCOUNT_PROBLEM), "off", "off"),
        (Assessment(status=Status.INTERNET_DOWN), "off", "off"),
        # The end of an outage is invisible without internet.
        (Assessment(status=Status.INTERNET_DOWN, since=SINCE), "on", "off"),
        (Assessment(status=Status.UNDETERMINED, since=SINCE), "on", "off"),
    ],
)
async def test_outage_and_early_warning(
    hass: HomeAssistant,
    watch: MockConfigEntry,
    assessment: Assessment,
    outage: str,
    warning: str,
) -> None:
    watch.runtime_data.coordinator.async_set_updated_data(
        CloudData(assessment=assessment, api_reachable=True)
    )
    assert state_of(hass, f"{CLOUD}_outage").state == outage
    assert state_of(hass, f"{CLOUD}_early_warning").state == warning


async def test_api_reachable(hass: HomeAssistant, watch: MockConfigEntry) -> None:
    entity_id = f"{CLOUD}_api_reachable"
    assert state_of(hass, entity_id).state == "on"
    coordinator = watch.runtime_data.coordinator
    coordinator.async_set_updated_data(replace(coordinator.data, api_reachable=False))
    assert state_of(hass, entity_id).state == "off"


async def test_cloud_stays_available_when_an_update_fails(
    hass: HomeAssistant, watch: MockConfigEntry
) -> None:
    watch.runtime_data.coordinator.async_set_update_error(RuntimeError("never seen"))
    for name in ("api_reachable", "outage", "early_warning"):
        assert state_of(hass, f"{CLOUD}_{name}").state in {"on", "off"}


@pytest.mark.parametrize(
    ("presence", "state"),
    [
        (ConnectivityState.ONLINE, "on"),
        (ConnectivityState.ASLEEP, "off"),
        (ConnectivityState.OFFLINE, "off"),
        (ConnectivityState.UNKNOWN, "unknown"),
    ],
)
async def test_online(
    hass: HomeAssistant,
    account: MockConfigEntry,
    presence: ConnectivityState,
    state: str,
) -> None:
    show_state(car_of(account, "Ada"), presence=presence)
    assert state_of(hass, "binary_sensor.ada_online").state == state


@pytest.mark.usefixtures("every_entity")
async def test_links_of_a_car(hass: HomeAssistant, account: MockConfigEntry) -> None:
    assert state_of(hass, "binary_sensor.ada_cloud_link").state == "on"
    car = car_of(account, "Ada")
    car.async_set_updated_data(
        replace(car.data, cloud_works=False, connectivity_known=False)
    )
    assert state_of(hass, "binary_sensor.ada_cloud_link").state == "off"
    assert state_of(hass, "binary_sensor.ada_online").state == "unknown"
