"""One car for Home Assistant: what is known of it, and what it is told."""

from datetime import datetime
import logging

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
from homeassistant.util import dt as dt_util

from .commands import Sender
from .connection import Connection, count_unpaid, lets_in, reachable
from .outage.evidence import Evidence
from .outage.words import Judgement
from .vehicle.keys import Key
from .vehicle.links import Command
from .vehicle.vehicle import Car
from .views import CarView, rehearsed_car

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

        self.key_tried: datetime | None = None
        """When its owner last tried card or fob."""

        self.rehearsed: Judgement | None = None
        """What a drill has entities show, if one is on."""

        self._unpaid = 0
        self._sender = sender
        self._reachable: bool | None = None
        self.real = self._view(key, Connection.UNDETERMINED, cloud_link=False)
        """What is known, whatever a drill shows."""

        self.data = self.real

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
            key_tried=self.key_tried,
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
        self.real = self._view(key, connection, cloud_link=cloud_link)
        view = self.real
        if self.rehearsed is not None:
            view = rehearsed_car(view, self.rehearsed, self.car.id, owned=self.car.key)
        if view != self.data:
            self.async_set_updated_data(view)

    @callback
    def async_show(self) -> None:
        """Show what is known of the cloud still, and of the car now."""
        self.async_refresh_view(
            self.real.key_to_take, self.real.connection, cloud_link=self.real.cloud_link
        )

    async def async_send(self, command: Command, **params: object) -> None:
        """Send a command; raise a translated error unless the car did it."""
        if self._sender is None:
            raise RuntimeError(f"{self.car.id} takes no commands")
        await self._sender.async_send(self.car, command, **params)
        self.car.apply_command(command, params, dt_util.utcnow())
        self.async_show()
