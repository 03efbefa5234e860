"""What the calls of an account cost this month, as a sensor of its cloud."""

from datetime import datetime
from typing import Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import EntityCategory
from homeassistant.util import dt as dt_util

from .coordinator import KeycardCoordinator
from .entity import CloudEntity
from .providers.prices import Charge

CURRENCY = "USD"

COST = SensorEntityDescription(
    key="estimated_cost",
    translation_key="estimated_cost",
    device_class=SensorDeviceClass.MONETARY,
    entity_category=EntityCategory.DIAGNOSTIC,
    native_unit_of_measurement=CURRENCY,
    state_class=SensorStateClass.TOTAL,
    suggested_display_precision=2,
)


class CostSensor(CloudEntity, SensorEntity):
    """What the calls of a month cost by the prices of the provider.

    It follows the bill and not the judgement.
    """

    def __init__(self, coordinator: KeycardCoordinator) -> None:
        """Attach the sensor to the cloud's device."""
        super().__init__(coordinator, COST)
        self._bill = coordinator.bill

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the bill."""
        await super().async_added_to_hass()
        self.async_on_remove(self._bill.async_add_listener(self.async_write_ha_state))

    @property
    @override
    def native_value(self) -> float | None:
        """Return the cost in US dollars, None where calls have no known price."""
        cost = self._bill.spending.cost
        return None if cost is None else round(cost, 4)

    @property
    @override
    def last_reset(self) -> datetime:
        """Return when the month began."""
        return self._bill.spending.month

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return what was counted, and what is done about it."""
        spending = self._bill.spending
        tariff = spending.tariff
        return {
            **{charge.value: spending.counts[charge] for charge in Charge},
            "billing": tariff.billing.value,
            "free": tariff.free,
            "prices_since": tariff.since,
            "budget": spending.budget,
            "pace": spending.thrift(dt_util.now()).value,
        }
