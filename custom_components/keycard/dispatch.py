"""Brings a command to a car over whichever link serves it now."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from homeassistant.exceptions import HomeAssistantError

from .commands import NotReachedError, Sender, error_of
from .local import LocalLink
from .vehicle.links import Command
from .vehicle.outcome import RadioOutcome, Refusal, Trouble
from .vehicle.vehicle import Car
from .vehicle.ways import CloudHealth, Preference, Way, ways

_TROUBLES: Mapping[Trouble, str] = {
    Trouble.NO_ADAPTER: "bluetooth_no_adapter",
    Trouble.OUT_OF_RANGE: "bluetooth_out_of_range",
    Trouble.NO_SLOT: "bluetooth_no_slot",
    Trouble.NO_CONNECTION: "bluetooth_no_connection",
    Trouble.NO_ANSWER: "bluetooth_no_answer",
    Trouble.STRANGER: "bluetooth_stranger",
    Trouble.UNSEALED: "bluetooth_unsealed",
}
# The key is not the car's last word: that of another link may do.
_OF_THE_KEY: Mapping[Refusal, str] = {
    Refusal.KEY_NOT_PAIRED: "bluetooth_key_not_paired",
    Refusal.KEY_NOT_ALLOWED: "bluetooth_key_not_allowed",
}


@dataclass(frozen=True, kw_only=True)
class Dispatcher:
    """Send the commands of an owner to one car.

    `sender` sends over the cloud, `local` over Bluetooth, if there are such links.
    """

    car: Car
    sender: Sender | None
    local: LocalLink | None
    preference: Preference
    cloud_health: Callable[[], CloudHealth]

    async def async_send(self, command: Command, **params: object) -> None:
        """Send a command; raise a translated error unless the car did it.

        Another link serves only if the car has surely not got it over the first one.
        """
        if self.sender is None and self.local is None:
            raise RuntimeError(f"{self.car.id} takes no commands")
        cloud = self.cloud_health() if self.sender else CloudHealth.NONE
        first: NotReachedError | None = None
        for way in self._ways(cloud):
            try:
                await self._async_send_over(way, command, params)
            except NotReachedError as err:
                if first is not None and cloud is CloudHealth.FAILS:
                    raise error_of("nothing_reaches", self.car) from err
                first = err
            else:
                return
        # Nobody is left who would bring it: the car has forgotten the key.
        raise first or error_of("bluetooth_key_not_paired", self.car)

    def _ways(self, cloud: CloudHealth) -> tuple[Way, ...]:
        if self.local is None:
            return (Way.CLOUD,) if self.sender else ()
        return ways(cloud, self.local.nearness, self.preference)

    async def _async_send_over(
        self, way: Way, command: Command, params: dict[str, object]
    ) -> None:
        if way is Way.CLOUD and self.sender is not None:
            await self.sender.async_send(self.car, command, **params)
        elif way is Way.BLUETOOTH and self.local is not None:
            outcome = await self.local.link.command(
                command, known=self.car.state, **params
            )
            self._note(self.local, outcome)
            if (error := _error(outcome, self.car)) is not None:
                raise error

    def _note(self, local: LocalLink, outcome: RadioOutcome) -> None:
        if outcome.trouble is None:
            local.async_want()


def _error(outcome: RadioOutcome, car: Car) -> HomeAssistantError | None:
    """Say why a command was not done, None if it was."""
    if outcome.done and outcome.confirmed:
        return None
    if not outcome.confirmed:
        return error_of("command_unconfirmed", car)
    if outcome.reason:
        return error_of("command_failed", car, reason=outcome.reason)
    if outcome.trouble is not None:
        return error_of(_TROUBLES[outcome.trouble], car, NotReachedError)
    refusal = outcome.refusal or Refusal.OTHER
    if (key := _OF_THE_KEY.get(refusal)) is not None:
        return error_of(key, car, NotReachedError)
    return error_of(refusal.value, car)
