"""One car for Home Assistant: what is known of it, and what it is told."""

import logging

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
from homeassistant.util import dt as dt_util

from .commands import Sender
from .connection import Connection, count_unpaid, lets_in, reachable
from .outage.evidence import Evidence
from .vehicle.keys import Key
from .vehicle.links import Command
from .vehicle.vehicle import Car
from .views import CarView

_LOGGER = logging.getLogger(__name__)


class CarCoordinator(DataUpdateCoordinator[CarView]):
    """Hold what is known of one car, and send what its owner wants."""

    signs: bool = False
    """Whether the commands of the car are signed."""

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
        self.mobile_access = True
        """Whether the car lets the cloud in."""

        self._unpaid = 0
        self._sender = sender
        self._reachable: bool | None = None
        self.data = self._view(key, Connection.UNDETERMINED, cloud_link=False)

    @property
    def commandable(self) -> bool:
        """Tell whether the car takes commands; one that is only watched does not."""
        return self._sender is not None

    @property
    def paid_for(self) -> bool:
        """Tell whether a service in between is paid for the car; it may err once."""
        return self._unpaid < 2

    def _view(self, key: Key, connection: Connection, *, cloud_link: bool) -> CarView:
        self._reachable = reachable(connection, before=self._reachable)
        return CarView(
            state=self.car.state,
            trusted=self.car.trusted(dt_util.utcnow()),
            restored=self.car.restored,
            cloud_link=cloud_link,
            connection=connection,
            reachable=self._reachable,
            key_to_take=key,
        )

    @callback
    def async_observe(self, found: Evidence) -> None:
        """Take in what came of a call for the car."""
        self.mobile_access = lets_in(found, before=self.mobile_access)
        self._unpaid = count_unpaid(found, before=self._unpaid)

    @callback
    def async_refresh_view(
        self, key: Key, connection: Connection, *, cloud_link: bool
    ) -> None:
        """Show what is known now, if that is news."""
        view = self._view(key, connection, cloud_link=cloud_link)
        if view != self.data:
            self.async_set_updated_data(view)

    async def async_send(self, command: Command, **params: object) -> None:
        """Send a command; raise a translated error unless the car did it."""
        if self._sender is None:
            raise RuntimeError(f"{self.car.id} takes no commands")
        await self._sender.async_send(self.car, command, **params)
        self.car.apply_command(command, params, dt_util.utcnow())
        self.async_refresh_view(
            self.data.key_to_take,
            self.data.connection,
            cloud_link=self.data.cloud_link,
        )
