"""Fleet API payloads of a car: miles, mph, °C, bar, `timestamp` in milliseconds."""

from collections.abc import Collection

from .car import SEATS, VOLTS, Car

type Json = dict[str, object]

KEEPER_MODES = ("off", "keep", "dog", "camp")
COP_LEVELS = ("Low", "Medium", "High")

DEFAULT_SECTIONS = (
    "charge_state",
    "climate_state",
    "drive_state",
    "gui_settings",
    "vehicle_config",
    "vehicle_state",
)
SECTIONS = (
    *DEFAULT_SECTIONS,
    "closures_state",
    "location_data",
    "charge_schedule_data",
    "preconditioning_schedule_data",
    "vehicle_data_combo",
)
_LOCATION = (
    "active_route_destination",
    "active_route_latitude",
    "active_route_longitude",
    "active_route_miles_to_arrival",
    "active_route_minutes_to_arrival",
    "active_route_traffic_minutes_delay",
    "gps_as_of",
    "heading",
    "latitude",
    "longitude",
    "native_latitude",
    "native_location_supported",
    "native_longitude",
    "native_type",
)


def product(car: Car, timestamp: float) -> Json:
    """Return the car as an item of the product list."""
    return vehicle_summary(car) | {
        "vehicle_config": vehicle_config(car, timestamp),
        "command_signing": car.signing,
        "release_notes_supported": True,
    }


def vehicle_summary(car: Car) -> Json:
    """Return the vehicle without its data."""
    state = "offline" if car.waking else car.connectivity
    return {
        "id": car.id,
        "user_id": car.user_id,
        "vehicle_id": car.id + 7,
        "vin": car.vin,
        "color": None,
        "access_type": "OWNER",
        "display_name": car.name,
        "option_codes": None,
        "cached_data": None,
        "granular_access": {"hide_private": False},
        "tokens": ["4f993c5b9e2b937b", "7a3153b1bbb48a96"],
        "state": state,
        "in_service": car.in_service,
        "id_s": str(car.id),
        "calendar_enabled": True,
        "api_version": 71,
        "backseat_token": None,
        "backseat_token_updated_at": None,
        "ble_autopair_enrolled": False,
    }


def vehicle_data(car: Car, timestamp: float) -> Json:
    """Return all sections of vehicle data of an awake car."""
    at = int(timestamp * 1000)
    data = vehicle_summary(car)
    del data["display_name"], data["option_codes"], data["cached_data"]
    return data | {
        "charge_state": charge_state(car, at),
        "climate_state": climate_state(car, at),
        "drive_state": drive_state(car, at),
        "gui_settings": gui_settings(at),
        "vehicle_config": vehicle_config(car, timestamp),
        "vehicle_state": vehicle_state(car, at),
        "closures_state": closures_state(car, at),
        "charge_schedule_data": {"charge_schedules": [], "timestamp": at},
        "preconditioning_schedule_data": {
            "precondition_schedules": [],
            "timestamp": at,
        },
    }


def filter_sections(data: Json, sections: Collection[str]) -> Json:
    """Return the requested sections; location needs `location_data`."""
    if "vehicle_data_combo" in sections:
        sections = {*sections, *SECTIONS}
    wanted = set(sections or DEFAULT_SECTIONS)
    if "location_data" in wanted:
        wanted.add("drive_state")
    selected = {
        key: value
        for key, value in data.items()
        if key not in SECTIONS or key in wanted
    }
    drive = selected.get("drive_state")
    if isinstance(drive, dict) and "location_data" not in wanted:
        selected["drive_state"] = {
            key: value for key, value in drive.items() if key not in _LOCATION
        }
    return selected


