"""Steps of a random walk through the life of a home, as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import override

from simulator.scenarios.scenario import CarSpec, Home

from .faults import (
    ACCOUNT,
    ERRORS,
    NETWORK,
    ODD,
    PROVIDERS,
    REFUSED_SIGN_IN,
    UNANSWERED,
    VEHICLE,
)

CARS = (
    CarSpec(name="Ada", model="model3", year=2021),
    CarSpec(name="Cy", model="models", year=2018),
    CarSpec(name="Di", model="modely", year=2023),
    CarSpec(name="Ed", model="cybertruck", year=2024),
    CarSpec(name="Flo", model="modelx", year=2022),
)
NEW_CARS = ("Gus", "Hal")
REGIONS = ("na", "eu", "cn")
_HOME_NAMES = ("first", "second")

# Kinds of steps with their weights.
_KINDS = {
    "run": 30,
    "fault": 16,
    "end": 9,
    "press": 16,
    "car": 9,
    "restart": 3,
    "power_cut": 2,
    "reload": 3,
    "unload": 2,
    "load": 3,
    "clock": 3,
    "disk": 4,
    "token": 3,
    "option": 2,
    "pace": 2,
    "entity": 3,
    "sign_in": 2,
    "phone": 3,
    "drill": 2,
    "service": 3,
    "add": 1,
    "remove": 1,
}
_TIMES = (1, 5, 20, 45, 60, 130, 300, 900, 2400)
_ACTIONS = ("lock", "unlock", "lock", "unlock", "climate_on", "climate_off", "wake")
_MOVES = ("asleep", "online", "offline", "near", "gone", "drive", "card", "plug")
# Entities that a user disables and enables.
_ENTITIES = (
    "lock.lock",
    "climate.climate",
    "sensor.key_to_take",
    "sensor.battery_level",
    "device_tracker.location",
    "binary_sensor.online",
)
_CLOCK = (-7200, -600, -60, 90, 3600, 86400)


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step: what happens, to what, and how."""

    kind: str
    subject: str = ""
    value: str = ""

    @override
    def __str__(self) -> str:
        return " | ".join(one or "-" for one in (self.kind, self.subject, self.value))


def parse_step(line: str) -> Step:
    """Return the step of a printed line."""
    parts = (part.strip() for part in line.split("|", 2))
    kind, subject, value = ("" if part == "-" else part for part in parts)
    return Step(kind=kind, subject=subject, value=value)


def random_homes(random: Random) -> tuple[Home, ...]:
    """Return one or two homes of random providers."""
    count = random.choice((1, 1, 2))
    cars = list(CARS)
    random.shuffle(cars)
    homes = []
    for name in _HOME_NAMES[:count]:
        number = random.choice((1, 2))
        homes.append(
            Home(
                name=name,
                region=random.choice(REGIONS),
                cars=tuple(cars[:number]),
                provider=random.choice(PROVIDERS),
            )
        )
        del cars[:number]
    # Two entries that only watch may be the same for Home Assistant.
    if [home.provider for home in homes] == ["watch_only"] * 2:
        return tuple(homes[:1])
    return tuple(homes)


def random_steps(homes: Sequence[Home], count: int, random: Random) -> tuple[Step, ...]:
    """Return a number of random steps."""
    kinds = random.choices(list(_KINDS), list(_KINDS.values()), k=count)
    return tuple(_random_step(kind, homes, random) for kind in kinds)


def _random_step(kind: str, homes: Sequence[Home], random: Random) -> Step:
    home = random.choice(homes)
    car = random.choice([car.name for one in homes for car in one.cars])
    match kind:
        case "run":
            return Step(kind=kind, value=str(random.choice(_TIMES)))
        case "fault":
            return _random_fault(homes, random)
        case "press":
            return Step(kind=kind, subject=car, value=random.choice(_ACTIONS))
        case "car":
            return Step(kind=kind, subject=car, value=random.choice(_MOVES))
        case "clock":
            return Step(kind=kind, value=str(random.choice((*_CLOCK, "right"))))
        case "disk":
            return Step(kind=kind, value=random.choice(("full", "ok")))
        case "token":
            return Step(kind=kind, value=random.choice(("expired", "ok", "ok")))
        case "option":
            budget = random.choice(("0.5", "5", "none"))
            return Step(kind=kind, subject=home.name, value=budget)
        case "pace":
            pace = random.choice(("fresher", "balanced", "cheaper"))
            return Step(kind=kind, subject=home.name, value=pace)
        case "entity":
            return Step(kind=kind, subject=car, value=random.choice(_ENTITIES))
        case "phone":
            status = random.choice(("201", "201", "500", "429"))
            return Step(kind=kind, value=status)
        case "drill":
            seconds = random.choice(("5", "90"))
            return Step(kind=kind, subject=home.name, value=seconds)
        case "service":
            service = random.choice(("get_status", "check_now", "get_history"))
            return Step(kind=kind, subject=home.name, value=service)
        case "add" | "remove":
            name = random.choice(NEW_CARS)
            return Step(kind=kind, subject=home.name, value=name)
        case "reload" | "unload" | "load" | "sign_in":
            return Step(kind=kind, subject=home.name)
        case _:
            return Step(kind=kind)


def _random_fault(homes: Sequence[Home], random: Random) -> Step:
    home = random.choice(homes)
    car = random.choice(home.cars).name
    regions = (home.region, home.region, home.region, "all", random.choice(REGIONS))
    region = random.choice(regions)
    place = random.choice(
        (
            "api",
            "api",
            "tesla",
            "tesla",
            "data",
            "commands",
            "car",
            "sign-in",
            "controls",
            "controls1",
            "internet",
            "provider",
            "provider",
            "dns",
        )
    )
    failing = [*UNANSWERED.values(), *ERRORS.values()]
    any_ = [
        *failing,
        *failing,
        *VEHICLE.values(),
        *REFUSED_SIGN_IN.values(),
        *ACCOUNT.values(),
        *NETWORK.values(),
        *ODD.values(),
    ]
    match place:
        case "tesla":
            subjects = f"{region}.status {region}.api"
            return Step(kind="fault", subject=subjects, value=random.choice(failing))
        case "sign-in":
            value = random.choice(failing)
            return Step(kind="fault", subject="auth.token auth.authorize", value=value)
        case "internet":
            subjects = "all.status all.api auth.token auth.authorize controls"
            value = random.choice(("refuse", "timeout", "reset", "portal", "dns"))
            return Step(kind="fault", subject=subjects, value=value)
        case "dns":
            value = random.choice(("dns", "null"))
            return Step(kind="fault", subject="dns.tesla", value=value)
        case "provider":
            own = {"fleet_server": "tesla_proxy"}.get(home.provider, home.provider)
            direct = own in {"fleet", "compatible", "watch_only"}
            subject = f"{home.region}.api" if direct else f"{own}.api"
            return Step(kind="fault", subject=subject, value=random.choice(any_))
        case "car":
            return Step(kind="fault", subject=f"car.{car}", value=random.choice(any_))
        case "controls" | "controls1":
            return Step(kind="fault", subject=place, value=random.choice(failing))
        case "commands":
            values = [*any_, "late:45", "late:300"]
        case "data":
            values = [*any_, "stale", "stale", "stale"]
        case _:
            values = any_
    return Step(kind="fault", subject=f"{region}.{place}", value=random.choice(values))
