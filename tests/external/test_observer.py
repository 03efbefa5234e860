"""Tests of the observation of other integrations' entities."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er

from custom_components.keycard.external.discovery import async_discover_vehicles
from custom_components.keycard.external.observer import ExternalStateObserver
from custom_components.keycard.outage.external_data import (
    BURST,
    GAPS_NEEDED,
    StaleDataDetector,
)

from ..other_integrations import ADA_VIN, DeviceSpec, register_device

type Registered = tuple[str, str, Mapping[str, Any]]

PERCENT = {"unit_of_measurement": "%"}
KILOWATT = {"unit_of_measurement": "kW", "original_device_class": "power"}
ONLINE = {"original_device_class": "connectivity"}
CHARGING = {"original_device_class": "battery_charging"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """Entities of a vehicle in an integration, and states in which it is active."""

    name: str
    domain: str
    identifier: str
    entities: tuple[Registered, ...]
    active: Mapping[str, str]
    idle: tuple[Mapping[str, str], ...]
    """States in which it is inactive, each by itself."""

    moving: str
    vin: str = ADA_VIN


def by_vin(domain: str) -> Case:
    """Return a case for Tesla Fleet, Teslemetry and Tessie."""
    return Case(
        name=domain,
        domain=domain,
        identifier=ADA_VIN,
        entities=(
            ("binary_sensor", f"{ADA_VIN}-state", ONLINE),
            ("binary_sensor", f"{ADA_VIN}-cellular", ONLINE),
            ("sensor", f"{ADA_VIN}-charge_state_charging_state", {}),
            ("sensor", f"{ADA_VIN}-charge_state_charger_power", KILOWATT),
            ("sensor", f"{ADA_VIN}-drive_state_shift_state", {}),
            ("sensor", f"{ADA_VIN}-charge_state_battery_level", PERCENT),
            ("device_tracker", f"{ADA_VIN}-location", {}),
        ),
        active={
            "state": "on",
            "cellular": "on",
            "charging_state": "charging",
            "charger_power": "11",
            "shift_state": "p",
            "battery_level": "50",
        },
        idle=(
            {"state": "off"},
            {"state": "unavailable"},
            {"charging_state": "complete"},
            {"charger_power": "0"},
        ),
        moving="battery_level",
    )


CASES = [
    by_vin("tesla_fleet"),
    by_vin("teslemetry"),
    by_vin("tessie"),
    Case(
        name="tesla_custom, driving",
        domain="tesla_custom",
        identifier="1234",
        entities=(
            ("lock", f"{ADA_VIN.lower()}_doors", {}),
            ("binary_sensor", f"{ADA_VIN.lower()}_online", ONLINE),
            ("binary_sensor", f"{ADA_VIN.lower()}_charging", CHARGING),
            ("sensor", f"{ADA_VIN.lower()}_shift_state", {}),
            ("sensor", f"{ADA_VIN.lower()}_odometer", {"unit_of_measurement": "km"}),
        ),
        active={"online": "on", "charging": "off", "shift_state": "D", "odometer": "9"},
        idle=({"online": "off"}, {"shift_state": "P"}),
        moving="odometer",
    ),
    Case(
        name="TeslaMate",
        domain="mqtt",
        identifier="teslamate_car_1",
        entities=(
            ("sensor", "teslamate_1_state", {}),
            ("sensor", "teslamate_1_shift_state", {}),
            ("sensor", "teslamate_1_center_display_state", {}),
            ("sensor", "teslamate_1_speed", {"unit_of_measurement": "km/h"}),
        ),
        active={
            "1_state": "driving",
            "shift_state": "P",
            "center_display_state": "4",
            "1_speed": "30",
        },
        idle=({"1_state": "online", "1_speed": "0"}, {"1_state": "asleep"}),
        moving="1_speed",
        vin="",
    ),
]


@pytest.fixture
def seen(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Case], Callable[..., StaleDataDetector]]:
    """Observe the vehicle of a case; return a function that sets its states."""
    clock = [0.0]
    monkeypatch.setattr(
        "custom_components.keycard.external.observer.time",
        SimpleNamespace(monotonic=lambda: clock[0]),
    )

    def follow(case: Case) -> Callable[..., StaleDataDetector]:
        register_device(
            hass,
            DeviceSpec(
                domain=case.domain,
                identifiers=(case.identifier,),
                name="Ada",
                serial_number=case.vin or None,
                entities=case.entities,
            ),
        )
        (car,) = async_discover_vehicles(hass)
        detector = StaleDataDetector()
        options = {"cars": {"ada": {"beside": [car.devices[0].to_option()]}}}
        ExternalStateObserver(hass, detector, options).async_start()

        def tell(**states: str) -> StaleDataDetector:
            clock[0] += BURST + 1
            for ending, state in states.items():
                entity = entity_of(hass, ending)
                unit = entity.unit_of_measurement
                attributes = {"unit_of_measurement": unit} if unit else {}
                hass.states.async_set(entity.entity_id, state, attributes)
            return detector

        return tell

    return follow


def entity_of(hass: HomeAssistant, ending: str) -> er.RegistryEntry:
    """Return the entity with a suffix of its unique ID, as a whole word."""
    found = [
        entity
        for entity in er.async_get(hass).entities.values()
        if entity.unique_id.endswith(ending)
    ]
    return min(found, key=lambda entity: len(entity.unique_id))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_source_entities(
    hass: HomeAssistant,
    seen: Callable[[Case], Callable[..., StaleDataDetector]],
    case: Case,
) -> None:
    tell = seen(case)
    detector = tell(**case.active)
    for idle in case.idle:
        detector = tell(**idle)
        assert not detector.source_status("ada", case.domain, 0.0).active, idle
        detector = tell(**case.active)
        assert detector.source_status("ada", case.domain, 0.0).active, idle
    # What moves teaches the pace, what is written again does not.
    for _ in range(GAPS_NEEDED + 1):
        detector = tell(**{case.moving: case.active[case.moving]})
    assert not detector.source_status("ada", case.domain, 0.0).learned
    for number in range(1, GAPS_NEEDED + 2):
        detector = tell(**{case.moving: str(number)})
    assert detector.source_status("ada", case.domain, 0.0).learned


async def test_changed_position_counts_as_change(
    hass: HomeAssistant, seen: Callable[[Case], Callable[..., StaleDataDetector]]
) -> None:
    case = by_vin("tesla_fleet")
    tell = seen(case)
    tell(**case.active)
    tracker = entity_of(hass, "location").entity_id
    for number in range(GAPS_NEEDED + 3):
        tell()
        place = {"latitude": 50.0 + number, "longitude": 8.0}
        hass.states.async_set(tracker, "not_home", place)
    assert tell().source_status("ada", "tesla_fleet", 0.0).learned


async def test_value_after_unavailable_is_no_change(
    hass: HomeAssistant, seen: Callable[[Case], Callable[..., StaleDataDetector]]
) -> None:
    case = by_vin("tesla_fleet")
    tell = seen(case)
    tell(**case.active)
    for number in range(3 * GAPS_NEEDED):
        tell(battery_level="unavailable")
        tell(battery_level="unknown")
        tell(battery_level=str(number))
    assert not tell().source_status("ada", "tesla_fleet", 0.0).learned


async def test_two_connectivity_entities_are_ambiguous(
    hass: HomeAssistant, seen: Callable[[Case], Callable[..., StaleDataDetector]]
) -> None:
    case = Case(
        name="unclear",
        domain="something",
        identifier="1",
        entities=(
            ("lock", "door", {}),
            ("binary_sensor", "wifi", ONLINE),
            ("binary_sensor", "mobile", ONLINE),
            ("binary_sensor", "charging", CHARGING),
        ),
        active={"wifi": "on", "mobile": "on", "charging": "on"},
        idle=(),
        moving="",
        vin="",
    )
    detector = seen(case)(**case.active)
    assert not detector.source_status("ada", "something", 0.0).active