def charge_state(car: Car, at: int) -> Json:
    """Return the section `charge_state`."""
    full_range = car.specification.range_miles
    level = int(car.battery_level)
    power = car.charge_power
    missing_energy = (
        (car.charge_limit - car.battery_level)
        / 100
        * car.specification.battery_capacity
    )
    hours = round(missing_energy / power, 2) if power else 0.0
    if not car.cable_connected:
        charging = "Disconnected"
    elif car.charging:
        charging = "Charging"
    else:
        charging = "Complete" if car.battery_level >= car.charge_limit else "Stopped"
    miles_range = round(car.battery_level * full_range / 100, 2)
    return {
        "battery_heater_on": False,
        "battery_level": level,
        "battery_range": miles_range,
        "charge_amps": car.charge_amps,
        "charge_current_request": car.charge_amps,
        "charge_current_request_max": 16,
        "charge_enable_request": car.charging or not car.cable_connected,
        "charge_energy_added": round(car.energy_added, 2),
        "charge_limit_soc": car.charge_limit,
        "charge_limit_soc_max": 100,
        "charge_limit_soc_min": 50,
        "charge_limit_soc_std": 80,
        "charge_miles_added_ideal": round(
            car.energy_added / car.specification.battery_capacity * full_range, 1
        ),
        "charge_miles_added_rated": round(
            car.energy_added / car.specification.battery_capacity * full_range, 1
        ),
        "charge_port_cold_weather_mode": False,
        "charge_port_color": "<invalid>",
        "charge_port_door_open": car.charge_port_open,
        "charge_port_latch": "Engaged" if car.cable_latched else "Disengaged",
        "charge_rate": charge_rate(car),
        "charger_actual_current": car.charging_current,
        "charger_phases": 3 if car.charging else None,
        "charger_pilot_current": 16,
        "charger_power": round(power),
        "charger_voltage": VOLTS if car.charging else 2,
        "charging_state": charging,
        "conn_charge_cable": "IEC" if car.cable_connected else "<invalid>",
        "est_battery_range": round(miles_range * 0.94, 2),
        "fast_charger_brand": "<invalid>",
        "fast_charger_present": False,
        "fast_charger_type": "ACSingleWireCAN" if car.cable_connected else "<invalid>",
        "ideal_battery_range": miles_range,
        "max_range_charge_counter": 0,
        "minutes_to_full_charge": round(hours * 60),
        "not_enough_power_to_heat": None,
        "off_peak_charging_enabled": False,
        "off_peak_charging_times": "all_week",
        "off_peak_hours_end_time": 360,
        "preconditioning_enabled": False,
        "preconditioning_times": "all_week",
        "scheduled_charging_mode": "Off",
        "scheduled_charging_pending": False,
        "scheduled_charging_start_time": None,
        "scheduled_charging_start_time_app": 600,
        "scheduled_departure_time": None,
        "scheduled_departure_time_minutes": 480,
        "supercharger_session_trip_planner": False,
        "time_to_full_charge": hours,
        "timestamp": at,
        "trip_charging": False,
        "usable_battery_level": level,
        "user_charge_enable_request": None,
        "module_temp_min": 16.5,
        "module_temp_max": 18,
        "energy_remaining": round(
            car.battery_level / 100 * car.specification.battery_capacity, 2
        ),
        "lifetime_energy_used": round(car.odometer * 0.26, 3),
        "charging_schedule_override": False,
    }


def charge_rate(car: Car) -> float:
    """Return the charge rate in miles per hour."""
    return round(
        car.charge_power
        / car.specification.battery_capacity
        * car.specification.range_miles,
        1,
    )


def climate_state(car: Car, at: int) -> Json:
    """Return the section `climate_state`."""
    limit = car.cabin_temp_limit
    seats = [
        seat
        for seat in SEATS
        if not seat.startswith("third_row") or car.config["third_row_seats"] != "None"
    ]
    extras: Json = {"bioweapon_mode": car.bioweapon_mode} if car.is_model_s_or_x else {}
    if not (car.is_model_s_or_x and car.year < 2021):
        extras["steering_wheel_heat_level"] = car.steering_wheel_heater
    if car.config["has_seat_cooling"]:
        extras["seat_fan_front_left"] = car.seat_coolers[1]
        extras["seat_fan_front_right"] = car.seat_coolers[2]
    return {
        **{f"seat_heater_{seat}": car.seat_heaters[SEATS[seat]] for seat in seats},
        **extras,
        "allow_cabin_overheat_protection": True,
        "auto_seat_climate_left": car.auto_seats[1],
        "auto_seat_climate_right": car.auto_seats[2],
        "auto_steering_wheel_heat": car.auto_steering_wheel,
        "battery_heater": False,
        "battery_heater_no_power": None,
        "cabin_overheat_protection": car.overheat_protection,
        "cabin_overheat_protection_actively_cooling": limit is not None
        and car.inside_temp >= limit,
        "climate_keeper_mode": KEEPER_MODES[car.climate_keeper],
        "cop_activation_temperature": COP_LEVELS[car.overheat_level],
        "defrost_mode": 2 if car.defrost else 0,
        "driver_temp_setting": car.driver_temp,
        "fan_status": 3 if car.climate_on else 0,
        "hvac_auto_request": "On",
        "inside_temp": round(car.inside_temp, 1),
        "is_auto_conditioning_on": car.climate_on,
        "is_climate_on": car.climate_on,
        "is_front_defroster_on": car.defrost,
        "is_preconditioning": car.climate_on and not car.user_present,
        "is_rear_defroster_on": car.defrost,
        "left_temp_direction": 251,
        "max_avail_temp": 28,
        "min_avail_temp": 15,
        "outside_temp": round(car.outside_temp, 1),
        "passenger_temp_setting": car.passenger_temp,
        "remote_heater_control_enabled": car.climate_on,
        "right_temp_direction": 251,
        "side_mirror_heaters": False,
        "steering_wheel_heater": car.steering_wheel_heater > 0,
        "supports_fan_only_cabin_overheat_protection": True,
        "timestamp": at,
        "wiper_blade_heater": False,
    }


