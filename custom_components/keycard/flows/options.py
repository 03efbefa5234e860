"""Options flow for Keycard."""

from collections.abc import Callable, Mapping
from typing import Any

import voluptuous as vol

from homeassistant.config_entries import (
    ConfigEntryState,
    ConfigFlowResult,
    OptionsFlowWithReload,
)
from homeassistant.const import CONF_HOSTS, CONF_NAME, CONF_REGION
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    Selector,
    SelectSelector,
    SelectSelectorConfig,
)
from homeassistant.helpers.typing import VolDictType

from ..const import (
    CONF_BUDGET,
    CONF_KEY,
    CONF_KEY_PLACE,
    CONF_LEFT_OUT,
    CONF_LINK,
    CONF_LOCATION_AWAY,
    CONF_PACE,
    CONF_PROVIDER,
    CONF_SIGN_IN,
    CONF_UNRELATED,
    DOMAIN,
    NO_ACCOUNT,
    PROVIDER_WATCH_ONLY,
    SUBENTRY_BLUETOOTH_KEY,
)
from ..coordinator import KeycardConfigEntry
from ..cost.pricing import CURRENCY
from ..external.discovery import async_discover_vehicles
from ..outage.endpoints import REGIONS, default_hosts
from ..transport.routing import Preference
from ..vehicle.poll_schedule import DEFAULT_PACE
from ..vehicle.product_list import unique_labels
from ..vehicle.vehicle import Vehicle
from .external import ExternalOptions
from .fields import (
    CAR_SCHEMA,
    CONF_REMOVE,
    EDIT_CAR_SCHEMA,
    KEY_FIELD,
    KEY_PLACE_FIELD,
    LINK_FIELD,
    PACE_FIELD,
    URL_FIELD,
    URLS_FIELD,
    is_https_or_local,
    new_vehicle_id,
    normalize_url,
    vehicle_options_from_input,
)
from .receivers import NotificationOptions

CONF_CAR = "car"
CONF_DEFAULTS = "defaults"

_LIST_FIELDS = (CONF_SIGN_IN, CONF_UNRELATED)

_BUDGET_STEP = 0.5
_MAX_BUDGET = 1000.0

_BUDGET_SCHEMA = vol.Schema(
    {
        vol.Optional(CONF_BUDGET): NumberSelector(
            NumberSelectorConfig(
                min=_BUDGET_STEP,
                max=_MAX_BUDGET,
                step=_BUDGET_STEP,
                mode=NumberSelectorMode.BOX,
                unit_of_measurement=CURRENCY,
            )
        )
    }
)


