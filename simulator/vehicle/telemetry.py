"""Signals that a car sends by itself, as in Tesla's Fleet Telemetry."""

from .car import SEATS, Car
from .payloads import Json, charge_rate, charge_state, vehicle_state

_DOORS = {
    "DriverFront": "df",
    "DriverRear": "dr",
    "PassengerFront": "pf",
    "PassengerRear": "pr",
}
_WINDOWS = {
    "FdWindow": "fd_window",
    "FpWindow": "fp_window",
    "RdWindow": "rd_window",
    "RpWindow": "rp_window",
}
_SEAT_HEATERS = {
    "SeatHeaterLeft": "left",
    "SeatHeaterRight": "right",
    "SeatHeaterRearLeft": "rear_left",
    "SeatHeaterRearCenter": "rear_center",
    "SeatHeaterRearRight": "rear_right",
}


def signals(car: Car) -> Json:
    """Return the current value of each signal of an awake car."""
    charge, state = charge_state(car, 0), vehicle_state(car, 0)
    moving = car.speed is not None
    return {
        **{name: _window(car.windows[key]) for name, key in _WINDOWS.items()},
        **{name: car.seat_heaters[SEATS[key]] for name, key in _SEAT_HEATERS.items()},
        **{
            f"TpmsPressure{wheel.capitalize()}": state[f"tpms_pressure_{wheel}"]
            for wheel in ("fl", "fr", "rl", "rr")
        },
        "ACChargingEnergyIn": charge["charge_energy_added"],
        "ACChargingPower": round(car.charge_power, 1),
        "BatteryLevel": round(car.battery_level, 1),
        "ChargeAmps": car.charging_current,
        "ChargeCurrentRequest": car.charge_amps,
        "ChargeCurrentRequestMax": charge["charge_current_request_max"],
        "ChargeLimitSoc": car.charge_limit,
        "ChargePortDoorOpen": car.charge_port_open,
        "ChargePortLatch": f"ChargePortLatch{charge['charge_port_latch']}",
        "ChargeRateMilePerHour": charge_rate(car),
        "ChargerVoltage": charge["charger_voltage"],
        "DetailedChargeState": f"DetailedChargeState{charge['charging_state']}",
        "DoorState": {
            **{name: car.doors[key] for name, key in _DOORS.items()},
            "TrunkFront": car.front_trunk,
            "TrunkRear": car.rear_trunk,
        },
        "DriverSeatOccupied": car.user_present,
        "EnergyRemaining": charge["energy_remaining"],
        "EstBatteryRange": charge["est_battery_range"],
        "Gear": f"ShiftState{'D' if moving else 'P'}",
        "GpsHeading": car.heading,
        "HvacLeftTemperatureRequest": car.driver_temp,
        "HvacPower": f"HvacPowerState{'On' if car.climate_on else 'Off'}",
        "HvacRightTemperatureRequest": car.passenger_temp,
        "IdealBatteryRange": charge["ideal_battery_range"],
        "InsideTemp": round(car.inside_temp, 1),
        "LocatedAtHome": car.at_home,
        "Location": {
            "latitude": round(car.latitude, 6),
            "longitude": round(car.longitude, 6),
        },
        "Locked": car.locked,
        "Odometer": round(car.odometer, 3),
        "OutsideTemp": round(car.outside_temp, 1),
        "RatedRange": charge["battery_range"],
        "SentryMode": f"SentryModeState{'Armed' if car.sentry_mode else 'Off'}",
        "ServiceMode": car.in_service,
        "Soc": round(car.battery_level, 1),
        "TimeToFullCharge": charge["time_to_full_charge"],
        "ValetModeEnabled": car.valet_mode,
        "VehicleName": car.name,
        "VehicleSpeed": car.speed or 0,
        "Version": state["car_version"],
    }


def _window(position: int) -> str:
    return f"WindowState{'Opened' if position else 'Closed'}"
