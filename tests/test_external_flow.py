"""Flows for vehicles of other integrations."""

from typing import Any
from unittest.mock import AsyncMock

import pytest

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.const import DOMAIN

from .conftest import state_of
from .flow_steps import (
    assert_leads_to_device,
    choose,
    fields,
    open_options,
    start_flow,
    submit,
    submit_options,
    suggested_values,
)
from .other_integrations import (
    ADA_VIN,
    CY_VIN,
    DeviceSpec,
    register_device,
    tesla_fleet_device,
    teslamate_device,
)

THERMOSTAT = DeviceSpec(
    domain="something",
    identifiers=("7",),
    name="Bo",
    manufacturer="Somebody",
    model="Model Y",
    entities=(("climate", "bo", {}),),
)


async def begin(hass: HomeAssistant) -> ConfigFlowResult:
    """Answer that the vehicles are in Home Assistant already."""
    return await choose(hass, await start_flow(hass), "beside")


def choices(form: ConfigFlowResult, field: str) -> dict[str, str]:
    """Return the options of a field with their labels."""
    schema = form["data_schema"]
    assert schema is not None
    selector: Any = schema.schema[field]
    return {one["value"]: one["label"] for one in selector.config["options"]}


def preset(form: ConfigFlowResult, field: str) -> Any:
    """Return the default of a field."""
    schema = form["data_schema"]
    assert schema is not None
    (key,) = [key for key in schema.schema if key == field]
    return key.default()


async def test_beside(hass: HomeAssistant, set_up_entry: AsyncMock) -> None:
    hass.config.country = "DE"
    ada = register_device(hass, tesla_fleet_device())
    cy = register_device(
        hass,
        DeviceSpec(
            domain="tessie", identifiers=(CY_VIN,), name="Cy", serial_number=CY_VIN
        ),
    )
    mate = register_device(hass, teslamate_device("Ada"))
    form = await begin(hass)
    assert form["step_id"] == "beside"
    assert suggested_values(form) == {"region": "eu"}
    assert fields(form) == {"region", "cars", "others", "another"}
    assert choices(form, "cars") == {
        ada.id: "Ada (Tesla Fleet, TeslaMate, Model 3 2021)",
        cy.id: "Cy (Tessie, Model S 2018)",
    }
    assert preset(form, "cars") == [ada.id, cy.id]

    form = await submit(hass, form, region="eu", another=False)
    assert form["step_id"] == "beside_keys"
    assert fields(form) == {"Ada", "Cy"}
    assert preset(form, "Ada") == "keycard"
    assert preset(form, "Cy") == "fob"

    created = await submit(hass, form, Ada="keycard", Cy="keycard")
    assert_leads_to_device(hass, created)
    assert created["title"] == "Tesla cloud (Europe)"
    assert created["data"] == {"provider": "watch_only", "region": "eu"}
    assert created["result"].unique_id == "watch_eu"
    assert created["options"]["cars"] == {
        "ada": {
            "name": "Ada",
            "model": "model3",
            "year": 2021,
            "key": "keycard",
            "beside": [
                {
                    "domain": "tesla_fleet",
                    "device_id": ada.id,
                    "identifiers": [["tesla_fleet", ADA_VIN]],
                },
                {
                    "domain": "mqtt",
                    "device_id": mate.id,
                    "identifiers": [["mqtt", "teslamate_car_1"]],
                },
            ],
        },
        "cy": {
            "name": "Cy",
            "model": "models",
            "year": 2018,
            "key": "keycard",
            "beside": [
                {
                    "domain": "tessie",
                    "device_id": cy.id,
                    "identifiers": [["tessie", CY_VIN]],
                }
            ],
        },
    }
    assert len(set_up_entry.mock_calls) == 1


async def test_the_first_question_names_the_cars_that_were_found(
    hass: HomeAssistant,
) -> None:
    menu = await start_flow(hass)
    assert menu["menu_options"] == ["beside", "connect"]
    assert menu["description_placeholders"] == {"cars": "no cars"}
    register_device(hass, tesla_fleet_device("Ada *"))
    register_device(hass, tesla_fleet_device("Cy", CY_VIN))
    menu = await start_flow(hass)
    assert menu["description_placeholders"] == {"cars": r"Ada \*, Cy"}


