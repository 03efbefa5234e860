"""Adds the Bluetooth key of this home to a car, or pairs it again."""

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

from ..bluetooth.pairing import Attempt, async_adapter_trouble, async_find_trouble
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
from ..registry import entry_of_car, vehicle_options_from_vin
from ..transport.bluetooth import BluetoothClient
from ..transport.bluetooth_pairing import PairingResult, supports_phone_key
from ..vehicle.computer_keys import ComputerKeys
from ..vehicle.keys import is_vin
from ..vehicle.product_list import unique_labels
from .base import KeycardFlow
from .fields import (
    CONF_VIN,
    NAMED_VIN_SCHEMA,
    REGION_FIELD,
    REGION_SCHEMA,
    VIN_SCHEMA,
    read_vin,
)

CONF_LATER = "later"


class PairingSteps[ContextT: FlowContext, ResultT: FlowResult[Any, Any], HandlerT](
    FlowHandler[ContextT, ResultT, HandlerT]
):
    """Say what is to be done at the car, ask it, and wait for the card.

    The flow names the car before, and goes on in `async_step_paired`. Nothing is held
    while a form is shown: the car is let go with every attempt.
    """

    may_wait = False
    """Whether an owner may pair the car another day."""

    def __init__(self) -> None:
        """Start without a car."""
        super().__init__()
        self.vin = ""
        self.name = ""
        self.address: str | None = None
        self.computers: dict[str, str] = {}
        self._attempt: Attempt | None = None
        self._ended: str | None = None

    @abstractmethod
    async def async_step_paired(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Go on with a car that knows the key, or without it if that is to wait."""

    @property
    def running_link(self) -> BluetoothClient | None:
        """Return the link that the car has already, if any."""
        return None

    @property
    def known_keys(self) -> ComputerKeys:
        """Return what is known of the computers of the car."""
        return ComputerKeys()

    @property
    def key_data(self) -> dict[str, Any]:
        """Return what the subentry of a car that was paired holds."""
        return {CONF_ADDRESS: self.address, CONF_COMPUTERS: self.computers}

    async def async_step_pair(
        self, user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Say what is to be done at the car, and what went wrong the last time."""
        if user_input is not None:
            if user_input.get(CONF_LATER):
                return await self.async_step_paired()
            self._ended = await async_find_trouble(self.hass)
            if self._ended is None:
                self._attempt = Attempt(
                    hass=self.hass,
                    vin=self.vin,
                    link=self.running_link,
                    known=self.known_keys,
                )
                self._attempt.async_start()
                return await self.async_step_pairing()
        later = {vol.Required(CONF_LATER, default=False): BooleanSelector()}
        return self.async_show_form(
            step_id="pair",
            data_schema=vol.Schema(later if self.may_wait else {}),
            errors={"base": self._ended} if self._ended else {},
            description_placeholders={"car": escape_markdown(self.name)},
        )

    async def async_step_pairing(
        self, _user_input: dict[str, Any] | None = None
    ) -> ResultT:
        """Show how far it is: the card counts only once the car was asked."""
        attempt = self._attempt
        if attempt is None:
            return self.async_show_progress_done(next_step_id="pair")
        if not attempt.task.done():
            waits = attempt.waits_for_card
            return self.async_show_progress(
                step_id="pairing",
                progress_action="tapping" if waits else "asking",
                progress_task=attempt.task if waits else attempt.question,
                description_placeholders={"car": escape_markdown(self.name)},
            )
        self._attempt, self._ended = None, attempt.end
        if self._ended != PairingResult.PAIRED:
            return self.async_show_progress_done(next_step_id="pair")
        self.address = attempt.address
        if attempt.pairing is not None:
            self.computers = attempt.pairing.to_json()
        return self.async_show_progress_done(next_step_id="paired")

    @callback
    @override
    def async_remove(self) -> None:
        """Let go of the car."""
        super().async_remove()
        if self._attempt is not None:
            self._attempt.async_stop()


def read_new_vin(
    hass: HomeAssistant, user_input: Mapping[str, Any]
) -> tuple[str, dict[str, str], str]:
    """Return a VIN in its one form, what is wrong with it, and who has it already."""
    vin, errors = read_vin(user_input)
    if not errors and (other := entry_of_car(hass, vin)) is not None:
        return vin, {CONF_VIN: "known_car"}, other.title
    return vin, errors, ""


_SCHEMA = NAMED_VIN_SCHEMA.extend({vol.Required(CONF_REGION): REGION_FIELD})


class BluetoothSteps(
    PairingSteps[ConfigFlowContext, ConfigFlowResult, str], KeycardFlow
):
    """The steps of an entry without an account."""

    may_wait = True

    def __init__(self) -> None:
        """Start without an answer."""
        super().__init__()
        self._region_of_car = ""

    async def async_step_bluetooth_only(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which car it is; its cloud is watched, for notices name its key."""
        errors: dict[str, str] = {}
        holder = ""
        if user_input is not None:
            vin, errors, holder = read_new_vin(self.hass, user_input)
            if not errors:
                # A page that was closed is no reason not to begin anew.
                await self.async_set_unique_id(vin, raise_on_progress=False)
                self._abort_if_unique_id_configured()
                self.vin, self.name = vin, user_input[CONF_NAME].strip()
                self._region_of_car = user_input[CONF_REGION]
                return await self.async_step_pair()
        return self.async_show_form(
            step_id="bluetooth_only",
            data_schema=self.add_suggested_values_to_schema(
                _SCHEMA,
                user_input
                or {CONF_REGION: region_of_country(self.hass.config.country)},
            ),
            errors=errors,
            description_placeholders={"entry": holder},
        )

    @override
    async def async_step_paired(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Set up the car, with its key if it has been paired."""
        key = ConfigSubentryData(
            data=self.key_data,
            subentry_type=SUBENTRY_BLUETOOTH_KEY,
            title=self.name,
            unique_id=self.vin,
        )
        return self.async_set_up(
            title=self.name,
            data={
                CONF_PROVIDER: PROVIDER_BLUETOOTH_ONLY,
                CONF_REGION: self._region_of_car,
            },
            options={
                CONF_CARS: {self.vin: vehicle_options_from_vin(self.vin, self.name)}
            },
            subentries=[key] if self.address else None,
        )

    async def async_step_reconfigure_bluetooth_only(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change the region to watch."""
        entry = self._get_reconfigure_entry()
        if user_input is not None:
            return self.async_update_reload_and_abort(entry, data_updates=user_input)
        return self.async_show_form(
            step_id="reconfigure_bluetooth_only",
            data_schema=self.add_suggested_values_to_schema(REGION_SCHEMA, entry.data),
        )


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
            car_id: car.vehicle.title for car_id, car in entry.runtime_data.cars.items()
        }
        paired = entry.runtime_data.garage.paired_subentries
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
            if supports_phone_key(chosen):
                self.vin = chosen
                return await self.async_step_pair()
            errors[CONF_CAR] = "too_old"
        choices = [
            SelectOptionDict(value=car_id, label=label)
            for car_id, label in unique_labels(waiting).items()
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
    def running_link(self) -> BluetoothClient | None:
        """Return the link to a car that was paired before, if it is in use."""
        entry: KeycardConfigEntry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return None
        car = entry.runtime_data.cars.get(self.vin)
        return (
            car.bluetooth.client
            if car is not None and car.bluetooth is not None
            else None
        )

    @property
    @override
    def known_keys(self) -> ComputerKeys:
        """Return what is known of the computers of a car of this entry."""
        entry: KeycardConfigEntry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return ComputerKeys()
        car = entry.runtime_data.cars.get(self.vin)
        return ComputerKeys() if car is None else car.vehicle.trust.keys

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
            data[CONF_PREVIOUS_ID] = self._was
        return self.async_create_entry(title=self.name, data=data, unique_id=self.vin)


def _names_cars(entry: ConfigEntry) -> bool:
    """Tell whether the owner names the cars of an entry."""
    return bool(entry.data[CONF_PROVIDER] == PROVIDER_WATCH_ONLY)