class CostSteps(OptionsFlowWithReload):
    """Options flow steps for the pace of data and the monthly budget."""

    @property
    def _cost_steps(self) -> list[str]:
        """Return the steps that apply to the tariff of the provider."""
        if self.config_entry.state is not ConfigEntryState.LOADED:
            return []
        entry: KeycardConfigEntry = self.config_entry
        data = entry.runtime_data
        usage = data.usage.monthly_usage
        has_pace = data.provider.has_account and usage.tariff.bills_calls
        return [
            *(["pace"] if has_pace else []),
            *(["budget"] if usage.can_be_limited else []),
        ]

    async def async_step_pace(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the pace of data; the poller reads it, so nothing is reloaded."""
        options = self.config_entry.options
        if user_input is not None:
            self.automatic_reload = False
            return self.async_create_entry(data={**options, **user_input})
        chosen = options.get(CONF_PACE, DEFAULT_PACE.value)
        return self.async_show_form(
            step_id="pace",
            data_schema=vol.Schema(
                {vol.Required(CONF_PACE, default=chosen): PACE_FIELD}
            ),
        )

    async def async_step_budget(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the monthly budget; an empty one removes it."""
        options = self.config_entry.options
        if user_input is not None:
            other_options = {
                key: value for key, value in options.items() if key != CONF_BUDGET
            }
            return self.async_create_entry(data={**other_options, **user_input})
        return self.async_show_form(
            step_id="budget",
            data_schema=self.add_suggested_values_to_schema(_BUDGET_SCHEMA, options),
        )


class KeycardOptionsFlow(ExternalOptions, NotificationOptions, CostSteps):
    """Handle the options flow for Keycard."""

    def __init__(self) -> None:
        """Initialize the flow."""
        super().__init__()
        self._vehicle_id = ""

    async def async_step_init(
        self, _user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show the menu of the options."""
        if self.config_entry.data[CONF_PROVIDER] == PROVIDER_WATCH_ONLY:
            options = [
                *(["change_car", "key_places"] if self._vehicles else []),
                *(["add_beside"] if async_discover_vehicles(self.hass) else []),
                "add_car",
                "notifications",
                "hosts",
            ]
        else:
            transport = ["link"] if self._has_both_transports else []
            account = self.config_entry.data[CONF_PROVIDER] not in NO_ACCOUNT
            location = ["location"] if account else []
            options = [
                "notifications",
                *(
                    "keys",
                    "key_places",
                    "leave_out",
                    *transport,
                    *location,
                    *self._cost_steps,
                    "hosts",
                ),
            ]
        return self.async_show_menu(step_id="init", menu_options=options)

    async def async_step_add_car(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Add a vehicle."""
        errors: dict[str, str] = {}
        if user_input is not None:
            if user_input[CONF_NAME].strip():
                vehicle_id = new_vehicle_id(self.hass, user_input[CONF_NAME], ())
                vehicles = {
                    **self._vehicles,
                    vehicle_id: vehicle_options_from_input(user_input),
                }
                return self._save_vehicles(vehicles)
            errors[CONF_NAME] = "no_name"
        return self.async_show_form(
            step_id="add_car",
            data_schema=self.add_suggested_values_to_schema(CAR_SCHEMA, user_input),
            errors=errors,
        )

    async def async_step_change_car(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which vehicle to change."""
        if user_input is not None:
            self._vehicle_id = user_input[CONF_CAR]
            return await self.async_step_car()
        choices = SelectSelectorConfig(
            options=[
                SelectOptionDict(value=vehicle_id, label=vehicle[CONF_NAME])
                for vehicle_id, vehicle in self._vehicles.items()
            ]
        )
        return self.async_show_form(
            step_id="change_car",
            data_schema=vol.Schema({vol.Required(CONF_CAR): SelectSelector(choices)}),
        )

    async def async_step_car(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change or remove a vehicle."""
        errors: dict[str, str] = {}
        if user_input is not None:
            vehicles = dict(self._vehicles)
            if user_input[CONF_REMOVE]:
                vehicles.pop(self._vehicle_id)
                self._remove_vehicle(self._vehicle_id)
                return self._save_vehicles(vehicles)
            if user_input[CONF_NAME].strip():
                vehicles[self._vehicle_id] = {
                    **vehicle_options_from_input(user_input),
                    **self._device_options(self._vehicle_id, user_input),
                    **self._key_place(self._vehicle_id),
                }
                return self._save_vehicles(vehicles)
            errors[CONF_NAME] = "no_name"
        return self.async_show_form(
            step_id="car",
            data_schema=self.add_suggested_values_to_schema(
                EDIT_CAR_SCHEMA.extend(
                    await self._async_device_fields(self._vehicle_id)
                ),
                user_input or self._suggested_vehicle(self._vehicle_id),
            ),
            errors=errors,
        )

    async def async_step_keys(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the key of each vehicle of the account."""
        return self._ask_for_each_vehicle(
            "keys",
            CONF_KEY,
            lambda vehicle, label: {
                vol.Required(label, default=vehicle.physical_key.value): KEY_FIELD
            },
            user_input,
        )

    async def async_step_key_places(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the place of each vehicle's key."""
        return self._ask_for_each_vehicle(
            "key_places",
            CONF_KEY_PLACE,
            lambda vehicle, label: {
                vol.Optional(
                    label, description={"suggested_value": vehicle.key_place}
                ): KEY_PLACE_FIELD
            },
            user_input,
        )

    def _ask_for_each_vehicle(
        self,
        step_id: str,
        option: str,
        field_fn: Callable[[Vehicle, str], VolDictType],
        user_input: Mapping[str, Any] | None,
    ) -> ConfigFlowResult:
        """Ask for an option of each vehicle.

        `field_fn` returns the form field of a vehicle with the given label.
        """
        if (vehicles := self._loaded_vehicles()) is None:
            return self.async_abort(reason="not_loaded")
        if not vehicles:
            return self.async_abort(reason="no_cars")
        label = unique_labels({vehicle.id: vehicle.title for vehicle in vehicles})
        if user_input is None:
            fields: VolDictType = {}
            for vehicle in vehicles:
                fields |= field_fn(vehicle, label[vehicle.id])
            return self.async_show_form(step_id=step_id, data_schema=vol.Schema(fields))
        options = self._vehicles
        for vehicle in vehicles:
            changed = dict(options.get(vehicle.id, {}))
            changed.pop(option, None)
            if value := user_input.get(label[vehicle.id]):
                changed[option] = value
            options[vehicle.id] = changed
        return self._save_vehicles(options)

    def _loaded_vehicles(self) -> list[Vehicle] | None:
        """Return the vehicles, sorted by their current names, None if not loaded."""
        if self.config_entry.state is not ConfigEntryState.LOADED:
            return None
        entry: KeycardConfigEntry = self.config_entry
        entry.runtime_data.vehicle_manager.async_update_names()
        vehicles = (
            coordinator.vehicle for coordinator in entry.runtime_data.vehicles.values()
        )
        return sorted(vehicles, key=lambda vehicle: vehicle.title)

    def _key_place(self, vehicle_id: str) -> dict[str, str]:
        """Return the option with the place of a vehicle's key, if it is known."""
        vehicle = self._vehicles[vehicle_id]
        return {name: vehicle[name] for name in (CONF_KEY_PLACE,) if name in vehicle}

    async def async_step_leave_out(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which vehicles of the account to leave out."""
        if self.config_entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="not_loaded")
        entry: KeycardConfigEntry = self.config_entry
        manager = entry.runtime_data.vehicle_manager
        names = {
            vin: coordinator.vehicle.title
            for vin, coordinator in manager.vehicles.items()
        }
        names |= {vin: vehicle.title for vin, vehicle in manager.left_out.items()}
        if not names:
            return self.async_abort(reason="no_cars")
        if user_input is not None:
            return self.async_create_entry(
                data={**self.config_entry.options, **user_input}
            )
        choices = SelectSelectorConfig(
            options=[
                SelectOptionDict(value=vin, label=label)
                for vin, label in unique_labels(names).items()
            ],
            multiple=True,
        )
        left_out = [
            vin
            for vin in self.config_entry.options.get(CONF_LEFT_OUT, ())
            if vin in names
        ]
        return self.async_show_form(
            step_id="leave_out",
            data_schema=vol.Schema(
                {vol.Required(CONF_LEFT_OUT, default=left_out): SelectSelector(choices)}
            ),
        )

    @property
    def _has_both_transports(self) -> bool:
        """Return whether both transports exist: an account and a paired vehicle."""
        return self.config_entry.data[CONF_PROVIDER] not in NO_ACCOUNT and bool(
            self.config_entry.get_subentries_of_type(SUBENTRY_BLUETOOTH_KEY)
        )

    async def async_step_link(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which transport to prefer."""
        options = self.config_entry.options
        if user_input is not None:
            return self.async_create_entry(data={**options, **user_input})
        chosen = options.get(CONF_LINK, Preference.CHEAPEST.value)
        return self.async_show_form(
            step_id="link",
            data_schema=vol.Schema(
                {vol.Required(CONF_LINK, default=chosen): LINK_FIELD}
            ),
        )

    async def async_step_location(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask whether to send a vehicle its own location as the user's when away."""
        options = self.config_entry.options
        if user_input is not None:
            return self.async_create_entry(data={**options, **user_input})
        allowed = options.get(CONF_LOCATION_AWAY, False)
        return self.async_show_form(
            step_id="location",
            data_schema=vol.Schema(
                {vol.Required(CONF_LOCATION_AWAY, default=allowed): BooleanSelector()}
            ),
        )

    async def async_step_hosts(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the hosts to probe; an empty region gets its default."""
        errors: dict[str, str] = {}
        if user_input is not None:
            if user_input[CONF_DEFAULTS]:
                return self._save_hosts(self._default_hosts())
            hosts, errors = _parse_hosts(user_input)
            if not errors:
                return self._save_hosts(hosts)
        region = self.config_entry.data[CONF_REGION]
        own_first = sorted(REGIONS, key=lambda other: other != region)
        fields: dict[vol.Marker, Selector[Any]] = {
            **{vol.Optional(name): URL_FIELD for name in own_first},
            vol.Optional(CONF_SIGN_IN): URLS_FIELD,
            vol.Optional(CONF_UNRELATED): URLS_FIELD,
            vol.Required(CONF_DEFAULTS, default=False): BooleanSelector(),
        }
        return self.async_show_form(
            step_id="hosts",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(fields), user_input or self._hosts()
            ),
            errors=errors,
        )

    def _remove_vehicle(self, vehicle_id: str) -> None:
        """Remove the device of a vehicle with its entities, and its Bluetooth key."""
        registry = dr.async_get(self.hass)
        device = registry.async_get_device_by_identifier(
            (DOMAIN, vehicle_id), self.config_entry.entry_id
        )
        if device is not None:
            registry.async_remove_device(device.id)
        for subentry in self.config_entry.get_subentries_of_type(
            SUBENTRY_BLUETOOTH_KEY
        ):
            if subentry.unique_id == vehicle_id:
                self.hass.config_entries.async_remove_subentry(
                    self.config_entry, subentry.subentry_id
                )

    def _hosts(self) -> dict[str, Any]:
        """Return the configured hosts, by field of the form."""
        options = self.config_entry.options
        return {
            **self._default_hosts(),
            **options.get(CONF_HOSTS, {}),
            **{key: options[key] for key in _LIST_FIELDS if key in options},
        }

    def _default_hosts(self) -> dict[str, Any]:
        """Return the default hosts, by field of the form."""
        hosts = default_hosts(self.config_entry.data[CONF_REGION])
        return {
            **hosts.regions,
            CONF_SIGN_IN: list(hosts.sign_in),
            CONF_UNRELATED: list(hosts.unrelated),
        }

    def _save_hosts(self, hosts: Mapping[str, Any]) -> ConfigFlowResult:
        """Save only the hosts that differ from the defaults, as those may change."""
        default = self._default_hosts()
        own = {key: value for key, value in hosts.items() if value != default[key]}
        lists = {key: own.pop(key) for key in _LIST_FIELDS if key in own}
        rest = {
            key: value
            for key, value in self.config_entry.options.items()
            if key not in (CONF_HOSTS, *_LIST_FIELDS)
        }
        regions = {CONF_HOSTS: own} if own else {}
        return self.async_create_entry(data={**rest, **regions, **lists})


def _parse_hosts(
    user_input: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the normalized hosts, and the errors by field."""
    hosts: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for field in (*REGIONS, *_LIST_FIELDS):
        value = user_input.get(field) or []
        urls = [url for url in ([value] if isinstance(value, str) else value) if url]
        found = [normalize_url(url) for url in urls]
        if None in found:
            errors[field] = "invalid_url"
            continue
        good = [url for url in found if url is not None]
        if field != CONF_UNRELATED and not all(map(is_https_or_local, good)):
            errors[field] = "not_encrypted"
        elif field in _LIST_FIELDS:
            hosts[field] = good
        elif good:
            hosts[field] = good[0]
    return hosts, errors
