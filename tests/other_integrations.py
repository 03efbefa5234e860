"""Devices and entities of other integrations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
import logging
from typing import Any, Self, override

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
)
from homeassistant.components.device_tracker import TrackerEntity
from homeassistant.components.sensor import SensorDeviceClass, SensorEntity
from homeassistant.config_entries import ConfigEntry, ConfigEntryState, ConfigFlow
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.device_registry import DeviceEntry, DeviceInfo
from homeassistant.helpers.update_coordinator import (
    CoordinatorEntity,
    DataUpdateCoordinator,
    UpdateFailed,
)
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockModule,
    MockPlatform,
    mock_config_flow,
    mock_integration,
    mock_platform,
)

_LOGGER = logging.getLogger(__name__)

ADA_VIN = "LRW3E7EK0MC000001"
CY_VIN = "5YJSA1E20JF000002"


@dataclass(frozen=True, kw_only=True)
class DeviceSpec:
    """A device to register, with its entities."""

    domain: str
    identifiers: tuple[Any, ...]
    name: str
    model: str | None = None
    manufacturer: str | None = "Tesla"
    serial_number: str | None = None
    entities: tuple[tuple[str, str, Mapping[str, Any]], ...] = ()
    disabled: bool = False


def register_device(
    hass: HomeAssistant, spec: DeviceSpec, entry: MockConfigEntry | None = None
) -> DeviceEntry:
    """Register a device of another integration, with an entry for it."""
    if entry is None:
        entry = MockConfigEntry(domain=spec.domain)
        entry.add_to_hass(hass)
    device = dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={(spec.domain, one) for one in spec.identifiers},
        manufacturer=spec.manufacturer,
        model=spec.model,
        name=spec.name,
        serial_number=spec.serial_number,
        disabled_by=dr.DeviceEntryDisabler.USER if spec.disabled else None,
    )
    for platform, unique_id, registered in spec.entities:
        er.async_get(hass).async_get_or_create(
            platform,
            spec.domain,
            unique_id,
            config_entry=entry,
            device_id=device.id,
            **registered,
        )
    return device


def tesla_fleet_device(name: str = "Ada", vin: str = ADA_VIN) -> DeviceSpec:
    """Return a vehicle of Home Assistant's Tesla Fleet integration."""
    return DeviceSpec(
        domain="tesla_fleet",
        identifiers=(vin,),
        name=name,
        model="Model 3",
        serial_number=vin,
        entities=(("lock", f"{vin}-vehicle_state_locked", {}),),
    )


def teslamate_device(
    name: str = "Ada", number: int = 1, model: str = "3"
) -> DeviceSpec:
    """Return a vehicle that TeslaMate announces over MQTT."""
    return DeviceSpec(
        domain="mqtt",
        identifiers=(f"teslamate_car_{number}",),
        name=name,
        model=model,
        entities=(("sensor", f"teslamate_{number}_state", {}),),
    )


# A running integration


@dataclass(kw_only=True)
class PolledVehicle:
    """Data of one vehicle in Tesla's cloud, and the polls of an integration."""

    vin: str = ADA_VIN
    name: str = "Ada"
    online: bool = True
    charging: bool = True
    level: float = 20.0
    power: float = 11.0
    latitude: float = 52.0
    stale: bool = False
    fails: bool = False
    polls: int = field(default=0, init=False)

    def read(self) -> dict[str, Any]:
        """Return the data for a poll."""
        self.polls += 1
        if self.fails:
            raise UpdateFailed("no answer")
        if not self.stale and self.online and self.charging:
            self.level = round(self.level + 0.5, 1) if self.level < 90 else 20.0
        return {
            "state": self.online,
            "charging_state": "charging" if self.charging else "complete",
            "battery_level": self.level,
            "charger_power": self.power if self.charging else 0.0,
            "latitude": self.latitude,
        }


class _Entity(CoordinatorEntity[DataUpdateCoordinator[dict[str, Any]]]):
    _attr_has_entity_name = True

    def __init__(
        self,
        coordinator: DataUpdateCoordinator[dict[str, Any]],
        domain: str,
        car: PolledVehicle,
        key: str,
    ) -> None:
        super().__init__(coordinator)
        self._key = key
        self._attr_name = key
        self._attr_unique_id = f"{car.vin}-{key}"
        self._attr_device_info = DeviceInfo(
            identifiers={(domain, car.vin)},
            manufacturer="Tesla",
            name=car.name,
            serial_number=car.vin,
        )

    @property
    def value(self) -> Any:
        """Return the value of the last poll."""
        return self.coordinator.data[self._key]


