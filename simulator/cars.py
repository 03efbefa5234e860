"""Cars with behaviour: all of it is computed from the time that went by."""

from collections import Counter
from collections.abc import Callable, Mapping
import math

from .cases import CarSpec
from .models import MODEL_TABLE, build_vin

IDLE = 15 * 60.0  # an idle car falls asleep after this
WAKING = 12.0
CABIN_IDLE = 40 * 60.0  # time constants of the cabin's temperature
CABIN_DRIVEN = 4 * 60.0
VOLTS = 230
PHASES = 3
KEEPER_MODES = ("off", "keep", "dog", "camp")
TRIP_PERIOD = 3 * 3600.0
TRIP_TIME = 15 * 60.0
TRIP_SPEED = 31.0  # mph
HOMES = {"na": (37.4919, -121.9447), "eu": (52.3941, 13.7904), "cn": (30.9, 121.77)}

type Result = tuple[bool, str]


class Car:
    """One simulated car."""

    def __init__(
        self,
        spec: CarSpec,
        *,
        region: str,
        now: Callable[[], float],
        lively: bool = False,
        index: int = 0,
    ) -> None:
        self.name = spec.name
        self.model = spec.model
        self.year = spec.year
        self.table = MODEL_TABLE[spec.model]
        self.vin = build_vin(spec.name, spec.model, spec.year)
        self.id = 1_000_000_000 + int(self.vin[-6:])
        self.region = region
        self.lively = lively
        self.executed: Counter[str] = Counter()
        self.near = False
        self.presence = "online"
        self.in_service = False

        self.locked = True
        self.user_present = False
        self.climate_on = False
        self.driver_temp = 21.0
        self.passenger_temp = 21.0
        self.outside = 15.0
        self.inside = 15.0
        self.keeper = 0
        self.defrost = False
        self.port_open = False
        self.cable = False
        self.charging = False
        self.charge_limit = 80
        self.charge_amps = 16
        self.battery = 64.0
        self.added = 0.0  # kWh of this charge
        self.odometer = 12_345.6
        self.home = HOMES[region]
        self.latitude, self.longitude = self.home
        self.heading = 90
        self.driving_since: float | None = None

        self._now = now
        self._started = self._at = self._active_at = now()
        self._waking_until: float | None = None
        self._trip_phase = 600.0 + 1200.0 * index

    @property
    def speed(self) -> int | None:
        """Return the speed in mph, None in park."""
        return None if self.driving_since is None else round(TRIP_SPEED)

    @property
    def waking(self) -> bool:
        """Return whether the car is about to wake."""
        return self._waking_until is not None

    def set_presence(self, presence: str) -> None:
        """Put the car online, asleep or offline."""
        self.advance()
        self.presence = presence
        self._waking_until = None
        self._active_at = self._now()
        if presence != "online":
            self.driving_since = None

    def wake(self) -> None:
        """Begin to wake; a car without a connection does not hear it."""
        self.advance()
        self.executed["wake_up"] += 1
        if self.presence == "asleep" and not self.waking:
            self._waking_until = self._now() + WAKING
        self._active_at = self._now()

    def drive(self) -> None:
        """Set out: a quarter of an hour, there and back."""
        self.advance()
        self.set_presence("online")
        self.unplug()
        self.driving_since = self._now()
        self.user_present = self.climate_on = True
        self.locked = True

    def plug(self) -> None:
        """Plug the charging cable in."""
        self.advance()
        self.port_open = self.cable = True
        self.added = 0.0
        self.charging = self.battery < self.charge_limit
        self._active_at = self._now()

    def unplug(self) -> None:
        """Take the charging cable out."""
        self.advance()
        self.port_open = self.cable = self.charging = False
        self._active_at = self._now()

    def advance(self) -> None:
        """Bring the car up to now."""
        now = self._now()
        steps = min(2000, max(1, math.ceil((now - self._at) / 30)))
        start, span = self._at, now - self._at
        self._at = now
        if span <= 0:
            return
        for step in range(1, steps + 1):
            self._pass(start + span * step / steps, span / steps)

    def _pass(self, now: float, seconds: float) -> None:
        if self._waking_until is not None and now >= self._waking_until:
            self._waking_until = None
            self.presence = "online"
            self._active_at = now
        if self.lively:
            self._live(now, seconds)
        self._warm(seconds)
        if self.charging:
            self._charge(seconds)
        if self.driving_since is not None:
            self._travel(now, seconds)

    def _live(self, now: float, seconds: float) -> None:
        busy = self.climate_on or self.charging or self.driving_since is not None
        if busy or self.presence != "online":
            self._active_at = now
        elif now - self._active_at >= IDLE:
            self.presence = "asleep"
        since = now - self._started - self._trip_phase
        if since >= 0 and since % TRIP_PERIOD < seconds and self.battery > 20:
            if self.presence == "asleep":
                self.presence = "online"
            if self.presence == "online" and self.driving_since is None:
                self.port_open = self.cable = self.charging = False
                self.driving_since = now
                self.user_present = self.climate_on = True

    def _warm(self, seconds: float) -> None:
        goal = self.driver_temp if self.climate_on else self.outside
        if self.climate_on and self.defrost:
            goal = 28.0
        pace = CABIN_DRIVEN if self.climate_on else CABIN_IDLE
        self.inside += (goal - self.inside) * (1 - math.exp(-seconds / pace))

    @property
    def charge_power(self) -> float:
        """Return what flows in, in kW."""
        return self.charge_amps * VOLTS * PHASES / 1000 if self.charging else 0.0

    def _charge(self, seconds: float) -> None:
        energy = self.charge_power * seconds / 3600
        room = (self.charge_limit - self.battery) / 100 * self.table.pack
        self.added += max(0.0, min(energy, room))
        self.battery += max(0.0, min(energy, room)) / self.table.pack * 100
        if energy >= room:
            self.charging = False

    def _travel(self, now: float, seconds: float) -> None:
        started = self.driving_since
        if started is None:
            return
        miles = TRIP_SPEED * seconds / 3600
        self.odometer += miles
        self.battery = max(0.0, self.battery - miles / self.table.miles * 100)
        gone = min(1.0, (now - started) / TRIP_TIME)
        out = 1 - abs(2 * gone - 1)
        self.heading = 45 if gone < 0.5 else 225
        self.latitude = self.home[0] + out * 0.04
        self.longitude = self.home[1] + out * 0.05
        if gone >= 1:
            self.driving_since = None
            self.user_present = self.climate_on = False
            self.latitude, self.longitude = self.home
            self._active_at = now
            if self.lively and self.battery < self.charge_limit:
                self.port_open = self.cable = self.charging = True
                self.added = 0.0

    # Commands: each does what it says and returns (result, reason).

    def execute(self, command: str, body: Mapping[str, object]) -> Result:
        """Run a command that has reached the car."""
        self.advance()
        self._active_at = self._now()
        result = COMMANDS[command](self, body)
        if result[0]:
            self.executed[command] += 1
        return result


