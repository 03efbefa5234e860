"""What the flows ask about the cars that other integrations made."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import voluptuous as vol

from homeassistant.config_entries import ConfigFlowResult, OptionsFlowWithReload
from homeassistant.const import CONF_MODEL, CONF_NAME, Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.selector import (
    DeviceSelector,
    DeviceSelectorConfig,
    EntityFilterSelectorConfig,
    SelectOptionDict,
    Selector,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)

from ..const import CONF_CARS, CONF_EXTERNAL, CONF_KEY, CONF_YEAR, DOMAIN, MODEL_NAMES
from ..external.discovery import (
    DeviceRef,
    DiscoveredVehicle,
    async_describe,
    async_discover_vehicles,
    async_integration_name,
    device_refs,
    domain_of,
)
from ..notifications.text import async_load_translations
from .fields import KEY_FIELD, new_car_id

CONF_OTHERS = "others"

# Whatever has one of these may be a car that was not recognised.
_DEVICE_FIELD = DeviceSelector(
    DeviceSelectorConfig(
        multiple=True,
        entity=[
            EntityFilterSelectorConfig(domain=domain)
            for domain in (Platform.LOCK, Platform.CLIMATE, Platform.DEVICE_TRACKER)
        ],
    )
)


async def async_car_fields(
    hass: HomeAssistant, found: Iterable[DiscoveredVehicle]
) -> dict[vol.Marker, Selector[Any]]:
    """Return the fields that ask which cars to take; all that were found at first."""
    options = [
        SelectOptionDict(value=car.id, label=await _async_label(hass, car))
        for car in found
    ]
    field = SelectSelector(
        SelectSelectorConfig(
            options=options, multiple=True, mode=SelectSelectorMode.LIST
        )
    )
    default = [option["value"] for option in options]
    return {
        vol.Required(CONF_CARS, default=default): field,
        vol.Optional(CONF_OTHERS): _DEVICE_FIELD,
    }


@callback
def async_chosen(
    hass: HomeAssistant,
    found: Iterable[DiscoveredVehicle],
    user_input: Mapping[str, Any],
) -> list[DiscoveredVehicle]:
    """Return the cars that an owner chose; a device is taken once."""
    cars = [car for car in found if car.id in user_input[CONF_CARS]]
    taken = {device.device_id for car in cars for device in car.devices}
    registry = dr.async_get(hass)
    for device_id in user_input.get(CONF_OTHERS, ()):
        device = registry.async_get(
            device_id, include_child_devices=False, include_composite_devices=False
        )
        if device is None or device.id in taken or domain_of(hass, device) == DOMAIN:
            continue
        cars.append(async_describe(hass, device))
    return cars


def key_fields(cars: Iterable[DiscoveredVehicle]) -> dict[vol.Marker, Selector[Any]]:
    """Return the fields that ask for the key of each car, by a name for each."""
    return {
        vol.Required(label, default=car.key.value): KEY_FIELD
        for label, car in unique_labels(cars).items()
    }


def unique_labels(cars: Iterable[DiscoveredVehicle]) -> dict[str, DiscoveredVehicle]:
    """Return cars by a name that no other of them has."""
    found: dict[str, DiscoveredVehicle] = {}
    for car in cars:
        label, number = car.name, 1
        while label in found:
            number += 1
            label = f"{car.name} ({number})"
        found[label] = car
    return found


def options_of(
    hass: HomeAssistant,
    cars: Iterable[DiscoveredVehicle],
    user_input: Mapping[str, Any],
    taken: Collection[str] = (),
) -> dict[str, dict[str, Any]]:
    """Return the cars as the options hold them, with the keys that were confirmed."""
    options: dict[str, dict[str, Any]] = {}
    for label, car in unique_labels(cars).items():
        car_id = new_car_id(hass, car.name, {*taken, *options})
        options[car_id] = {
            CONF_NAME: car.name,
            CONF_MODEL: car.model,
            CONF_YEAR: car.year,
            CONF_KEY: user_input[label],
            CONF_EXTERNAL: [device.as_option() for device in car.devices],
        }
    return options


class ExternalOptions(OptionsFlowWithReload):
    """The steps that add cars of other integrations, or let them go."""

    def __init__(self) -> None:
        """Start without a car chosen."""
        self._chosen: list[DiscoveredVehicle] = []

    @property
    def _cars(self) -> dict[str, Any]:
        """Return the cars of the options."""
        return dict(self.config_entry.options.get(CONF_CARS, {}))

    def _save_cars(self, cars: Mapping[str, Any]) -> ConfigFlowResult:
        """Keep these cars, and the rest as it was."""
        return self.async_create_entry(
            data={**self.config_entry.options, CONF_CARS: cars}
        )

    async def async_step_add_beside(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which cars of other integrations to add."""
        found = async_discover_vehicles(self.hass)
        errors: dict[str, str] = {}
        if user_input is not None:
            self._chosen = async_chosen(self.hass, found, user_input)
            if self._chosen:
                return await self.async_step_beside_keys()
            errors["base"] = "no_car"
        return self.async_show_form(
            step_id="add_beside",
            data_schema=vol.Schema(await async_car_fields(self.hass, found)),
            errors=errors,
        )

    async def async_step_beside_keys(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which key each of them has."""
        if user_input is not None:
            added = options_of(self.hass, self._chosen, user_input)
            return self._save_cars({**self._cars, **added})
        return self.async_show_form(
            step_id="beside_keys", data_schema=vol.Schema(key_fields(self._chosen))
        )

    def _describe(self, car_id: str) -> dict[str, Any]:
        """Return what an owner told of a car; its devices stand in their own field."""
        car = self._cars[car_id]
        return {name: value for name, value in car.items() if name != CONF_EXTERNAL}

    async def _async_device_fields(self, car_id: str) -> dict[vol.Marker, Any]:
        """Return the field that names the devices of a car, if there are any."""
        labels = {
            device.device_id: await self._async_device_label(device)
            for device in device_refs(self._cars[car_id])
        }
        named = list(labels)
        for car in async_discover_vehicles(self.hass):
            for device in car.devices:
                labels[device.device_id] = await _async_label(self.hass, car, device)
        if not labels:
            return {}
        field = SelectSelector(
            SelectSelectorConfig(
                options=[
                    SelectOptionDict(value=device_id, label=label)
                    for device_id, label in labels.items()
                ],
                multiple=True,
                mode=SelectSelectorMode.LIST,
            )
        )
        return {vol.Required(CONF_EXTERNAL, default=named): field}

    def _named_of(self, car_id: str, user_input: Mapping[str, Any]) -> dict[str, Any]:
        """Return the option that names the devices which an owner left or chose."""
        known = list(device_refs(self._cars[car_id]))
        found = [
            dev for car in async_discover_vehicles(self.hass) for dev in car.devices
        ]
        chosen = user_input.get(CONF_EXTERNAL, ())
        devices = [
            device.as_option()
            for device in (*known, *found)
            if device.device_id in chosen
        ]
        return {CONF_EXTERNAL: devices} if devices else {}

    async def _async_device_label(self, named: DeviceRef) -> str:
        device = named.async_find(self.hass)
        if device is not None:
            car = async_describe(self.hass, device)
            return await _async_label(self.hass, car, named)
        words = await async_load_translations(self.hass)
        return words.format(
            "device_gone", integration=await async_integration_name(self.hass, named)
        )


async def _async_label(
    hass: HomeAssistant, car: DiscoveredVehicle, device: DeviceRef | None = None
) -> str:
    """Name a car, whose it is and what it is, as far as that is known."""
    devices = car.devices if device is None else (device,)
    names = [await async_integration_name(hass, each) for each in devices]
    model = MODEL_NAMES.get(car.model)
    kind = f"{model} {car.year}" if model and car.year else model
    details = [*names, *([kind] if kind else [])]
    return f"{car.name} ({', '.join(details)})"
