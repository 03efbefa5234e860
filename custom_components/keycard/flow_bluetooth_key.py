"""Adds the Bluetooth key of this home to a car, or pairs it again."""

from typing import Any, override

import voluptuous as vol

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigEntryState,
    ConfigSubentryFlow,
    SubentryFlowContext,
    SubentryFlowResult,
)
from homeassistant.const import CONF_NAME
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)

from .bluetooth_pairing import async_adapter_trouble
from .const import CONF_PROVIDER, CONF_WAS, PROVIDER_WATCH_ONLY
from .coordinator import KeycardConfigEntry
from .flow_fields import NAMED_VIN_SCHEMA, VIN_SCHEMA
from .flow_pairing import PairingSteps, read_new_vin
from .markdown import escape_markdown
from .vehicle.bluetooth import BluetoothLink
from .vehicle.bluetooth_pairing import speaks_protocol
from .vehicle.computer_keys import ComputerKeys
from .vehicle.keys import is_vin
from .vehicle.roster import labels

CONF_CAR = "car"
# No name makes such an id.
_ANOTHER = "another-car"


class BluetoothKeyFlow(
    PairingSteps[SubentryFlowContext, SubentryFlowResult, tuple[str, str]],
    ConfigSubentryFlow,
):
    """Finds out which car it is, and pairs it."""

    def __init__(self) -> None:
        """Start without a car chosen."""
        super().__init__()
        self._was: str | None = None

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask which car it is."""
        entry: KeycardConfigEntry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="not_loaded")
        if (trouble := async_adapter_trouble(self.hass)) is not None:
            return self.async_abort(reason=trouble)
        cars = {
            car_id: car.car.title for car_id, car in entry.runtime_data.cars.items()
        }
        paired = entry.runtime_data.garage.paired
        waiting = {
            car_id: name for car_id, name in cars.items() if car_id not in paired
        }
        may_be_new = _names_cars(entry) or not cars
        if not waiting and not may_be_new:
            return self.async_abort(reason="all_paired")
        if not waiting:
            return await self.async_step_vin()
        errors: dict[str, str] = {}
        if user_input is not None:
            chosen = user_input[CONF_CAR]
            if chosen == _ANOTHER:
                return await self.async_step_vin()
            self.name = cars[chosen]
            if not is_vin(chosen):
                self._was = chosen
                return await self.async_step_vin()
            if speaks_protocol(chosen):
                self.vin = chosen
                return await self.async_step_pair()
            errors[CONF_CAR] = "too_old"
        choices = [
            SelectOptionDict(value=car_id, label=label)
            for car_id, label in labels(waiting).items()
        ]
        if may_be_new:
            choices.append(SelectOptionDict(value=_ANOTHER, label=_ANOTHER))
        only = {CONF_CAR: choices[0]["value"]} if len(choices) == 1 else {}
        field = SelectSelector(
            SelectSelectorConfig(
                options=choices,
                mode=SelectSelectorMode.LIST,
                translation_key="car_to_pair",
            )
        )
        schema = vol.Schema({vol.Required(CONF_CAR): field})
        # A form that comes back begins anew.
        self.name, self._was = "", None
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(schema, user_input or only),
            errors=errors,
        )

    async def async_step_vin(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the VIN, and for a name if the car has none yet."""
        errors: dict[str, str] = {}
        holder = ""
        if user_input is not None:
            vin, errors, holder = read_new_vin(self.hass, user_input)
            if not errors:
                self.vin = vin
                self.name = self.name or user_input[CONF_NAME].strip()
                return await self.async_step_pair()
        schema = VIN_SCHEMA if self.name else NAMED_VIN_SCHEMA
        return self.async_show_form(
            step_id="vin",
            data_schema=self.add_suggested_values_to_schema(schema, user_input),
            errors=errors,
            description_placeholders={
                "car": escape_markdown(self.name or "-"),
                "entry": holder,
            },
        )

    async def async_step_reconfigure(
        self, _user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Pair a car again that has lost the key."""
        subentry = self._get_reconfigure_subentry()
        self.vin, self.name = subentry.unique_id or "", subentry.title
        return await self.async_step_pair()

    @property
    @override
    def running_link(self) -> BluetoothLink | None:
        """Return the link to a car that was paired before, if it is in use."""
        entry: KeycardConfigEntry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return None
        car = entry.runtime_data.cars.get(self.vin)
        return car.local.link if car is not None and car.local is not None else None

    @property
    @override
    def known_keys(self) -> ComputerKeys:
        """Return what is known of the computers of a car of this entry."""
        entry: KeycardConfigEntry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return ComputerKeys()
        car = entry.runtime_data.cars.get(self.vin)
        return ComputerKeys() if car is None else car.car.trust.keys

    @override
    async def async_step_paired(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Keep that the car knows the key."""
        entry = self._get_entry()
        data = self.key_data
        if self.source == SOURCE_RECONFIGURE:
            return self.async_update_reload_and_abort(
                entry, self._get_reconfigure_subentry(), data_updates=data
            )
        if self._was is not None:
            data[CONF_WAS] = self._was
        return self.async_create_entry(title=self.name, data=data, unique_id=self.vin)


def _names_cars(entry: ConfigEntry) -> bool:
    """Tell whether the owner names the cars of an entry."""
    return bool(entry.data[CONF_PROVIDER] == PROVIDER_WATCH_ONLY)