async def test_a_car_that_was_not_found(
    hass: HomeAssistant, set_up_entry: AsyncMock
) -> None:
    """The user selects its device."""
    bo = register_device(hass, THERMOSTAT)
    form = await begin(hass)
    assert fields(form) == {"region", "others", "another"}
    form = await submit(hass, form, region="eu", another=False)
    assert form["errors"] == {"base": "no_car"}
    form = await submit(hass, form, region="eu", others=[bo.id], another=False)
    assert form["step_id"] == "beside_keys"
    created = await submit(hass, form, Bo="keycard")
    assert created["options"]["cars"]["bo"]["model"] == "modely"


async def test_some_by_choice_some_by_device_some_by_hand(
    hass: HomeAssistant, set_up_entry: AsyncMock
) -> None:
    ada = register_device(hass, tesla_fleet_device())
    register_device(hass, tesla_fleet_device("Cy", CY_VIN))
    bo = register_device(hass, THERMOSTAT)
    own_device = register_device(
        hass, DeviceSpec(domain=DOMAIN, identifiers=("x",), name="X")
    )
    form = await begin(hass)
    form = await submit(
        hass,
        form,
        region="na",
        cars=[ada.id],
        others=[bo.id, ada.id, own_device.id],
        another=True,
    )
    assert fields(form) == {"Ada", "Bo"}
    form = await submit(hass, form, Ada="fob", Bo="keycard")
    assert form["step_id"] == "car"
    assert form["description_placeholders"] == {"cars": "Ada, Bo"}
    created = await submit(hass, form, name="Ada", model="modelx", another=False)
    cars = created["options"]["cars"]
    assert list(cars) == ["ada", "bo", "ada_2"]
    assert cars["bo"]["model"] == "modely"
    assert cars["ada"]["key"] == "fob"
    assert "beside" not in cars["ada_2"]


async def test_only_by_hand(hass: HomeAssistant, set_up_entry: AsyncMock) -> None:
    register_device(hass, tesla_fleet_device())
    form = await begin(hass)
    form = await submit(hass, form, region="eu", cars=[], another=False)
    assert form["errors"] == {"base": "no_car"}
    form = await submit(hass, form, region="eu", cars=[], another=True)
    assert form["step_id"] == "car"
    created = await submit(hass, form, name="Bo", model="modely", another=False)
    assert list(created["options"]["cars"]) == ["bo"]


async def test_cars_of_one_name(hass: HomeAssistant, set_up_entry: AsyncMock) -> None:
    register_device(hass, tesla_fleet_device("Car"))
    register_device(hass, tesla_fleet_device("Car", CY_VIN))
    form = await begin(hass)
    form = await submit(hass, form, region="eu", another=False)
    assert fields(form) == {"Car", "Car (2)"}
    created = await submit(hass, form, **{"Car": "keycard", "Car (2)": "fob"})
    cars = created["options"]["cars"]
    assert {car_id: car["key"] for car_id, car in cars.items()} == {
        "car": "keycard",
        "car_2": "fob",
    }


async def test_a_region_that_is_watched_says_where_to_add_cars(
    hass: HomeAssistant, watching_entry: MockConfigEntry
) -> None:
    watching_entry.add_to_hass(hass)
    register_device(hass, tesla_fleet_device())
    result = await submit(hass, await begin(hass), region="eu", another=False)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "watched_already"


# Options