def _number(body: Mapping[str, object], key: str) -> float | None:
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _lock(car: Car, _body: Mapping[str, object]) -> Result:
    car.locked = True
    return True, ""


def _unlock(car: Car, _body: Mapping[str, object]) -> Result:
    car.locked = False
    return True, ""


def _climate_on(car: Car, _body: Mapping[str, object]) -> Result:
    car.climate_on = True
    return True, ""


def _climate_off(car: Car, _body: Mapping[str, object]) -> Result:
    car.climate_on = car.defrost = False
    car.keeper = 0
    return True, ""


def _set_temps(car: Car, body: Mapping[str, object]) -> Result:
    driver = _number(body, "driver_temp")
    passenger = _number(body, "passenger_temp")
    if driver is None or not 15 <= driver <= 28:
        return False, "invalid_temperature"
    car.driver_temp = driver
    car.passenger_temp = driver if passenger is None else passenger
    return True, ""


def _set_keeper(car: Car, body: Mapping[str, object]) -> Result:
    mode = _number(body, "climate_keeper_mode")
    if mode not in {0, 1, 2, 3}:
        return False, "invalid_mode"
    car.keeper = int(mode)
    if car.keeper:
        car.climate_on = True
    return True, ""


def _set_defrost(car: Car, body: Mapping[str, object]) -> Result:
    car.defrost = body.get("on") is True
    if car.defrost:
        car.climate_on = True
    return True, ""


def _open_port(car: Car, _body: Mapping[str, object]) -> Result:
    if car.cable:
        car.charging = False
    car.port_open = True
    return True, ""


def _close_port(car: Car, _body: Mapping[str, object]) -> Result:
    if car.cable:
        return False, "cable connected"
    car.port_open = False
    return True, ""


def _start_charge(car: Car, _body: Mapping[str, object]) -> Result:
    if not car.cable:
        return False, "disconnected"
    if car.charging:
        return False, "is_charging"
    if car.battery >= car.charge_limit:
        return False, "complete"
    car.charging = True
    return True, ""


def _stop_charge(car: Car, _body: Mapping[str, object]) -> Result:
    if not car.charging:
        return False, "not_charging"
    car.charging = False
    return True, ""


def _set_limit(car: Car, body: Mapping[str, object]) -> Result:
    percent = _number(body, "percent")
    if percent is None or not 50 <= percent <= 100:
        return False, "invalid_percent"
    if round(percent) == car.charge_limit:
        return False, "already_set"
    car.charge_limit = round(percent)
    return True, ""


def _set_amps(car: Car, body: Mapping[str, object]) -> Result:
    amps = _number(body, "charging_amps")
    if amps is None or not 0 <= amps <= 48:
        return False, "invalid_amps"
    car.charge_amps = round(amps)
    return True, ""


COMMANDS: dict[str, Callable[[Car, Mapping[str, object]], Result]] = {
    "door_lock": _lock,
    "door_unlock": _unlock,
    "auto_conditioning_start": _climate_on,
    "auto_conditioning_stop": _climate_off,
    "set_temps": _set_temps,
    "set_climate_keeper_mode": _set_keeper,
    "set_preconditioning_max": _set_defrost,
    "charge_port_door_open": _open_port,
    "charge_port_door_close": _close_port,
    "charge_start": _start_charge,
    "charge_stop": _stop_charge,
    "set_charge_limit": _set_limit,
    "set_charging_amps": _set_amps,
}
CHARGING_COMMANDS = frozenset(
    {
        "charge_port_door_open",
        "charge_port_door_close",
        "charge_start",
        "charge_stop",
        "set_charge_limit",
        "set_charging_amps",
    }
)
