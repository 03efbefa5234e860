"""Helpers for a simulated home: vehicles, conditions and results."""

from collections.abc import Mapping

from benchmarks.simulated_home import Entry, Home, Vehicle
from custom_components.keycard.outage.models import Assessment, Scope, Status
from custom_components.keycard.outage.outage_log import EventType, NoticeType

ERROR = '500 {"error":"upstream internal error"}'
ASLEEP = '500 {"error":"vehicle unavailable: vehicle is offline or asleep"}'
LIMIT = '403 {"error":"account disabled: EXCEEDED_LIMIT"}'
BLOCKED = "403 <html>Access denied</html>"
SETTLED = 700.0
HOUR = 3600.0

ADA = Vehicle(name="Ada", model="model3")
BO = Vehicle(name="Bo", model="modely")
CY = Vehicle(name="Cy", model="models")
EVE = Vehicle(name="Eve", model="model3")


def settle(
    home: Home, *cars: Vehicle, third_party: bool = False, issues_tokens: bool = False
) -> Entry:
    entry = home.add(
        vehicles=tuple(Vehicle(name=car.name, model=car.model) for car in cars),
        third_party=third_party,
        issues_tokens=issues_tokens,
    )
    home.run(SETTLED)
    assert home.assessment == Assessment(
        status=Status.OPERATIONAL, scope=Scope.NONE, affected=frozenset()
    )
    return entry


def change(home: Home, conditions: Mapping[str, str]) -> None:
    for subject, condition in conditions.items():
        if subject.startswith("all."):
            for region in ("na", "eu", "cn"):
                home.set(f"{region}.{subject[4:]}", condition)
        else:
            home.set(subject, condition)


def statuses(home: Home, *, since: float = SETTLED) -> list[Status]:
    found: list[Status] = []
    for seen in home.changes:
        if seen.at > since and (not found or found[-1] is not seen.assessment.status):
            found.append(seen.assessment.status)
    return found


def notices(home: Home) -> list[NoticeType]:
    return [
        happening.notice
        for _, happening in home.outage_events
        if happening.notice is not NoticeType.NONE
    ]


def event_types(home: Home) -> list[EventType]:
    return [happening.kind for _, happening in home.outage_events]


def status(home: Home) -> Status:
    return home.assessment.status


def outage_active(home: Home) -> bool:
    return home.host_monitor.outage_active


def auth_invalid(entry: Entry) -> bool:
    return entry.detector.auth_invalid
