"""Flow steps for vehicles of other integrations."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, override

import voluptuous as vol

from homeassistant.config_entries import (
    ConfigFlowContext,
    ConfigFlowResult,
    OptionsFlowWithReload,
)
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.data_entry_flow import FlowContext, FlowHandler, FlowResult
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.selector import (
    DeviceSelector,
    DeviceSelectorConfig,
    EntityFilterSelectorConfig,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
from homeassistant.helpers.typing import VolDictType

from ..const import CONF_CARS, CONF_EXTERNAL, DOMAIN, MODEL_NAMES
from ..external.discovery import (
    DeviceRef,
    DiscoveredVehicle,
    async_describe_vehicle,
    async_discover_vehicles,
    async_integration_name,
    device_refs,
    integration_domain,
)
from ..notifications.text import async_load_translations
from ..registry import vehicle_options
from ..vehicle.product_list import unique_labels
from .fields import KEY_FIELD, new_vehicle_id

CONF_OTHERS = "others"

# A device with such an entity may be a vehicle that was not discovered.
_DEVICE_FIELD = DeviceSelector(
    DeviceSelectorConfig(
        multiple=True,
        entity=[
            EntityFilterSelectorConfig(domain=domain)
            for domain in (Platform.LOCK, Platform.CLIMATE, Platform.DEVICE_TRACKER)
        ],
    )
)


async def _vehicle_fields(hass: HomeAssistant) -> VolDictType:
    """Return the fields that select vehicles, with all discovered ones by default."""
    others: VolDictType = {vol.Optional(CONF_OTHERS): _DEVICE_FIELD}
    options = [
        SelectOptionDict(value=vehicle.id, label=await _async_label(hass, vehicle))
        for vehicle in async_discover_vehicles(hass)
    ]
    if not options:
        return others
    field = SelectSelector(
        SelectSelectorConfig(
            options=options, multiple=True, mode=SelectSelectorMode.LIST
        )
    )
    default = [option["value"] for option in options]
    return {vol.Required(CONF_CARS, default=default): field, **others}


@callback
def _chosen_vehicles(
    hass: HomeAssistant, user_input: Mapping[str, Any]
) -> list[DiscoveredVehicle]:
    """Return the vehicles that the user chose, each device once."""
    vehicles = [
        vehicle
        for vehicle in async_discover_vehicles(hass)
        if vehicle.id in user_input.get(CONF_CARS, ())
    ]
    taken = {device.device_id for vehicle in vehicles for device in vehicle.devices}
    registry = dr.async_get(hass)
    for device_id in user_input.get(CONF_OTHERS, ()):
        device = registry.async_get(
            device_id, include_child_devices=False, include_composite_devices=False
        )
        if (
            device is None
            or device.id in taken
            or integration_domain(hass, device) == DOMAIN
        ):
            continue
        taken.add(device.id)
        vehicles.append(async_describe_vehicle(hass, device))
    return vehicles


class ExternalVehicleSteps[
    ContextT: FlowContext,
    ResultT: FlowResult[Any, Any],
    HandlerT,
](FlowHandler[ContextT, ResultT, HandlerT]):
    """Shared steps that add vehicles of other integrations."""

    def __init__(self) -> None:
        """Initialize the flow."""
        super().__init__()
        self._chosen: list[DiscoveredVehicle] = []

    @abstractmethod
    async def async_add_external(self, vehicles: dict[str, dict[str, Any]]) -> ResultT:
        """Continue with the options of the chosen vehicles, by ID."""

    @callback
    def async_choose_external(self, user_input: Mapping[str, Any]) -> bool:
        """Remember the chosen vehicles and return whether there are any."""
        self._chosen = _chosen_vehicles(self.hass, user_input)
        return bool(self._chosen)

    async def async_show_external(
        self,
        step_id: str,
        user_input: Mapping[str, Any] | None,
        *,
        before: VolDictType | None = None,
        after: VolDictType | None = None,
        suggested: Mapping[str, Any] | None = None,
    ) -> ResultT:
        """Show the form to choose vehicles, between the other fields of the step."""
        fields = await _vehicle_fields(self.hass)
        schema = vol.Schema({**(before or {}), **fields, **(after or {})})
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
            errors={} if user_input is None else {"base": "no_car"},
        )

    async def async_step_beside_keys(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Ask for the key of each chosen vehicle."""
        labels = unique_labels(
            {vehicle.id: vehicle.name for vehicle in self._chosen}, numbered=True
        )
        if user_input is None:
            fields: VolDictType = {
                vol.Required(labels[vehicle.id], default=vehicle.key.value): KEY_FIELD
                for vehicle in self._chosen
            }
            return self.async_show_form(
                step_id="beside_keys", data_schema=vol.Schema(fields)
            )
        options: dict[str, dict[str, Any]] = {}
        for vehicle in self._chosen:
            vehicle_id = new_vehicle_id(self.hass, vehicle.name, options)
            options[vehicle_id] = {
                **vehicle_options(
                    name=vehicle.name,
                    model=vehicle.model,
                    year=vehicle.year,
                    key=user_input[labels[vehicle.id]],
                ),
                CONF_EXTERNAL: [device.to_option() for device in vehicle.devices],
            }
        return await self.async_add_external(options)


