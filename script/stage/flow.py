"""Sets Keycard up through its own config flow, as an owner would."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Protocol

from simulator.cases import CarSpec, Home

from .pace import StageError

DOMAIN = "keycard"
MOST_STEPS = 20
APP_DOMAIN = "home.example.org"

# What is chosen in each menu, by the provider.
MENUS = {
    "watch_only": ("watch_only",),
    "compatible": ("compatible",),
    "proxy": ("compatible",),
    "fleet": ("fleet",),
    "fleet_server": ("fleet_server",),
    "tesla_proxy": ("compatible",),
    "teslemetry": ("teslemetry", "teslemetry_token"),
    "tessie": ("tessie",),
}

type Result = Mapping[str, Any]
type SignIn = Callable[[Result], Awaitable[Result]]


class Desk(Protocol):
    """Where a flow is begun and answered: inside Home Assistant, or over HTTP."""

    async def begin(self, handler: str) -> Result:
        """Begin a flow; returns its first result."""

    async def answer(self, flow_id: str, answers: dict[str, Any]) -> Result:
        """Answer a step; returns the next result."""

    def fields(self, result: Result) -> frozenset[str]:
        """Return the names of the fields that a step asks for."""


async def set_up(
    desk: Desk, home: Home, base_url: str, token: str, sign_in: SignIn | None = None
) -> str:
    """Go through the flow for a home; returns the id of the entry.

    `sign_in` goes to the page that the flow opens, and returns the next result.
    """
    choices = iter(MENUS[home.provider])
    cars = iter(home.cars)
    result = await desk.begin(DOMAIN)
    for _ in range(MOST_STEPS):
        kind = result["type"]
        if kind == "create_entry":
            return _entry_id(result)
        if kind == "menu":
            answers: dict[str, Any] = {"next_step_id": next(choices)}
        elif kind == "form":
            asked = desk.fields(result)
            _refuse_errors(result, asked)
            answers = _answers(asked, home, cars, base_url, token)
        elif kind == "external" and sign_in is not None:
            result = await sign_in(result)
            continue
        else:
            raise StageError(
                f"the set-up of {home.name} ended with {kind}: {result.get('reason')}"
            )
        result = await desk.answer(result["flow_id"], answers)
    raise StageError(f"the set-up of {home.name} does not come to its end")


def _answers(
    asked: frozenset[str],
    home: Home,
    cars: Iterator[CarSpec],
    base_url: str,
    token: str,
) -> dict[str, Any]:
    if "another" in asked:
        car = next(cars)
        return {
            "name": car.name,
            "model": car.model,
            "year": car.year,
            "another": car != home.cars[-1],
        }
    known: dict[str, Any] = {
        "region": home.region,
        "base_url": base_url,
        "domain": APP_DOMAIN,
        "token": token,
        "anyway": True,
        "server": base_url,
        "all_calls": False,
        "trust": True,
    }
    return {name: value for name, value in known.items() if name in asked}


def _refuse_errors(result: Result, asked: frozenset[str]) -> None:
    """Go on after an error only where the flow asks whether to go on."""
    if (errors := result.get("errors")) and "anyway" not in asked:
        raise StageError(f"the set-up asks again: {errors}")


def _entry_id(result: Result) -> str:
    entry = result["result"]
    entry_id = entry["entry_id"] if isinstance(entry, Mapping) else entry.entry_id
    return str(entry_id)