async def test_options_add_vehicles_of_other_integrations(
    hass: HomeAssistant, watching_entry: MockConfigEntry
) -> None:
    watching_entry.add_to_hass(hass)
    before = watching_entry.options
    menu = await hass.config_entries.options.async_init(watching_entry.entry_id)
    assert menu["menu_options"] == [
        "change_car",
        "key_places",
        "add_car",
        "notifications",
        "hosts",
    ]
    device = register_device(hass, tesla_fleet_device())
    form = await open_options(hass, watching_entry, "add_beside")
    form = await submit_options(hass, form, cars=[])
    assert form["errors"] == {"base": "no_car"}
    form = await submit_options(hass, form, cars=[device.id])
    assert preset(form, "Ada") == "keycard"
    await submit_options(hass, form, Ada="fob")
    cars = watching_entry.options["cars"]
    assert list(cars) == ["ada", "cy", "ada_2"]
    assert cars["ada_2"]["key"] == "fob"
    assert cars["ada_2"]["beside"][0]["device_id"] == device.id
    assert watching_entry.options["hosts"] == before["hosts"]


async def test_options_name_and_drop_the_devices_of_a_car(
    hass: HomeAssistant, watching_entry: MockConfigEntry
) -> None:
    watching_entry.add_to_hass(hass)
    fleet = register_device(hass, tesla_fleet_device())
    settings = {"name": "Ada", "model": "model3", "year": 2021, "key": "keycard"}

    form = await open_options(hass, watching_entry, "change_car")
    form = await submit_options(hass, form, car="ada")
    assert suggested_values(form) == settings
    assert choices(form, "beside") == {fleet.id: "Ada (Tesla Fleet, Model 3 2021)"}
    assert preset(form, "beside") == []
    await submit_options(hass, form, **settings, beside=[fleet.id], remove=False)
    ada = watching_entry.options["cars"]["ada"]
    assert {one: ada[one] for one in settings} == settings
    assert [one["device_id"] for one in ada["beside"]] == [fleet.id]

    # A new key keeps the devices; a second one can be added.
    mate = register_device(hass, teslamate_device())
    form = await open_options(hass, watching_entry, "change_car")
    form = await submit_options(hass, form, car="ada")
    assert suggested_values(form) == settings
    assert preset(form, "beside") == [fleet.id]
    assert choices(form, "beside")[mate.id] == "Ada (TeslaMate, Model 3)"
    settings["key"] = "fob"
    await submit_options(
        hass, form, **settings, beside=[fleet.id, mate.id], remove=False
    )
    ada = watching_entry.options["cars"]["ada"]
    assert ada["key"] == "fob"
    assert [one["domain"] for one in ada["beside"]] == ["tesla_fleet", "mqtt"]

    # A removed source is shown as such, and can be removed.
    dr.async_get(hass).async_remove_device(fleet.id)
    form = await open_options(hass, watching_entry, "change_car")
    form = await submit_options(hass, form, car="ada")
    assert choices(form, "beside") == {
        fleet.id: "Tesla Fleet: no longer in Home Assistant",
        mate.id: "Ada (TeslaMate, Model 3)",
    }
    await submit_options(hass, form, **settings, beside=[], remove=False)
    assert "beside" not in watching_entry.options["cars"]["ada"]


@pytest.mark.parametrize("gone", [True, False])
async def test_a_car_lives_on_without_its_device(
    *,
    hass: HomeAssistant,
    watching_entry: MockConfigEntry,
    gone: bool,
) -> None:
    device = register_device(hass, tesla_fleet_device())
    watching_entry.add_to_hass(hass)
    form = await open_options(hass, watching_entry, "add_beside")
    form = await submit_options(hass, form, cars=[device.id])
    await submit_options(hass, form, Ada="fob")
    await hass.async_block_till_done()
    if gone:
        dr.async_get(hass).async_remove_device(device.id)
    assert await hass.config_entries.async_reload(watching_entry.entry_id)
    await hass.async_block_till_done()
    assert state_of(hass, "sensor.ada_key_to_take_2").state == "usual"
    (source,) = watching_entry.runtime_data.external_observer.describe()["ada_2"]
    assert source["found"] is not gone

    form = await open_options(hass, watching_entry, "change_car")
    form = await submit_options(hass, form, car="ada_2")
    await submit_options(hass, form, name="Ada", model="model3", remove=True)
    assert "ada_2" not in watching_entry.options["cars"]
