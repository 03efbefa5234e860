"""Tests that Bluetooth polls do not keep a vehicle awake."""

from datetime import UTC, datetime

import pytest
from tesla_fleet_api.const import BluetoothVehicleData
from tesla_protocol.command.car_server_pb2 import GetVehicleData

from custom_components.keycard.transport.bluetooth_messages import (
    DATA_REQUESTS,
    data_timestamp,
    parse_data,
    parse_status,
)
from custom_components.keycard.vehicle.poll_schedule import (
    BLUETOOTH_INTERVAL,
    BluetoothPollSchedule,
)
from custom_components.keycard.vehicle.state import ConnectivityState
from custom_components.keycard.vehicle.vehicle import Vehicle as KnownCar
from simulator.protocol.vcsec import vehicle_status
from simulator.protocol.vehicle_data import vehicle_data
from simulator.scenarios.scenario import CarSpec
from simulator.vehicle.car import Car
from simulator.vehicle.schedule import parse_days

MIDNIGHT = 1767225600.0
DAY = 86400
PACE = 60

COMMUTE = [
    {
        "drives": [{"at": "7:30", "minutes": 30}, {"at": "17:00", "minutes": 40}],
        "plug": "18:00",
    }
]
ERRAND = [{"drives": [{"at": "11:00", "minutes": 20}, {"at": "12:10", "minutes": 20}]}]


def everything() -> GetVehicleData:
    message = GetVehicleData()
    for part in BluetoothVehicleData:
        if part in DATA_REQUESTS:
            getattr(message, part[0].lower() + part[1:]).SetInParent()
    return message


class Home:
    """Polls a vehicle over Bluetooth as the integration does without the cloud."""

    def __init__(self, car: Car) -> None:
        self.car = car
        self.known = KnownCar.from_vin(car.vin)
        self.schedule = BluetoothPollSchedule()
        self.looks = self.asks = 0

    def live(self, now: float) -> None:
        self.schedule.update_reachability(
            in_range=True, cloud_unavailable=True, monotonic=now
        )
        if self.schedule.next_poll_at() > now:
            return
        at = datetime.fromtimestamp(now, UTC)
        values = parse_status(vehicle_status(self.car))
        self.looks += 1
        self.known.apply_bluetooth(values, None, at)
        requested = values[
            "presence"
        ] is ConnectivityState.ONLINE and self.schedule.is_data_due(
            self.known.state,
            year=self.known.year,
            cloud_unavailable=True,
            monotonic=now,
        )
        if requested:
            self.asks += 1
            self.schedule.data.record_poll(now)
            before = self.known.data_at
            self.car.record_bluetooth_read()
            data = vehicle_data(self.car, everything(), now)
            self.known.apply_bluetooth(parse_data(data), data_timestamp(data), at)
            self.schedule.data.record_result(is_new=self.known.data_at != before)
        self.schedule.record_poll(now, answered=True, cloud_unavailable=True)


def slept(year: int, days: list[object], *, watched: bool) -> tuple[float, Home]:
    """Return the seconds of a day that a vehicle sleeps, and the polls of it."""
    now = MIDNIGHT
    spec = CarSpec(name="Ada", model="model3", year=year)
    car = Car(spec, region="eu", get_time=lambda: now)
    car.set_schedule(parse_days(days), MIDNIGHT)
    home, asleep = Home(car), 0.0
    while now < MIDNIGHT + DAY:
        car.advance()
        asleep += PACE if car.connectivity == "asleep" else 0
        if watched:
            home.live(now)
        now += PACE
    return asleep, home


@pytest.mark.parametrize(
    ("year", "days"), [(2019, COMMUTE), (2023, COMMUTE), (2023, ERRAND)]
)
def test_a_day_of_polls_costs_no_sleep(year: int, days: list[object]) -> None:
    polled_days, _ = slept(year, days, watched=False)
    watched, home = slept(year, days, watched=True)
    assert polled_days > DAY / 2
    # Two or three times the car has something to do: each may cost a few minutes.
    assert polled_days - watched <= 3 * 5 * 60
    # And it was looked at all the while.
    assert home.looks > DAY / BLUETOOTH_INTERVAL - 50
    assert home.asks > 10
