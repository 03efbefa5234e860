"""Tests of the discovery of vehicles of other integrations."""

from collections.abc import Mapping
from typing import Any

import pytest

from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.const import DOMAIN
from custom_components.keycard.external.discovery import (
    DeviceRef,
    DiscoveredVehicle,
    async_discover_vehicles,
    async_integration_name,
    model_from_text,
)

from ..other_integrations import (
    ADA_VIN,
    CY_VIN,
    DeviceSpec,
    register_device,
    tesla_fleet_device,
    teslamate_device,
)

LOCK: tuple[str, str, Mapping[str, Any]] = ("lock", "door lock", {})

CARS = [
    pytest.param(
        tesla_fleet_device(), ("model3", 2021, ADA_VIN), "Tesla Fleet", id="fleet"
    ),
    pytest.param(
        DeviceSpec(
            domain="teslemetry",
            identifiers=(CY_VIN,),
            name="Cy",
            model="Model S",
            serial_number=CY_VIN,
        ),
        ("models", 2018, CY_VIN),
        "Teslemetry",
        id="teslemetry",
    ),
    pytest.param(
        DeviceSpec(
            domain="tessie", identifiers=(ADA_VIN,), name="Ada", model="Model 3"
        ),
        ("model3", 2021, ADA_VIN),
        "Tessie",
        id="tessie",
    ),
    pytest.param(
        # It numbers its cars, but names entities by the VIN.
        DeviceSpec(
            domain="tesla_custom",
            identifiers=(12345678901234567,),
            name="Ada",
            model="model3",
            entities=(("lock", f"{ADA_VIN.lower()}_doors", {}),),
        ),
        ("model3", 2021, ADA_VIN),
        "tesla_custom",
        id="tesla_custom",
    ),
    pytest.param(
        teslamate_device(), ("model3", None, ""), "TeslaMate", id="TeslaMate itself"
    ),
    pytest.param(
        DeviceSpec(
            domain="mqtt",
            identifiers=("teslamate/cars/1",),
            name="Ada",
            model="Model Y 74D",
        ),
        ("modely", None, ""),
        "TeslaMate",
        id="TeslaMate, announced by a tool",
    ),
    pytest.param(
        DeviceSpec(
            domain="mqtt",
            identifiers=("teslamate/home/cars/2",),
            name="Ada",
            serial_number=ADA_VIN,
        ),
        ("model3", 2021, ADA_VIN),
        "TeslaMate",
        id="TeslaMate in a namespace, with a VIN",
    ),
    pytest.param(
        DeviceSpec(
            domain="something",
            identifiers=("1",),
            name="Ada",
            manufacturer="Tesla, Inc.",
            entities=(LOCK,),
        ),
        ("unknown", None, ""),
        "something",
        id="any car with a lock",
    ),
]


@pytest.mark.parametrize(("other", "known", "integration"), CARS)
async def test_vehicles_are_discovered(
    *,
    hass: HomeAssistant,
    other: DeviceSpec,
    known: tuple[str, int | None, str],
    integration: str,
) -> None:
    device = register_device(hass, other)
    (car,) = async_discover_vehicles(hass)
    assert (car.model, car.year, car.vin) == known
    assert car.name == other.name
    assert car.id == device.id
    (named,) = car.devices
    assert named.domain == other.domain
    assert await async_integration_name(hass, named) == integration
    assert DeviceRef.from_option(named.to_option()) == named
    assert named.async_find(hass) == device


NO_CARS = [
    pytest.param(
        DeviceSpec(
            domain="tesla_fleet",
            identifiers=("1234567",),
            name="Home",
            serial_number="1234567",
            entities=(("sensor", "1234567-solar_power", {}),),
        ),
        id="an energy site",
    ),
    pytest.param(
        DeviceSpec(
            domain="tesla_custom",
            identifiers=(7,),
            name="Home",
            entities=(("sensor", "7_grid_power", {}),),
        ),
        id="an energy site of numbers",
    ),
    pytest.param(
        DeviceSpec(domain="tesla_wall_connector", identifiers=("w",), name="Charger"),
        id="a wall connector",
    ),
    pytest.param(
        DeviceSpec(
            domain="mqtt",
            identifiers=("thermostat",),
            name="Hall",
            manufacturer="Somebody",
            entities=(("climate", "hall", {}),),
        ),
        id="a thermostat",
    ),
    pytest.param(
        DeviceSpec(
            domain="mobile_app",
            identifiers=("phone",),
            name="Phone",
            manufacturer=None,
            entities=(("device_tracker", "phone", {}),),
        ),
        id="a phone",
    ),
    pytest.param(
        DeviceSpec(
            domain="tesla_fleet",
            identifiers=(ADA_VIN,),
            name="Ada",
            serial_number=ADA_VIN,
            disabled=True,
        ),
        id="a device that is switched off",
    ),
    pytest.param(
        DeviceSpec(domain=DOMAIN, identifiers=("ada",), name="Ada", entities=(LOCK,)),
        id="a car of Keycard's",
    ),
]


