"""Flow steps that pair a vehicle over Bluetooth."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, override

import voluptuous as vol

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlowContext,
    ConfigFlowResult,
    ConfigSubentryData,
    ConfigSubentryFlow,
    SubentryFlowContext,
    SubentryFlowResult,
)
from homeassistant.const import CONF_ADDRESS, CONF_NAME, CONF_REGION
from homeassistant.core import HomeAssistant, callback
from homeassistant.data_entry_flow import FlowContext, FlowHandler, FlowResult
from homeassistant.helpers.selector import (
    BooleanSelector,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)

from ..bluetooth.pairing_attempt import (
    PairingAttempt,
    async_check_adapters,
    async_check_requirements,
)
from ..const import (
    CONF_CARS,
    CONF_COMPUTERS,
    CONF_PREVIOUS_ID,
    CONF_PROVIDER,
    PROVIDER_BLUETOOTH_ONLY,
    PROVIDER_WATCH_ONLY,
    SUBENTRY_BLUETOOTH_KEY,
)
from ..coordinator import KeycardConfigEntry
from ..notifications.markdown import escape_markdown
from ..outage.endpoints import region_of_country
from ..registry import entry_of_vehicle, vehicle_options_from_vin
from ..transport.bluetooth import BluetoothClient
from ..transport.bluetooth_pairing import PairingResult, supports_phone_key
from ..vehicle.computer_keys import ComputerKeys
from ..vehicle.keys import is_vin
from ..vehicle.product_list import unique_labels
from .base import KeycardFlow
from .fields import CONF_VIN, NAMED_VIN_SCHEMA, REGION_FIELD, VIN_SCHEMA, parse_vin

CONF_CAR = "car"
CONF_LATER = "later"

# Not a valid slug, so no vehicle ID equals it.
_ANOTHER = "another-car"

_BLUETOOTH_ONLY_SCHEMA = NAMED_VIN_SCHEMA.extend(
    {vol.Required(CONF_REGION): REGION_FIELD}
)


class PairingSteps[ContextT: FlowContext, ResultT: FlowResult[Any, Any], HandlerT](
    FlowHandler[ContextT, ResultT, HandlerT]
):
    """Shared pairing steps.

    The flow sets `vin` and `name` before, and continues in `async_step_paired`. No
    connection is kept while a form is shown: each attempt disconnects.
    """

    can_postpone = False
    """Whether the user can pair the vehicle later."""

    def __init__(self) -> None:
        """Initialize the flow."""
        super().__init__()
        self.vin = ""
        self.name = ""
        self.address: str | None = None
        self.computers: dict[str, str] = {}
        self._attempt: PairingAttempt | None = None
        self._error: str | None = None

    @abstractmethod
    async def async_step_paired(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Continue once the vehicle is paired or pairing is postponed."""

    @property
    def existing_client(self) -> BluetoothClient | None:
        """Return the Bluetooth client of a vehicle that is set up, if any."""
        return None

    @property
    def known_keys(self) -> ComputerKeys:
        """Return the known keys of the vehicle's computers."""
        return ComputerKeys()

    @property
    def subentry_data(self) -> dict[str, Any]:
        """Return the data of the subentry of a paired vehicle."""
        return {CONF_ADDRESS: self.address, CONF_COMPUTERS: self.computers}

    async def async_step_pair(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Show the instructions, and the error of the last attempt."""
        if user_input is not None:
            if user_input.get(CONF_LATER):
                return await self.async_step_paired()
            self._error = await async_check_requirements(self.hass)
            if self._error is None:
                self._attempt = PairingAttempt(
                    hass=self.hass,
                    vin=self.vin,
                    client=self.existing_client,
                    known_keys=self.known_keys,
                )
                self._attempt.async_start()
                return await self.async_step_pairing()
        later = {vol.Required(CONF_LATER, default=False): BooleanSelector()}
        return self.async_show_form(
            step_id="pair",
            data_schema=vol.Schema(later if self.can_postpone else {}),
            errors={"base": self._error} if self._error else {},
            description_placeholders={"car": escape_markdown(self.name)},
        )

    async def async_step_pairing(
        self, _user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Show the progress: the card counts only after the request was sent."""
        attempt = self._attempt
        if attempt is None:
            return self.async_show_progress_done(next_step_id="pair")
        if not attempt.task.done():
            waits = attempt.is_waiting_for_card
            return self.async_show_progress(
                step_id="pairing",
                progress_action="tapping" if waits else "asking",
                progress_task=attempt.task if waits else attempt.request_task,
                description_placeholders={"car": escape_markdown(self.name)},
            )
        self._attempt, self._error = None, attempt.result
        if self._error != PairingResult.PAIRED:
            return self.async_show_progress_done(next_step_id="pair")
        self.address = attempt.address
        if attempt.pairing is not None:
            self.computers = attempt.pairing.to_json()
        return self.async_show_progress_done(next_step_id="paired")

    @callback
    @override
    def async_remove(self) -> None:
        """Stop the attempt."""
        super().async_remove()
        if self._attempt is not None:
            self._attempt.async_stop()


def parse_new_vin(
    hass: HomeAssistant, user_input: Mapping[str, Any]
) -> tuple[str, dict[str, str], str]:
    """Return the normalized VIN, the errors, and the title of an entry that has it."""
    vin, errors = parse_vin(user_input)
    if not errors and (entry := entry_of_vehicle(hass, vin)) is not None:
        return vin, {CONF_VIN: "known_car"}, entry.title
    return vin, errors, ""


class BluetoothSteps(
    PairingSteps[ConfigFlowContext, ConfigFlowResult, str], KeycardFlow
):
    """Steps for an entry with a vehicle over Bluetooth only."""

    can_postpone = True

    def __init__(self) -> None:
        """Initialize the flow."""
        super().__init__()
        self._vehicle_region = ""

    async def async_step_bluetooth_only(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the VIN, and for the region of the cloud to monitor."""
        errors: dict[str, str] = {}
        entry_title = ""
        if user_input is not None:
            vin, errors, entry_title = parse_new_vin(self.hass, user_input)
            if not errors:
                # A closed browser page leaves its flow in progress.
                await self.async_set_unique_id(vin, raise_on_progress=False)
                self._abort_if_unique_id_configured()
                self.vin, self.name = vin, user_input[CONF_NAME].strip()
                self._vehicle_region = user_input[CONF_REGION]
                return await self.async_step_pair()
        return self.async_show_form(
            step_id="bluetooth_only",
            data_schema=self.add_suggested_values_to_schema(
                _BLUETOOTH_ONLY_SCHEMA,
                user_input
                or {CONF_REGION: region_of_country(self.hass.config.country)},
            ),
            errors=errors,
            description_placeholders={"entry": entry_title},
        )

    @override
    async def async_step_paired(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Create the entry, with a subentry if the vehicle is paired."""
        key = ConfigSubentryData(
            data=self.subentry_data,
            subentry_type=SUBENTRY_BLUETOOTH_KEY,
            title=self.name,
            unique_id=self.vin,
        )
        return self.async_create_keycard_entry(
            title=self.name,
            data={
                CONF_PROVIDER: PROVIDER_BLUETOOTH_ONLY,
                CONF_REGION: self._vehicle_region,
            },
            options={
                CONF_CARS: {self.vin: vehicle_options_from_vin(self.vin, self.name)}
            },
            subentries=[key] if self.address else None,
        )


class BluetoothKeyFlow(
    PairingSteps[SubentryFlowContext, SubentryFlowResult, tuple[str, str]],
    ConfigSubentryFlow,
):
    """Handle a subentry flow for the Bluetooth key of a vehicle."""

    def __init__(self) -> None:
        """Initialize the flow."""
        super().__init__()
        self._previous_id: str | None = None

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the vehicle."""
        entry: KeycardConfigEntry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="not_loaded")
        if (reason := async_check_adapters(self.hass)) is not None:
            return self.async_abort(reason=reason)
        vehicles = {
            vehicle_id: coordinator.vehicle.title
            for vehicle_id, coordinator in entry.runtime_data.vehicles.items()
        }
        paired = entry.runtime_data.vehicle_manager.paired_subentries
        unpaired = {
            vehicle_id: name
            for vehicle_id, name in vehicles.items()
            if vehicle_id not in paired
        }
        can_add = _is_watch_only(entry) or not vehicles
        if not unpaired and not can_add:
            return self.async_abort(reason="all_paired")
        if not unpaired:
            return await self.async_step_vin()
        errors: dict[str, str] = {}
        if user_input is not None:
            chosen = user_input[CONF_CAR]
            if chosen == _ANOTHER:
                return await self.async_step_vin()
            self.name = vehicles[chosen]
            if not is_vin(chosen):
                self._previous_id = chosen
                return await self.async_step_vin()
            if supports_phone_key(chosen):
                self.vin = chosen
                return await self.async_step_pair()
            errors[CONF_CAR] = "too_old"
        choices = [
            SelectOptionDict(value=vehicle_id, label=label)
            for vehicle_id, label in unique_labels(unpaired).items()
        ]
        if can_add:
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
        # Reset the choice when the form is shown again.
        self.name, self._previous_id = "", None
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(schema, user_input or only),
            errors=errors,
        )

    async def async_step_vin(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the VIN, and for the name of a new vehicle."""
        errors: dict[str, str] = {}
        entry_title = ""
        if user_input is not None:
            vin, errors, entry_title = parse_new_vin(self.hass, user_input)
            if not errors:
                self.vin = vin
                self.name = self.name or user_input[CONF_NAME].strip()
                return await self.async_step_pair()
        schema = VIN_SCHEMA if self.name else NAMED_VIN_SCHEMA
        return self.async_show_form(
            step_id="vin_of_car" if self.name else "vin",
            data_schema=self.add_suggested_values_to_schema(schema, user_input),
            errors=errors,
            description_placeholders={
                "car": escape_markdown(self.name),
                "entry": entry_title,
            },
        )

    async def async_step_vin_of_car(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the VIN of a vehicle that has a name."""
        return await self.async_step_vin(user_input)

    async def async_step_reconfigure(
        self, _user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Pair a vehicle again."""
        subentry = self._get_reconfigure_subentry()
        self.vin, self.name = subentry.unique_id or "", subentry.title
        return await self.async_step_pair()

    @property
    @override
    def existing_client(self) -> BluetoothClient | None:
        """Return the Bluetooth client of a paired vehicle, if it is loaded."""
        entry: KeycardConfigEntry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return None
        coordinator = entry.runtime_data.vehicles.get(self.vin)
        return (
            coordinator.bluetooth.client
            if coordinator is not None and coordinator.bluetooth is not None
            else None
        )

    @property
    @override
    def known_keys(self) -> ComputerKeys:
        """Return the known keys of the computers of a vehicle of this entry."""
        entry: KeycardConfigEntry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return ComputerKeys()
        coordinator = entry.runtime_data.vehicles.get(self.vin)
        return ComputerKeys() if coordinator is None else coordinator.vehicle.trust.keys

    @override
    async def async_step_paired(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Create or update the subentry of the vehicle."""
        entry = self._get_entry()
        data = self.subentry_data
        if self.source == SOURCE_RECONFIGURE:
            return self.async_update_reload_and_abort(
                entry,
                self._get_reconfigure_subentry(),
                data_updates=data,
                reason="paired_again",
            )
        if self._previous_id is not None:
            data[CONF_PREVIOUS_ID] = self._previous_id
        return self.async_create_entry(title=self.name, data=data, unique_id=self.vin)


def _is_watch_only(entry: ConfigEntry) -> bool:
    """Return whether the user adds the vehicles of an entry."""
    return bool(entry.data[CONF_PROVIDER] == PROVIDER_WATCH_ONLY)