class ExternalOptions(
    ExternalVehicleSteps[ConfigFlowContext, ConfigFlowResult, str],
    OptionsFlowWithReload,
):
    """Options flow steps for vehicles of other integrations."""

    @property
    def _vehicles(self) -> dict[str, Any]:
        """Return the vehicles of the options."""
        return dict(self.config_entry.options.get(CONF_CARS, {}))

    def _save_vehicles(self, vehicles: Mapping[str, Any]) -> ConfigFlowResult:
        """Save the vehicles, and keep the other options."""
        return self.async_create_entry(
            data={**self.config_entry.options, CONF_CARS: vehicles}
        )

    async def async_step_add_beside(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which vehicles of other integrations to add."""
        if user_input is not None and self.async_choose_external(user_input):
            return await self.async_step_beside_keys()
        return await self.async_show_external("add_beside", user_input)

    @override
    async def async_add_external(
        self, vehicles: dict[str, dict[str, Any]]
    ) -> ConfigFlowResult:
        """Add the chosen vehicles to the options."""
        return self._save_vehicles({**self._vehicles, **vehicles})

    def _suggested_vehicle(self, vehicle_id: str) -> dict[str, Any]:
        """Return the suggested values of a vehicle, without its devices."""
        options = self._vehicles[vehicle_id]
        return {name: value for name, value in options.items() if name != CONF_EXTERNAL}

    async def _async_device_fields(self, vehicle_id: str) -> dict[vol.Marker, Any]:
        """Return the field for the devices of a vehicle, if there are any."""
        options = {
            device.device_id: await self._async_device_label(device)
            for device in device_refs(self._vehicles[vehicle_id])
        }
        default = list(options)
        for vehicle in async_discover_vehicles(self.hass):
            for device in vehicle.devices:
                options[device.device_id] = await _async_label(
                    self.hass, vehicle, device
                )
        if not options:
            return {}
        field = SelectSelector(
            SelectSelectorConfig(
                options=[
                    SelectOptionDict(value=device_id, label=label)
                    for device_id, label in options.items()
                ],
                multiple=True,
                mode=SelectSelectorMode.LIST,
            )
        )
        return {vol.Required(CONF_EXTERNAL, default=default): field}

    def _device_options(
        self, vehicle_id: str, user_input: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the option with the devices that the user selected."""
        current = list(device_refs(self._vehicles[vehicle_id]))
        found = [
            device
            for vehicle in async_discover_vehicles(self.hass)
            for device in vehicle.devices
        ]
        chosen = user_input.get(CONF_EXTERNAL, ())
        devices = [
            device.to_option()
            for device in (*current, *found)
            if device.device_id in chosen
        ]
        return {CONF_EXTERNAL: devices} if devices else {}

    async def _async_device_label(self, ref: DeviceRef) -> str:
        device = ref.async_find(self.hass)
        if device is not None:
            vehicle = async_describe_vehicle(self.hass, device)
            return await _async_label(self.hass, vehicle, ref)
        translations = await async_load_translations(self.hass)
        return translations.format(
            "device_gone", integration=await async_integration_name(self.hass, ref)
        )


async def _async_label(
    hass: HomeAssistant, vehicle: DiscoveredVehicle, device: DeviceRef | None = None
) -> str:
    """Return the name of a vehicle with its integrations, model and year."""
    devices = vehicle.devices if device is None else (device,)
    names = [await async_integration_name(hass, ref) for ref in devices]
    model = MODEL_NAMES.get(vehicle.model)
    variant = f"{model} {vehicle.year}" if model and vehicle.year else model
    details = [*names, *([variant] if variant else [])]
    return f"{vehicle.name} ({', '.join(details)})"