class _Sensor(_Entity, SensorEntity):
    @property
    @override
    def native_value(self) -> Any:
        return self.value


class _Level(_Sensor):
    _attr_device_class = SensorDeviceClass.BATTERY
    _attr_native_unit_of_measurement = "%"


class _Power(_Sensor):
    _attr_device_class = SensorDeviceClass.POWER
    _attr_native_unit_of_measurement = "kW"


class _Polls(_Sensor):
    """A diagnostic sensor that is independent of the vehicle."""

    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _attr_native_unit_of_measurement = "s"
    counted = 0

    @property
    @override
    def native_value(self) -> Any:
        self.counted += 1
        return self.counted


class _Online(_Entity, BinarySensorEntity):
    _attr_device_class = BinarySensorDeviceClass.CONNECTIVITY

    @property
    @override
    def is_on(self) -> bool:
        return bool(self.value)


class _Tracker(_Entity, TrackerEntity):
    @property
    @override
    def latitude(self) -> float | None:
        return float(self.value)

    @property
    @override
    def longitude(self) -> float | None:
        return 13.0


_ENTITIES: dict[str, tuple[tuple[type[_Entity], str], ...]] = {
    "sensor": (
        (_Level, "battery_level"),
        (_Power, "charger_power"),
        (_Sensor, "charging_state"),
        (_Polls, "polls"),
    ),
    "binary_sensor": ((_Online, "state"),),
    "device_tracker": ((_Tracker, "latitude"),),
}


class OtherIntegration:
    """An integration in Home Assistant that polls vehicles."""

    def __init__(
        self, hass: HomeAssistant, *cars: PolledVehicle, domain: str, interval: float
    ) -> None:
        """Create an integration that polls vehicles every so many seconds."""
        self.hass = hass
        self.cars = cars
        self.domain = domain
        self.entry = MockConfigEntry(domain=domain)
        self._handler = mock_config_flow(domain, ConfigFlow)
        coordinators: dict[str, DataUpdateCoordinator[dict[str, Any]]] = {}

        async def set_up(hass: HomeAssistant, entry: ConfigEntry) -> bool:
            for car in cars:

                async def poll(car: PolledVehicle = car) -> dict[str, Any]:
                    return car.read()

                coordinators[car.vin] = DataUpdateCoordinator(
                    hass,
                    _LOGGER,
                    config_entry=entry,
                    name=car.name,
                    update_method=poll,
                    update_interval=timedelta(seconds=interval),
                )
                await coordinators[car.vin].async_config_entry_first_refresh()
            await hass.config_entries.async_forward_entry_setups(entry, _ENTITIES)
            return True

        async def unload(hass: HomeAssistant, entry: ConfigEntry) -> bool:
            return await hass.config_entries.async_unload_platforms(entry, _ENTITIES)

        mock_integration(
            hass,
            MockModule(domain, async_setup_entry=set_up, async_unload_entry=unload),
        )
        mock_platform(hass, f"{domain}.config_flow")
        for platform, kinds in _ENTITIES.items():

            async def add(
                _hass: HomeAssistant,
                _entry: ConfigEntry,
                add_entities: Any,
                kinds: tuple[tuple[type[_Entity], str], ...] = kinds,
            ) -> None:
                add_entities(
                    kind(coordinators[car.vin], domain, car, key)
                    for car in cars
                    for kind, key in kinds
                )

            mock_platform(
                hass, f"{domain}.{platform}", MockPlatform(async_setup_entry=add)
            )

    async def __aenter__(self) -> Self:
        """Set the integration up."""
        self._handler.__enter__()
        self.entry.add_to_hass(self.hass)
        assert await self.hass.config_entries.async_setup(self.entry.entry_id)
        await self.hass.async_block_till_done()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop polling."""
        if self.entry.state is ConfigEntryState.LOADED:
            await self.hass.config_entries.async_unload(self.entry.entry_id)
        self._handler.__exit__(None, None, None)

    def device(self, car: PolledVehicle) -> DeviceEntry:
        """Return the device of a vehicle."""
        device = dr.async_get(self.hass).async_get_device_by_identifier(
            (self.domain, car.vin), self.entry.entry_id
        )
        assert device is not None
        return device