@pytest.mark.parametrize("other", NO_CARS)
async def test_other_devices_are_no_vehicles(
    hass: HomeAssistant, other: DeviceSpec
) -> None:
    register_device(hass, other)
    assert async_discover_vehicles(hass) == []


async def test_disabled_integration_has_no_vehicles(
    hass: HomeAssistant,
) -> None:
    entry = MockConfigEntry(domain="tesla_fleet", disabled_by=ConfigEntryDisabler.USER)
    entry.add_to_hass(hass)
    register_device(hass, tesla_fleet_device(), entry)
    assert async_discover_vehicles(hass) == []


async def test_vehicle_of_two_integrations_is_merged(hass: HomeAssistant) -> None:
    fleet = register_device(hass, tesla_fleet_device())
    register_device(hass, tesla_fleet_device("Cy", CY_VIN))
    mate = register_device(hass, teslamate_device("ada"))
    tessie = register_device(
        hass, DeviceSpec(domain="tessie", identifiers=(ADA_VIN,), name="My car")
    )
    ada, cy = async_discover_vehicles(hass)
    assert [device.device_id for device in ada.devices] == [
        fleet.id,
        mate.id,
        tessie.id,
    ]
    assert (ada.name, ada.vin) == ("Ada", ADA_VIN)
    assert cy.vin == CY_VIN


async def test_missing_vin_comes_from_the_other_integration(
    hass: HomeAssistant,
) -> None:
    register_device(hass, teslamate_device("Ada", model="Tesla"))
    register_device(hass, tesla_fleet_device())
    (ada,) = async_discover_vehicles(hass)
    assert (ada.model, ada.year, ada.vin) == ("model3", 2021, ADA_VIN)


async def test_different_vehicles_of_equal_name_are_not_merged(
    hass: HomeAssistant,
) -> None:
    register_device(hass, tesla_fleet_device("Car"))
    register_device(hass, tesla_fleet_device("Car", CY_VIN))
    register_device(hass, teslamate_device("Car", model="Y"))
    assert len(async_discover_vehicles(hass)) == 3


async def test_selected_vehicle_is_not_discovered_again(
    hass: HomeAssistant, watching_entry: MockConfigEntry
) -> None:
    device = register_device(hass, tesla_fleet_device())
    watching_entry.add_to_hass(hass)
    (car,) = async_discover_vehicles(hass)
    cars = dict(watching_entry.options["cars"])
    cars["ada"] = {**cars["ada"], "beside": [one.to_option() for one in car.devices]}
    hass.config_entries.async_update_entry(
        watching_entry, options={**watching_entry.options, "cars": cars}
    )
    assert async_discover_vehicles(hass) == []
    # Nor when it comes again by another id.
    dr.async_get(hass).async_remove_device(device.id)
    dr.async_get(hass)._deleted_devices.clear()
    assert register_device(hass, tesla_fleet_device()).id != device.id
    assert async_discover_vehicles(hass) == []


async def test_vehicle_of_an_account_is_not_discovered(hass: HomeAssistant) -> None:
    register_device(hass, DeviceSpec(domain=DOMAIN, identifiers=(ADA_VIN,), name="Ada"))
    register_device(hass, tesla_fleet_device())
    assert async_discover_vehicles(hass) == []


async def test_device_is_found_by_its_identifiers(hass: HomeAssistant) -> None:
    registry = dr.async_get(hass)
    device = register_device(hass, tesla_fleet_device())
    named = async_discover_vehicles(hass)[0].devices[0]
    registry.async_remove_device(device.id)
    assert named.async_find(hass) is None
    registry._deleted_devices.clear()
    again = register_device(hass, tesla_fleet_device())
    assert again.id != device.id
    assert named.async_find(hass) == again


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("Model 3", "model3"),
        ("Model Y Performance", "modely"),
        ("modelx", "modelx"),
        ("Tesla Model S", "models"),
        ("3", "model3"),
        ("S", "models"),
        ("Cybertruck", "cybertruck"),
        ("Tesla", "unknown"),
        ("Semi", "unknown"),
        ("", "unknown"),
    ],
)
def test_model_from_text(text: str, model: str) -> None:
    assert model_from_text(text) == model


@pytest.mark.parametrize(
    ("vin", "model", "year", "key"),
    [
        (ADA_VIN, "model3", 2021, "keycard"),
        (CY_VIN, "models", 2018, "fob"),
        ("", "unknown", None, "keycard"),
    ],
)
def test_key_follows_from_the_vin(
    vin: str, model: str, year: int | None, key: str
) -> None:
    car = DiscoveredVehicle(name="Car", model=model, year=year, vin=vin, devices=())
    assert car.key == key
