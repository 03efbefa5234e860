"""Random outages and their detection times."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from custom_components.keycard.outage.models import Status

from .simulated_home import Home, Vehicle
from .simulated_network import Noise, World

# Answers of Tesla's hosts in an outage: to /status, and to calls.
FAILURES: dict[str, tuple[str, str]] = {
    "refuse": ("refuse", "refuse"),
    "errors": ("500 internal server error", '500 {"error":"upstream internal error"}'),
    "maintenance": (
        "503 <html>503 Server Maintenance</html>",
        "503 <html>503 Server Maintenance</html>",
    ),
    "hang": ("timeout", "timeout"),
}
HANGS = "hang"

_WARM_UP = 240.0
_ONSET = 300.0
_PATIENCE = 1800.0
_MODELS = ("model3", "modely", "models")


@dataclass(frozen=True, kw_only=True)
class Detection:
    """Detection of an outage; `seconds` is None if it took over half an hour."""

    failure: str
    worldwide: bool
    cars: int
    calls_only: bool
    seconds: float | None
    early: bool


def simulate(seed: int) -> Detection:
    """Simulate an outage that begins at a random time."""
    random = Random(seed)
    failure = random.choice(list(FAILURES))
    worldwide = random.random() < 0.4
    cars = random.choice((0, 0, 1, 2, 3))
    calls_only = cars > 0 and random.random() < 0.1
    home = Home(World(random=random), noise=Noise(random=random))
    home.add(
        vehicles=tuple(Vehicle(name=f"car{n}", model=_MODELS[n]) for n in range(cars))
    )
    began = _WARM_UP + random.uniform(0.0, _ONSET)
    home.run(began)
    early = any(change.assessment.status is Status.OUTAGE for change in home.changes)
    for subject, condition in _conditions(
        failure, worldwide=worldwide, calls_only=calls_only, random=random
    ):
        home.set(subject, condition)
    home.run(began + _PATIENCE, stop=lambda: home.assessment.status is Status.OUTAGE)
    seen = home.assessment.status is Status.OUTAGE
    return Detection(
        failure=failure,
        worldwide=worldwide,
        cars=cars,
        calls_only=calls_only,
        seconds=home.monotonic - began if seen else None,
        early=early,
    )


def _conditions(
    failure: str, *, worldwide: bool, calls_only: bool, random: Random
) -> Iterable[tuple[str, str]]:
    status, api = FAILURES[failure]
    regions = ("na", "eu", "cn") if worldwide else ("na",)
    for region in regions:
        if not calls_only:
            yield f"{region}.status", status
        yield f"{region}.api", api
    if worldwide and random.random() < 0.5:
        yield "auth.token", status
        yield "auth.authorize", status
