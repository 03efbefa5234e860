"""The steps that pair a car, whichever flow they stand in."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, override

import voluptuous as vol

from homeassistant.const import CONF_ADDRESS
from homeassistant.core import HomeAssistant, callback
from homeassistant.data_entry_flow import FlowContext, FlowHandler, FlowResult
from homeassistant.helpers.selector import BooleanSelector

from .bluetooth_pairing import Attempt, async_find_trouble
from .const import CONF_COMPUTERS
from .flow_fields import CONF_VIN, read_vin
from .markdown import escape_markdown
from .takeover import entry_of_car
from .vehicle.bluetooth import BluetoothLink
from .vehicle.bluetooth_pairing import PairingEnd
from .vehicle.computer_keys import ComputerKeys

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
    def running_link(self) -> BluetoothLink | None:
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
        if self._ended != PairingEnd.PAIRED:
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