def drive_state(car: Car, at: int) -> Json:
    """Return the section `drive_state` with the location."""
    moving = car.speed is not None
    navigating = moving and car.navigates
    latitude, longitude = round(car.latitude, 6), round(car.longitude, 6)
    return {
        "active_route_destination": "Home" if navigating else "",
        "active_route_latitude": car.home_position[0],
        "active_route_longitude": car.home_position[1],
        "active_route_miles_to_arrival": 3.2 if navigating else 0.0,
        "active_route_minutes_to_arrival": 7.5 if navigating else 0.0,
        "active_route_traffic_minutes_delay": 0,
        "gps_as_of": at // 1000,
        "heading": car.heading,
        "latitude": latitude,
        "longitude": longitude,
        "native_latitude": latitude,
        "native_location_supported": 1,
        "native_longitude": longitude,
        "native_type": "wgs",
        "power": 14 if moving else round(-car.charge_power),
        "shift_state": "D" if moving else None,
        "speed": car.speed,
        "timestamp": at,
    }


def gui_settings(at: int) -> Json:
    """Return the section `gui_settings`."""
    return {
        "gui_24_hour_time": True,
        "gui_charge_rate_units": "kW",
        "gui_distance_units": "km/hr",
        "gui_range_display": "Rated",
        "gui_temperature_units": "C",
        "gui_tirepressure_units": "Bar",
        "show_range_units": False,
        "timestamp": at,
    }


def vehicle_config(car: Car, timestamp: float) -> Json:
    """Return the section `vehicle_config`."""
    return car.config | {"timestamp": int(timestamp * 1000)}


def closures_state(car: Car, at: int) -> Json:
    """Return the section `closures_state`."""
    return {
        **{door: int(is_open) for door, is_open in car.doors.items()},
        **car.windows,
        "ft": int(car.front_trunk),
        "rt": int(car.rear_trunk),
        "locked": car.locked,
        "timestamp": at,
    }


def vehicle_state(car: Car, at: int) -> Json:
    """Return the section `vehicle_state`."""
    wheels = ("fl", "fr", "rl", "rr")
    tire_data: Json = {"tpms_rcp_front_value": 2.9, "tpms_rcp_rear_value": 2.9}
    for wheel in wheels:
        tire_data |= {
            f"tpms_hard_warning_{wheel}": False,
            f"tpms_last_seen_pressure_time_{wheel}": at // 1000 - 60,
            f"tpms_pressure_{wheel}": 2.775,
            f"tpms_soft_warning_{wheel}": False,
        }
    homelink: Json = {}
    if car.is_model_s_or_x:
        homelink = {"homelink_device_count": 1, "homelink_nearby": car.at_home}
    return closures_state(car, at) | {
        **homelink,
        "api_version": 71,
        "autopark_state_v2": "unavailable",
        "calendar_supported": True,
        "car_version": f"{car.software_version} 1f0e2d3c4b5a",
        "center_display_state": 2 if car.user_present else 0,
        "dashcam_clip_save_available": True,
        "dashcam_state": "Recording" if car.user_present else "Unavailable",
        "feature_bitmask": "fbdffbff,187f",
        "is_user_present": car.user_present,
        "media_info": {
            "a2dp_source_name": "",
            "audio_volume": 2.3333,
            "audio_volume_increment": 0.333333,
            "audio_volume_max": 10.333333,
            "media_playback_status": "Stopped",
            "now_playing_album": "",
            "now_playing_artist": "",
            "now_playing_duration": 0,
            "now_playing_elapsed": 0,
            "now_playing_source": "",
            "now_playing_station": "",
            "now_playing_title": "",
        },
        "media_state": {"remote_control_enabled": True},
        "notifications_supported": True,
        "odometer": round(car.odometer, 6),
        "parsed_calendar_supported": True,
        "remote_start": at < car.keyless_driving_until * 1000,
        "remote_start_enabled": True,
        "remote_start_supported": True,
        "santa_mode": 0,
        "sentry_mode": car.sentry_mode,
        "sentry_mode_available": True,
        "service_mode": car.in_service,
        "service_mode_plus": False,
        "software_update": {
            "download_perc": 100 if car.available_update else 0,
            "expected_duration_sec": 2700,
            "install_perc": 1,
            "status": car.update_status,
            "version": car.available_update or " ",
        },
        "speed_limit_mode": {
            "active": False,
            "current_limit_mph": 69,
            "max_limit_mph": 120,
            "min_limit_mph": 50,
            "pin_code_set": False,
        },
        "sun_roof_state": car.sun_roof,
        "vehicle_state_sun_roof_percent_open": {"vent": 15, "closed": 0}.get(
            car.sun_roof
        ),
        "valet_mode": car.valet_mode,
        "valet_pin_needed": not car.valet_pin_set,
        "vehicle_name": car.name,
        "vehicle_self_test_progress": 0,
        "vehicle_self_test_requested": False,
        "webcam_available": True,
        **tire_data,
    }
