"""What the sensors of a cloud's history show: its uptime, its last outage."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import PERCENTAGE, UnitOfTime
from homeassistant.core import callback
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.util import dt as dt_util

from .coordinator import KeycardCoordinator
from .entity import CloudEntity
from .ledger import LEDGER
from .outage.journal import Journal, Outage
from .outage.uptime import Figures

# It changes slowly, and each change of a state is written down.
PACE = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class UptimeDescription(SensorEntityDescription):
    """Describes a sensor of the uptime of the last `days`."""

    days: int
    native_unit_of_measurement: str | None = PERCENTAGE
    state_class: SensorStateClass | None = SensorStateClass.MEASUREMENT
    suggested_display_precision: int | None = 2


@dataclass(frozen=True, kw_only=True)
class LastOutageDescription(SensorEntityDescription):
    """Describes a sensor of the outage that was over last."""

    value: Callable[[Outage], datetime | float]


UPTIMES = (
    UptimeDescription(key="uptime_30_days", translation_key="uptime_30_days", days=30),
    UptimeDescription(
        key="uptime_365_days",
        translation_key="uptime_365_days",
        days=365,
        entity_registry_enabled_default=False,
    ),
)
LAST_OUTAGES = (
    LastOutageDescription(
        key="last_outage",
        translation_key="last_outage",
        device_class=SensorDeviceClass.TIMESTAMP,
        value=lambda outage: outage.start,
    ),
    LastOutageDescription(
        key="last_outage_length",
        translation_key="last_outage_length",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_unit_of_measurement=UnitOfTime.MINUTES,
        suggested_display_precision=0,
        value=lambda outage: outage.length.total_seconds(),
    ),
)


def history_sensors(coordinator: KeycardCoordinator) -> list[SensorEntity]:
    """Return the sensors of a cloud's history."""
    return [
        *(UptimeSensor(coordinator, description) for description in UPTIMES),
        *(LastOutageSensor(coordinator, description) for description in LAST_OUTAGES),
    ]


class HistorySensor(CloudEntity, SensorEntity):
    """A sensor of the history of the region, as the entries of this home saw it."""

    _shown: tuple[object, object]

    @override
    async def async_added_to_hass(self) -> None:
        """Look into the journal from time to time."""
        await super().async_added_to_hass()
        self._shown = self._tell()
        self.async_on_remove(
            async_track_time_interval(
                self.hass, self._async_look, PACE, cancel_on_shutdown=True
            )
        )

    @callback
    def _async_look(self, _now: datetime) -> None:
        if (told := self._tell()) != self._shown:
            self._shown = told
            self.async_write_ha_state()

    def _tell(self) -> tuple[object, object]:
        return self.native_value, self.extra_state_attributes

    @property
    def _journal(self) -> Journal:
        return self.coordinator.hass.data[LEDGER].journal


class UptimeSensor(HistorySensor):
    """How much of the watched time the cloud worked."""

    entity_description: UptimeDescription

    @property
    def _figures(self) -> Figures:
        return self._journal.uptime.figures(
            self.coordinator.region, self.entity_description.days, dt_util.utcnow()
        )

    @property
    @override
    def native_value(self) -> float | None:
        """Return the share of the watched time without an outage."""
        uptime = self._figures.uptime
        return None if uptime is None else round(uptime, 3)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return how much was watched, and what the rest of it was like."""
        figures = self._figures
        return {
            "watched": round(figures.watched),
            "outage": round(figures.outage, 3),
            "degraded": round(figures.degraded, 3),
            "sign_in_outage": round(figures.sign_in_outage, 3),
        }


class LastOutageSensor(HistorySensor):
    """When the outage began that was over last, or how long it was."""

    entity_description: LastOutageDescription

    @property
    def _outage(self) -> Outage | None:
        return self._journal.last_outage(self.coordinator.region)

    @property
    @override
    def native_value(self) -> datetime | float | None:
        """Return what the journal tells of it."""
        outage = self._outage
        return None if outage is None else self.entity_description.value(outage)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Return how bad it got, and when it was over."""
        outage = self._outage
        if outage is None:
            return None
        return {
            "status": outage.status.value,
            "scope": outage.scope.value,
            "ended": outage.end,
        }
