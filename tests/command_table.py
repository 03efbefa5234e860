"""Every command that entities can send, and its effect on a vehicle."""

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from homeassistant.core import HomeAssistant

from simulator.vehicle.car import WINDOWS, Car

from .conftest import state_of


@dataclass(frozen=True, kw_only=True)
class Case:
    """An action, its effect on the car, and the resulting state.

    `car` is the state of the car before.
    """

    entity: str
    action: str
    data: dict[str, Any] = field(default_factory=dict)
    command: str
    done: Callable[[Car], object]
    result: object
    shown: object
    attribute: str | None = None
    car: dict[str, Any] = field(default_factory=dict)
    of: str = "Ada"


def _warms(seat: int) -> dict[int, bool]:
    return {1: seat != 1, 2: seat != 2}


PLUGGED = {"charge_port_open": True, "cable_connected": True, "cable_latched": True}
CASES = [
    Case(
        entity="lock.ada_lock",
        action="unlock",
        command="door_unlock",
        done=attrgetter("locked"),
        result=False,
        shown="unlocked",
    ),
    Case(
        entity="lock.ada_lock",
        action="lock",
        command="door_lock",
        done=attrgetter("locked"),
        result=True,
        shown="locked",
        car={"locked": False},
    ),
    *(
        Case(
            entity="climate.ada_climate",
            action=action,
            data=data,
            command="auto_conditioning_start",
            done=attrgetter("climate_on"),
            result=True,
            shown="heat_cool",
        )
        for action, data in (
            ("turn_on", {}),
            ("set_hvac_mode", {"hvac_mode": "heat_cool"}),
        )
    ),
    *(
        Case(
            entity="climate.ada_climate",
            action=action,
            data=data,
            command="auto_conditioning_stop",
            done=attrgetter("climate_on"),
            result=False,
            shown="off",
            car={"climate_on": True},
        )
        for action, data in (("turn_off", {}), ("set_hvac_mode", {"hvac_mode": "off"}))
    ),
    Case(
        entity="climate.ada_climate",
        action="set_temperature",
        data={"temperature": 23.5},
        command="set_temps",
        done=attrgetter("driver_temp", "passenger_temp"),
        result=(23.5, 23.5),
        attribute="temperature",
        shown=23.5,
    ),
    Case(
        entity="climate.ada_climate",
        action="set_preset_mode",
        data={"preset_mode": "dog"},
        command="set_climate_keeper_mode",
        done=attrgetter("climate_keeper"),
        result=2,
        attribute="preset_mode",
        shown="dog",
    ),
    Case(
        entity="climate.ada_climate",
        action="set_preset_mode",
        data={"preset_mode": "none"},
        command="set_climate_keeper_mode",
        done=attrgetter("climate_keeper"),
        result=0,
        attribute="preset_mode",
        shown="none",
        car={"climate_keeper": 3, "climate_on": True},
    ),
    Case(
        entity="climate.ada_climate",
        action="set_preset_mode",
        data={"preset_mode": "defrost"},
        command="set_preconditioning_max",
        done=attrgetter("defrost"),
        result=True,
        attribute="preset_mode",
        shown="defrost",
    ),
    Case(
        entity="lock.ada_charging_cable",
        action="unlock",
        command="charge_port_door_open",
        done=attrgetter("cable_latched"),
        result=False,
        shown="unlocked",
        car=PLUGGED,
    ),
    Case(
        entity="cover.ada_windows",
        action="open_cover",
        command="window_control",
        done=attrgetter("windows"),
        result=dict.fromkeys(WINDOWS, 1),
        shown="open",
    ),
    Case(
        entity="cover.ada_windows",
        action="close_cover",
        command="window_control",
        done=attrgetter("windows"),
        result=dict.fromkeys(WINDOWS, 0),
        shown="closed",
        car={"windows": dict.fromkeys(WINDOWS, 2)},
    ),
    Case(
        entity="cover.ada_front_trunk",
        action="open_cover",
        command="actuate_trunk",
        done=attrgetter("front_trunk"),
        result=True,
        shown="open",
    ),
    Case(
        entity="cover.ada_rear_trunk",
        action="open_cover",
        command="actuate_trunk",
        done=attrgetter("rear_trunk"),
        result=True,
        shown="open",
    ),
    Case(
        entity="cover.ada_rear_trunk",
        action="close_cover",
        command="actuate_trunk",
        done=attrgetter("rear_trunk"),
        result=False,
        shown="closed",
        car={"rear_trunk": True},
    ),
    Case(
        entity="cover.ada_charge_port",
        action="open_cover",
        command="charge_port_door_open",
        done=attrgetter("charge_port_open"),
        result=True,
        shown="open",
    ),
    Case(
        entity="cover.ada_charge_port",
        action="close_cover",
        command="charge_port_door_close",
        done=attrgetter("charge_port_open"),
        result=False,
        shown="closed",
        car={"charge_port_open": True},
    ),
    Case(
        entity="cover.cy_sun_roof",
        action="open_cover",
        command="sun_roof_control",
        done=attrgetter("sun_roof"),
        result="vent",
        shown="open",
        of="Cy",
    ),
    Case(
        entity="cover.cy_sun_roof",
        action="close_cover",
        command="sun_roof_control",
        done=attrgetter("sun_roof"),
        result="closed",
        shown="closed",
        car={"sun_roof": "vent"},
        of="Cy",
    ),
    Case(
        entity="switch.ada_charging",
        action="turn_on",
        command="charge_start",
        done=attrgetter("charging"),
        result=True,
        shown="on",
        car=PLUGGED,
    ),
    Case(
        entity="switch.ada_charging",
        action="turn_off",
        command="charge_stop",
        done=attrgetter("charging"),
        result=False,
        shown="off",
        car=PLUGGED | {"charging": True},
    ),
    Case(
        entity="switch.ada_sentry_mode",
        action="turn_on",
        command="set_sentry_mode",
        done=attrgetter("sentry_mode"),
        result=True,
        shown="on",
    ),
    Case(
        entity="switch.ada_sentry_mode",
        action="turn_off",
        command="set_sentry_mode",
        done=attrgetter("sentry_mode"),
        result=False,
        shown="off",
        car={"sentry_mode": True},
    ),
    Case(
        entity="switch.ada_valet_mode",
        action="turn_on",
        command="set_valet_mode",
        done=attrgetter("valet_mode"),
        result=True,
        shown="on",
    ),
    Case(
        entity="switch.ada_valet_mode",
        action="turn_off",
        command="set_valet_mode",
        done=attrgetter("valet_mode"),
        result=False,
        shown="off",
        car={"valet_mode": True},
    ),
    *(
        case
        for side, seat in (("left", 1), ("right", 2))
        for case in (
            Case(
                entity=f"switch.ada_automatic_seat_climate_{side}",
                action="turn_off",
                command="remote_auto_seat_climate_request",
                done=attrgetter("auto_seats"),
                result=_warms(seat),
                shown="off",
            ),
            Case(
                entity=f"switch.ada_automatic_seat_climate_{side}",
                action="turn_on",
                command="remote_auto_seat_climate_request",
                done=attrgetter("auto_seats"),
                result={1: True, 2: True},
                shown="on",
                car={"auto_seats": _warms(seat)},
            ),
        )
    ),
    *(
        Case(
            entity=entity,
            action="turn_on" if on else "turn_off",
            command=command,
            done=attrgetter(name),
            result=on,
            shown=("on" if on else "off") if known else "unknown",
            car={name: not on, **({"drive_pin": "1234"} if "pin" in name else {})},
            of=of,
        )
        for on in (True, False)
        for entity, command, name, known, of in (
            (
                "switch.ada_automatic_steering_wheel_heater",
                "remote_auto_steering_wheel_heat_climate_request",
                "auto_steering_wheel",
                "auto_wheel",
                "Ada",
            ),
            (
                "switch.cy_bioweapon_defense_mode",
                "set_bioweapon_mode",
                "bioweapon_mode",
                "bioweapon",
                "Cy",
            ),
            ("switch.ada_guest_mode", "guest_mode", "guest_mode", "", "Ada"),
            (
                "switch.ada_pin_to_drive",
                "set_pin_to_drive",
                "pin_to_drive",
                "",
                "Ada",
            ),
        )
    ),
    *(
        Case(
            entity="switch.cy_steering_wheel_heater",
            action=f"turn_{word}",
            command="remote_steering_wheel_heater_request",
            done=attrgetter("steering_wheel_heater"),
            result=level,
            shown=word,
            car={"climate_on": True, "steering_wheel_heater": 3 - level},
            of="Cy",
        )
        for word, level in (("on", 3), ("off", 0))
    ),
    Case(
        entity="number.ada_charge_limit",
        action="set_value",
        data={"value": 85},
        command="set_charge_limit",
        done=attrgetter("charge_limit"),
        result=85,
        shown="85",
    ),
    Case(
        entity="number.ada_charge_current",
        action="set_value",
        data={"value": 8},
        command="set_charging_amps",
        done=attrgetter("charge_amps"),
        result=8,
        shown="8",
    ),
    *(
        Case(
            entity=f"select.ada_seat_heater_{name}",
            action="select_option",
            data={"option": "medium"},
            command="remote_seat_heater_request",
            done=lambda car: {
                seat for seat, level in car.seat_heaters.items() if level == 2
            },
            result={number},
            shown="medium",
            car={"climate_on": True},
        )
        for name, number in (
            ("front_left", 0),
            ("front_right", 1),
            ("rear_left", 2),
            ("rear_center", 4),
            ("rear_right", 5),
            ("third_row_left", 7),
            ("third_row_right", 8),
        )
    ),
    *(
        Case(
            entity=f"select.ada_seat_cooler_front_{side}",
            action="select_option",
            data={"option": "low"},
            command="remote_seat_cooler_request",
            done=attrgetter("seat_coolers"),
            result={1: 0, 2: 0} | {seat: 1},
            shown="low",
            car={"climate_on": True},
        )
        for side, seat in (("left", 1), ("right", 2))
    ),
    Case(
        entity="select.ada_steering_wheel_heater",
        action="select_option",
        data={"option": "high"},
        command="remote_steering_wheel_heat_level_request",
        done=attrgetter("steering_wheel_heater"),
        result=3,
        shown="high",
        car={"climate_on": True},
    ),
    Case(
        entity="select.ada_steering_wheel_heater",
        action="select_option",
        data={"option": "off"},
        command="remote_steering_wheel_heat_level_request",
        done=attrgetter("steering_wheel_heater"),
        result=0,
        shown="off",
        car={"climate_on": True, "steering_wheel_heater": 3},
    ),
    *(
        Case(
            entity="climate.ada_cabin_overheat_protection",
            action="set_hvac_mode",
            data={"hvac_mode": mode},
            command="set_cabin_overheat_protection",
            done=attrgetter("overheat_protection"),
            result=result,
            shown=mode,
        )
        for mode, result in (("cool", "On"), ("fan_only", "FanOnly"), ("off", "Off"))
    ),
    Case(
        entity="climate.ada_cabin_overheat_protection",
        action="turn_on",
        command="set_cabin_overheat_protection",
        done=attrgetter("overheat_protection"),
        result="On",
        shown="cool",
    ),
    Case(
        entity="climate.ada_cabin_overheat_protection",
        action="turn_off",
        command="set_cabin_overheat_protection",
        done=attrgetter("overheat_protection"),
        result="Off",
        shown="off",
        car={"overheat_protection": "On"},
    ),
    Case(
        entity="climate.ada_cabin_overheat_protection",
        action="set_temperature",
        data={"temperature": 34},
        command="set_cop_temp",
        done=attrgetter("overheat_level"),
        result=1,
        attribute="temperature",
        shown=35,
    ),
    Case(
        entity="update.ada_software",
        action="install",
        command="schedule_software_update",
        done=attrgetter("update_status"),
        result="scheduled",
        shown="on",
        car={"available_update": "2026.38.1"},
    ),
    *(
        Case(
            entity=f"button.ada_{name}",
            action="press",
            command=command,
            done=lambda car: car.keyless_driving_until > 0,
            result=command == "remote_start_drive",
            attribute="friendly_name",
            shown=f"Ada {name.replace('_', ' ').capitalize()}",
        )
        for name, command in (
            ("wake", "wake_up"),
            ("flash_lights", "flash_lights"),
            ("honk_horn", "honk_horn"),
            ("allow_keyless_driving", "remote_start_drive"),
        )
    ),
    Case(
        entity="button.cy_homelink",
        action="press",
        command="trigger_homelink",
        done=lambda _: None,
        result=None,
        attribute="friendly_name",
        shown="Cy HomeLink",
        of="Cy",
    ),
]


async def act(
    hass: HomeAssistant, entity: str, action: str, data: dict[str, Any] | None = None
) -> None:
    await hass.services.async_call(
        entity.partition(".")[0],
        action,
        {"entity_id": entity, **(data or {})},
        blocking=True,
    )


def named(item: Case) -> str:
    return f"{item.entity} {item.action} {'-'.join(map(str, item.data.values()))}"


def shown(hass: HomeAssistant, entity: str, attribute: str | None = None) -> object:
    state = state_of(hass, entity)
    return state.attributes[attribute] if attribute else state.state
