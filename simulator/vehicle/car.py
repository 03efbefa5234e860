"""Simulated car; its state is computed from the elapsed time."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
import math

from ..scenarios.scenario import CarSpec
from .commands import COMMANDS, CommandResult
from .models import MODEL_SPECIFICATIONS, build_config, build_vin, default_signing
from .schedule import Day, Drive, Position, Schedule, ScheduledEvent, Trip

# Seats in the data, mapped to their number in commands.
SEATS = {
    "left": 0,
    "right": 1,
    "rear_left": 2,
    "rear_center": 4,
    "rear_right": 5,
    "third_row_left": 7,
    "third_row_right": 8,
}
DOORS = ("df", "pf", "dr", "pr")
WINDOWS = ("fd_window", "fp_window", "rd_window", "rp_window")
COP_TEMPS = (30, 35, 40)
IDLE_SECONDS = 15 * 60.0  # until an idle car falls asleep
WAKE_SECONDS = 12.0
GEAR_SECONDS = 5 * 60.0  # during which a parked car still reports its gear
CABIN_IDLE = 40 * 60.0  # time constant of the cabin temperature
CABIN_DRIVEN = 4 * 60.0
VOLTS = 230
PHASES = 3
MIN_CHARGING_AMPS = 5
TRIP_PERIOD = 3 * 3600.0
TRIP_TIME = 15 * 60.0
TRIP_SPEED = 31.0  # mph
HOME_POSITIONS = {
    "na": (37.4919, -121.9447),
    "eu": (52.3941, 13.7904),
    "cn": (30.9, 121.77),
}

UPDATE_WAIT = 2 * 60.0  # countdown on the car's screen
UPDATE_TIME = 25 * 60.0


class Car:
    """A simulated car."""

    def __init__(
        self,
        spec: CarSpec,
        *,
        region: str,
        get_time: Callable[[], float],
        user_id: int = 1_000_001,
        lively: bool = False,
        index: int = 0,
    ) -> None:
        self.name = spec.name
        self.model = spec.model
        self.year = spec.year
        self.specification = MODEL_SPECIFICATIONS[spec.model]
        self.vin = build_vin(spec.name, spec.model, spec.year)
        self.id = 1_000_000_000 + int(self.vin[-6:])
        self.user_id = user_id
        self.region = region
        self.signing = spec.signing or default_signing(spec.model, spec.year)
        self.lively = lively
        self.executed: Counter[str] = Counter()
        self._in_range = False
        # Called after a change of connectivity, range or state.
        self.on_change: Callable[[], None] = lambda: None
        self.connectivity = "online"
        self.in_service = False

        self.config = build_config(spec.model, spec.year, region)
        self.locked = True
        self.user_present = False
        self.climate_on = False
        self.driver_temp = 21.0
        self.passenger_temp = 21.0
        self.outside_temp = 15.0
        self.inside_temp = 15.0
        self.climate_keeper = 0
        self.defrost = False
        self.overheat_protection = "Off"
        self.overheat_level = 2
        self.seat_heaters = dict.fromkeys(SEATS.values(), 0)
        self.steering_wheel_heater = 0
        self.auto_seats = {1: True, 2: True}
        self.auto_steering_wheel = False
        self.doors = dict.fromkeys(DOORS, False)
        self.windows = dict.fromkeys(WINDOWS, 0)
        self.sun_roof = "closed" if self.config["sun_roof_installed"] else "unknown"
        self.front_trunk = self.rear_trunk = False
        self.sentry_mode = self.valet_mode = False
        self.valet_pin_set = True
        self.guest_mode = self.bioweapon_mode = False
        self.pin_to_drive = False
        self.drive_pin: str | None = None
        self.seat_coolers = {1: 0, 2: 0}
        self.keyless_driving_until = 0.0
        self.charge_port_open = False
        self.cable_connected = self.cable_latched = False
        self.charging = False
        self.charge_limit = 80
        self.charge_amps = 16
        self.low_amps: int | None = None  # actual current while the setting is 5 A
        self.battery_level = 64.0
        self.energy_added = 0.0  # kWh of this charge
        self.odometer = 12_345.6
        self.home_position: Position = HOME_POSITIONS[region]
        self.work_position: Position = (
            self.home_position[0] + 0.08,
            self.home_position[1] + 0.10,
        )
        self.latitude, self.longitude = self.home_position
        self.heading = 90
        self.route: Trip | None = None
        self.navigates = True  # to home, on every drive
        self.software_version = "2026.32.6"
        self.available_update: str | None = None  # newer version, already downloaded
        self.install_at: float | None = None

        self._get_time = get_time
        self._started = self._updated_at = self._active_at = get_time()
        self._parked_at = -math.inf
        self._closures_open_asleep: frozenset[str] = frozenset()
        self._waking_until: float | None = None
        self._trip_phase = 600.0 + 1200.0 * index
        self._schedule: Schedule | None = None

    @property
    def in_range(self) -> bool:
        """Return whether the car is in Bluetooth range of the home."""
        return self._in_range

    @in_range.setter
    def in_range(self, in_range: bool) -> None:
        self._in_range = in_range
        self.on_change()

    @property
    def advertising(self) -> bool:
        """Return whether the car advertises; a Model S/X before 2021 never does."""
        return self._in_range and default_signing(self.model, self.year) != "off"

    @property
    def speed(self) -> int | None:
        """Return the speed in mph, None in park."""
        return None if self.route is None else round(TRIP_SPEED)

    @property
    def cabin_temp_limit(self) -> int | None:
        """Return the limit of cabin overheat protection in °C, None if inactive."""
        if self.overheat_protection == "Off" or self.user_present:
            return None
        return COP_TEMPS[self.overheat_level]

    @property
    def update_status(self) -> str:
        """Return the status of the software update, as in Tesla's data."""
        if self.available_update is None:
            return ""
        if self.install_at is None:
            return "available"
        return "installing" if self._updated_at >= self.install_at else "scheduled"

    @property
    def is_model_s_or_x(self) -> bool:
        """Return whether this is a Model S or X (HomeLink, bioweapon defense mode)."""
        return self.model in {"models", "modelx"}

    @property
    def at_home(self) -> bool:
        """Return whether the car is at its home position."""
        return (self.latitude, self.longitude) == self.home_position

    @property
    def reports_gear(self) -> bool:
        """Return whether the status contains the gear: not long after parking."""
        return (
            self.route is not None or self._updated_at - self._parked_at < GEAR_SECONDS
        )

    @property
    def open_closures(self) -> frozenset[str]:
        """Return the open closures."""
        closures = {
            **self.doors,
            "rear_trunk": self.rear_trunk,
            "front_trunk": self.front_trunk,
            "port": self.charge_port_open,
        }
        return frozenset(name for name, is_open in closures.items() if is_open)

    @property
    def reported_open_closures(self) -> frozenset[str]:
        """Return the closures that the vehicle security computer reports as open.

        Tesla documents for a sleeping car: its charge port is reported as closed in any
        case, and other closures as last seen before it fell asleep.
        """
        return (
            self._closures_open_asleep
            if self.connectivity == "asleep"
            else self.open_closures
        )

    @property
    def waking(self) -> bool:
        """Return whether the car is waking up."""
        return self._waking_until is not None

    def set_connectivity(self, connectivity: str) -> None:
        """Set the connectivity: online, asleep or offline."""
        self.advance()
        self.connectivity = connectivity
        self._closures_open_asleep = self.open_closures - {"port"}
        self._waking_until = None
        self._active_at = self._get_time()
        if connectivity != "online" and self.route is not None:
            self.route = None
            self._parked_at = self._get_time()
        self.on_change()

    def wake(self) -> None:
        """Start waking up; an offline car is not reached."""
        self.advance()
        self.executed["wake_up"] += 1
        if self.connectivity == "asleep" and not self.waking:
            self._waking_until = self._get_time() + WAKE_SECONDS
        self._active_at = self._get_time()

    def finish_waking(self) -> None:
        """Finish waking up at once."""
        if self.waking:
            self.set_connectivity("online")

    def drive(self) -> None:
        """Start a round trip of a quarter of an hour."""
        self.advance()
        self.set_connectivity("online")
        self.unplug()
        self.locked = True
        self.close()
        self._start_trip(self._get_time(), TRIP_TIME, self._round_trip)

    def close(self) -> None:
        """Close doors, windows and trunks."""
        self.doors = dict.fromkeys(DOORS, False)
        self.windows = dict.fromkeys(WINDOWS, 0)
        self.front_trunk = self.rear_trunk = False

    def schedule_update(self, seconds: float) -> None:
        """Schedule the software update."""
        self.install_at = self._get_time() + max(seconds, UPDATE_WAIT)

    def cancel_update(self) -> None:
        """Cancel the scheduled software update."""
        self.install_at = None

    def enable_keyless_driving(self, seconds: float) -> None:
        """Enable keyless driving for a while."""
        self.keyless_driving_until = self._get_time() + seconds

    def plug(self) -> None:
        """Plug in the charging cable."""
        self.advance()
        self._connect_cable()
        self._active_at = self._get_time()

    def unplug(self) -> None:
        """Unplug the charging cable."""
        self.advance()
        self._disconnect_cable()
        self._active_at = self._get_time()

    def _connect_cable(self) -> None:
        self.charge_port_open = self.cable_connected = self.cable_latched = True
        self.energy_added = 0.0
        self.charging = self.battery_level < self.charge_limit
        self.low_amps = None

    def _disconnect_cable(self) -> None:
        self.charge_port_open = self.cable_connected = self.cable_latched = (
            self.charging
        ) = False

    def set_schedule(self, days: Sequence[Day], midnight: float | None = None) -> None:
        """Repeat these days from `midnight` (Unix time) on, by default from now."""
        self.advance()
        start = self._get_time() if midnight is None else midnight
        self._schedule = Schedule(days=tuple(days), midnight=start)

    def record_data_read(self) -> None:
        """Record a read of vehicle data, which keeps a car before 2021 awake."""
        self.advance()
        if self._schedule is not None and self.year < 2021:
            self._active_at = self._get_time()

    def record_bluetooth_read(self) -> None:
        """Record a message to infotainment over Bluetooth, which keeps any car awake.

        Users report this of cars whose data are polled; reading the status of the
        vehicle security computer keeps no car awake.
        """
        self.advance()
        if self.connectivity == "online":
            self._active_at = self._get_time()

    def advance(self) -> None:
        """Advance the state to the current time."""
        timestamp = self._get_time()
        if self._schedule is not None:
            for event in self._schedule.events_between(self._updated_at, timestamp):
                self._advance_to(event.at)
                self._run_event(event)
        self._advance_to(timestamp)

    def _advance_to(self, timestamp: float) -> None:
        steps = min(2000, max(1, math.ceil((timestamp - self._updated_at) / 30)))
        start, span = self._updated_at, timestamp - self._updated_at
        self._updated_at = timestamp
        if span <= 0:
            return
        for step in range(1, steps + 1):
            self._step(start + span * step / steps, span / steps)

    def _step(self, timestamp: float, seconds: float) -> None:
        if self._waking_until is not None and timestamp >= self._waking_until:
            self._waking_until = None
            self.connectivity = "online"
            self._active_at = timestamp
        if self.lively or self._schedule is not None:
            self._update_sleep(timestamp)
        if self.lively:
            self._update_activity(timestamp, seconds)
        self._update_temperature(seconds)
        if self.charging:
            self._update_charge(seconds)
        if self.route is not None:
            self._update_trip(self.route, timestamp, seconds)
        if (
            self.install_at is not None
            and self.available_update is not None
            and timestamp >= self.install_at + UPDATE_TIME
        ):
            self.software_version = self.available_update
            self.available_update = self.install_at = None

    def _update_sleep(self, timestamp: float) -> None:
        is_driving = self.route is not None
        is_active = self.climate_on or self.charging or self.sentry_mode or is_driving
        if is_active or self.connectivity != "online":
            self._active_at = timestamp
        elif timestamp - self._active_at >= IDLE_SECONDS:
            self.connectivity = "asleep"
            self._closures_open_asleep = self.open_closures - {"port"}

    def _run_event(self, event: ScheduledEvent) -> None:
        if self.connectivity == "asleep":
            self.connectivity = "online"
        if event.drive is not None:
            self._start_commute(event.at, event.drive)
        elif self.at_home and self.route is None:
            self._connect_cable()
            self._active_at = event.at

    def _start_commute(self, timestamp: float, drive: Drive) -> None:
        if self.route is not None:
            return
        self._disconnect_cable()
        destination = self.work_position if self.at_home else self.home_position
        self._start_trip(timestamp, drive.duration, (self._position, destination))

    def _start_trip(
        self, timestamp: float, duration: float, positions: tuple[Position, ...]
    ) -> None:
        self.route = Trip(started_at=timestamp, duration=duration, positions=positions)
        self.user_present = self.climate_on = True

    @property
    def _round_trip(self) -> tuple[Position, ...]:
        turning_point = (self.home_position[0] + 0.04, self.home_position[1] + 0.05)
        return (self.home_position, turning_point, self.home_position)

    @property
    def _position(self) -> Position:
        return self.latitude, self.longitude

    def _update_activity(self, timestamp: float, seconds: float) -> None:
        elapsed = timestamp - self._started - self._trip_phase
        if elapsed >= 0 and elapsed % TRIP_PERIOD < seconds and self.battery_level > 20:
            if self.connectivity == "asleep":
                self.connectivity = "online"
            if self.connectivity == "online" and self.route is None:
                self._disconnect_cable()
                self._start_trip(timestamp, TRIP_TIME, self._round_trip)

    def _update_temperature(self, seconds: float) -> None:
        target = self.driver_temp if self.climate_on else self.outside_temp
        if self.climate_on and self.defrost:
            target = 28.0
        time_constant = CABIN_DRIVEN if self.climate_on else CABIN_IDLE
        self.inside_temp += (target - self.inside_temp) * (
            1 - math.exp(-seconds / time_constant)
        )
        if not self.climate_on and self.cabin_temp_limit is not None:
            self.inside_temp = min(self.inside_temp, self.cabin_temp_limit)

    def set_amps(self, amps: int) -> None:
        """Set the charging current in A.

        Below 5 A a charging car first uses 5 A, and less only after a second request;
        its setting still shows 5 A, as users report.
        """
        if not self.charging or amps >= MIN_CHARGING_AMPS:
            self.charge_amps, self.low_amps = amps, None
        elif self.charge_amps == MIN_CHARGING_AMPS:
            self.low_amps = amps
        else:
            self.charge_amps, self.low_amps = MIN_CHARGING_AMPS, None

    @property
    def charging_current(self) -> int:
        """Return the actual charging current in A."""
        if not self.charging:
            return 0
        return self.charge_amps if self.low_amps is None else self.low_amps

    @property
    def charge_power(self) -> float:
        """Return the charging power in kW."""
        return self.charging_current * VOLTS * PHASES / 1000

    def _update_charge(self, seconds: float) -> None:
        energy = self.charge_power * seconds / 3600
        missing = (
            (self.charge_limit - self.battery_level)
            / 100
            * self.specification.battery_capacity
        )
        self.energy_added += max(0.0, min(energy, missing))
        self.battery_level += (
            max(0.0, min(energy, missing)) / self.specification.battery_capacity * 100
        )
        if energy >= missing:
            self.charging = False

    def _update_trip(self, trip: Trip, timestamp: float, seconds: float) -> None:
        miles = TRIP_SPEED * seconds / 3600
        self.odometer += miles
        self.battery_level = max(
            0.0, self.battery_level - miles / self.specification.range_miles * 100
        )
        (self.latitude, self.longitude), self.heading = trip.position_at(timestamp)
        if trip.is_over(timestamp):
            self.route = None
            self.user_present = self.climate_on = False
            self.latitude, self.longitude = trip.positions[-1]
            self._active_at = self._parked_at = timestamp
            if self.lively and self.battery_level < self.charge_limit:
                self._connect_cable()

    def execute(self, command: str, body: Mapping[str, object]) -> CommandResult:
        """Execute a command and return its result."""
        self.advance()
        self._active_at = self._get_time()
        result = COMMANDS[command](self, body)
        if result[0]:
            self.executed[command] += 1
            self.on_change()
        return result
