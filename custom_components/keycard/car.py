"""One car for Home Assistant: what is known of it, and what it is told."""

import logging

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
from homeassistant.util import dt as dt_util

from .commands import Sender
from .vehicle.keys import Key
from .vehicle.links import Command
from .vehicle.vehicle import Car
from .views import CarView

_LOGGER = logging.getLogger(__name__)


class CarCoordinator(DataUpdateCoordinator[CarView]):
    """Hold what is known of one car, and send what its owner wants."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        car: Car,
        sender: Sender | None,
        key: Key,
    ) -> None:
        """Take up a car with the key that was last named for it."""
        # The name goes to the log, where a car's own has no business.
        super().__init__(hass, _LOGGER, config_entry=entry, name="a car")
        self.car = car
        self.data = CarView(
            state=car.state,
            trusted=car.trusted(dt_util.utcnow()),
            restored=car.restored,
            cloud_link=False,
            key_to_take=key,
        )
        self._sender = sender

    @property
    def commandable(self) -> bool:
        """Tell whether the car takes commands; one that is only watched does not."""
        return self._sender is not None

    @callback
    def async_refresh_view(self, key: Key, *, cloud_link: bool) -> None:
        """Show what is known now, if that is news."""
        view = CarView(
            state=self.car.state,
            trusted=self.car.trusted(dt_util.utcnow()),
            restored=self.car.restored,
            cloud_link=cloud_link,
            key_to_take=key,
        )
        if view != self.data:
            self.async_set_updated_data(view)

    async def async_send(self, command: Command, **params: object) -> None:
        """Send a command; raise a translated error unless the car did it."""
        if self._sender is None:
            raise RuntimeError(f"{self.car.id} takes no commands")
        await self._sender.async_send(self.car, command, **params)
        self.car.apply_command(command, params, dt_util.utcnow())
        self.async_refresh_view(self.data.key_to_take, cloud_link=self.data.cloud_link)
