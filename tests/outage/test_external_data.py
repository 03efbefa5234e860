"""Stale data of other integrations: weak evidence and its limits."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from benchmarks.simulated_home import Home
from custom_components.keycard.outage.external_data import (
    EXPIRES_AFTER,
    GAPS_NEEDED,
    STALE_AFTER,
    STALE_GAPS,
    SourceUpdate,
    StaleDataDetector,
)
from custom_components.keycard.outage.models import Assessment, Scope, Status, Subsystem
from custom_components.keycard.outage.outage_log import EventType

from .home_helpers import HOUR, SETTLED, event_types, notices, settle, status, statuses

MINUTE = 60.0
DAY = 24 * HOUR
POLL = 600.0
DIRECT = "tesla_fleet"
PUSHED = "tessie"


@dataclass(kw_only=True)
class SimulatedSource:
    """Updates of a car by an integration, one every `every` seconds."""

    car: str = "ada"
    path: str = DIRECT
    every: float = POLL
    moved: bool = True
    active: bool = True
    lost: bool = False
    silent: bool = False


class SourceSimulation:
    """Simulates updates of integrations over time."""

    def __init__(self, *showing: SimulatedSource) -> None:
        self.detector = StaleDataDetector(direct={DIRECT, "tesla_custom"})
        self.showing = showing
        self.monotonic = 0.0
        self.ever: set[str] = set()

    def go(self, seconds: float) -> None:
        """Report updates and evaluate once a minute, like the detector."""
        end = self.monotonic + seconds
        while self.monotonic < end:
            self.monotonic += 10.0
            for item in self.showing:
                if self.monotonic % item.every == 0:
                    show(self.detector, item, self.monotonic)
            if self.monotonic % MINUTE == 0:
                self.detector.evaluate(self.monotonic)
                self.ever |= self.detector.stale_vehicles

    def learn(self) -> None:
        self.go(GAPS_NEEDED * POLL + POLL)


def show(detector: StaleDataDetector, item: SimulatedSource, at: float) -> None:
    """Let an integration update its data at a time."""
    if item.lost:
        detector.mark_unavailable(item.car, item.path)
    elif not item.silent:
        detector.observe_update(
            SourceUpdate(
                vehicle_id=item.car,
                domain=item.path,
                at=at,
                changed=item.moved,
                active=item.active,
            )
        )


def test_data_that_stand_still_count_once_their_pace_is_known() -> None:
    ada = SimulatedSource()
    showcase = SourceSimulation(ada)
    showcase.learn()
    assert (
        showcase.detector.source_status("ada", DIRECT, showcase.monotonic).interval
        == POLL
    )
    ada.moved = False
    moved_at = showcase.monotonic
    showcase.go(STALE_GAPS * POLL - MINUTE)
    assert not showcase.detector.stale_vehicles
    showcase.go(2 * MINUTE)
    assert showcase.detector.stale_vehicles == {"ada"}
    assert showcase.detector.started_at == moved_at


def test_a_fast_pace_does_not_hurry() -> None:
    ada = SimulatedSource(path="tesla_custom", every=30.0)
    showcase = SourceSimulation(ada)
    showcase.learn()
    ada.moved = False
    showcase.go(STALE_AFTER - MINUTE)
    assert not showcase.detector.stale_vehicles
    showcase.go(2 * MINUTE)
    assert showcase.detector.stale_vehicles == {"ada"}


def test_an_unknown_update_interval_gives_no_evidence() -> None:
    ada = SimulatedSource()
    showcase = SourceSimulation(ada)
    showcase.go((GAPS_NEEDED - 1) * POLL)
    ada.moved = False
    showcase.go(DAY)
    assert not showcase.detector.source_status(
        "ada", DIRECT, showcase.monotonic
    ).learned
    assert not showcase.ever


def test_a_burst_is_one_move() -> None:
    detector = StaleDataDetector()
    for at in range(100):
        for _ in range(8):
            show(detector, SimulatedSource(), 0.1 * at)
    assert not detector.source_status("ada", DIRECT, 10.0).learned


def asleep(ada: SimulatedSource) -> None:
    ada.moved = ada.active = False


def lost(ada: SimulatedSource) -> None:
    ada.lost = True


def silent(ada: SimulatedSource) -> None:
    ada.silent = True


def slow_to_report(ada: SimulatedSource) -> None:
    # As after a refusal with a pause of hours.
    ada.moved, ada.every = False, 4 * HOUR


ORDINARY = [asleep, lost, silent, slow_to_report]


@pytest.mark.parametrize("happens", ORDINARY)
def test_ordinary_life_is_no_testimony(
    happens: Callable[[SimulatedSource], None],
) -> None:
    ada = SimulatedSource()
    showcase = SourceSimulation(ada)
    showcase.learn()
    happens(ada)
    showcase.go(7 * DAY)
    assert not showcase.ever


@pytest.mark.parametrize("happens", [asleep, lost])
def test_ordinary_updates_restart_the_measurement(
    happens: Callable[[SimulatedSource], None],
) -> None:
    ada = SimulatedSource()
    showcase = SourceSimulation(ada)
    showcase.learn()
    ada.moved = False
    showcase.go(HOUR - 10 * MINUTE)
    happens(ada)
    showcase.go(HOUR)
    ada.lost, ada.active = False, True
    showcase.go(HOUR - 10 * MINUTE)
    assert not showcase.ever


def test_a_third_party_needs_a_second_witness() -> None:
    tessie, other = SimulatedSource(path=PUSHED), SimulatedSource(path="teslemetry")
    showcase = SourceSimulation(tessie, other)
    showcase.learn()
    tessie.moved = False
    showcase.go(6 * HOUR)
    assert not showcase.ever
    other.moved = False
    showcase.go(2 * HOUR)
    assert showcase.detector.stale_vehicles == {"ada"}


def test_several_cars_of_one_service_are_one_witness() -> None:
    cars = [SimulatedSource(car=name, path=PUSHED) for name in ("ada", "bo", "cy")]
    showcase = SourceSimulation(*cars)
    showcase.learn()
    for car in cars:
        car.moved = False
    showcase.go(DAY)
    assert not showcase.ever


@pytest.mark.parametrize("path", [DIRECT, PUSHED, "mqtt"])
@pytest.mark.parametrize("active", [True, False])
def test_whatever_moves_contradicts(*, path: str, active: bool) -> None:
    ada, other = SimulatedSource(), SimulatedSource(car="bo", path=path, active=active)
    showcase = SourceSimulation(ada, other)
    showcase.learn()
    ada.moved = False
    showcase.go(DAY)
    assert not showcase.ever
    # Data have not moved since: the time counts from there.
    other.moved = other.active = False
    showcase.go(STALE_GAPS * POLL - 2 * MINUTE)
    assert not showcase.ever
    showcase.go(POLL)
    assert showcase.detector.stale_vehicles == {"ada"}


def test_it_ends_with_two_moves() -> None:
    ada = SimulatedSource()
    showcase = SourceSimulation(ada)
    showcase.learn()
    ada.moved = False
    showcase.go(3 * HOUR)
    assert showcase.detector.stale_vehicles
    ada.moved = True
    showcase.go(POLL)
    assert showcase.detector.stale_vehicles
    showcase.go(POLL)
    assert not showcase.detector.stale_vehicles
    assert showcase.detector.started_at is None
    # A source that stood still for so long may again, and gets a longer interval.
    ada.moved = False
    showcase.go(6 * HOUR)
    assert not showcase.detector.stale_vehicles


def test_moving_data_of_another_car_end_it() -> None:
    ada, bo = (
        SimulatedSource(),
        SimulatedSource(car="bo", path="mqtt", moved=False, active=False),
    )
    showcase = SourceSimulation(ada, bo)
    showcase.learn()
    ada.moved = False
    showcase.go(2 * HOUR)
    assert showcase.detector.stale_vehicles
    bo.moved = bo.active = True
    showcase.go(2 * POLL)
    assert not showcase.detector.stale_vehicles


@pytest.mark.parametrize("happens", ORDINARY)
def test_it_expires_without_further_evidence(
    happens: Callable[[SimulatedSource], None],
) -> None:
    ada = SimulatedSource()
    showcase = SourceSimulation(ada)
    showcase.learn()
    ada.moved = False
    showcase.go(2 * HOUR)
    assert showcase.detector.stale_vehicles
    happens(ada)
    # Data that were stale a moment ago may be reported for a while.
    showcase.go(EXPIRES_AFTER - MINUTE)
    assert showcase.detector.stale_vehicles
    showcase.go(30 * MINUTE)
    assert not showcase.detector.stale_vehicles


def test_a_changed_set_of_values_is_learned_again() -> None:
    ada = SimulatedSource()
    showcase = SourceSimulation(ada)
    showcase.learn()
    showcase.detector.reset("ada", DIRECT)
    ada.moved = False
    showcase.go(DAY)
    assert not showcase.ever


def test_an_interruption_restarts_the_measurement() -> None:
    ada = SimulatedSource()
    showcase = SourceSimulation(ada)
    showcase.learn()
    ada.moved = False
    for _ in range(50):
        showcase.go(30 * MINUTE)
        showcase.detector.reset_timers(showcase.monotonic)
    assert not showcase.ever


def test_removed_sources_are_forgotten() -> None:
    ada = SimulatedSource()
    showcase = SourceSimulation(ada)
    showcase.learn()
    ada.moved = False
    showcase.go(2 * HOUR)
    showcase.detector.retain({("ada", DIRECT), ("bo", DIRECT)})
    assert showcase.detector.stale_vehicles == {"ada"}
    showcase.detector.retain({("bo", DIRECT)})
    assert not showcase.detector.stale_vehicles
    assert showcase.detector.started_at is None
    assert showcase.detector.dump_intervals() == {"still": [], "paces": []}


def test_a_restart_keeps_intervals_and_stale_vehicles() -> None:
    ada = SimulatedSource()
    showcase = SourceSimulation(ada)
    showcase.learn()
    ada.moved = False
    showcase.go(2 * HOUR)
    again = SourceSimulation(ada)
    again.detector.restore_intervals(showcase.detector.dump_intervals(), 0.0)
    assert again.detector.stale_vehicles == {"ada"}
    assert again.detector.source_status("ada", DIRECT, 0.0).interval == POLL
    again.go(EXPIRES_AFTER - MINUTE)
    assert again.detector.stale_vehicles
    again.go(2 * HOUR)
    assert again.detector.stale_vehicles == {"ada"}
    ada.moved = True
    again.go(2 * POLL)
    assert not again.detector.stale_vehicles


# With the detector


def witnessed(home: Home, ada: SimulatedSource) -> StaleDataDetector:
    """Set up a home without an account, with another integration that updates a car."""
    entry = settle(home)
    detector = entry.detector.stale_data

    def poll() -> None:
        show(detector, ada, home.monotonic)
        home.at(home.monotonic + ada.every, poll)

    poll()
    home.run(SETTLED + GAPS_NEEDED * POLL + POLL)
    assert detector.source_status("ada", DIRECT, home.monotonic).learned
    return detector


def test_the_detector_reports_stale_data(home: Home) -> None:
    ada = SimulatedSource()
    witnessed(home, ada)
    began = home.monotonic
    ada.moved = False
    home.run(began + 2 * HOUR)
    judged = home.assessment
    assert judged == Assessment(
        status=Status.DEGRADED,
        scope=Scope.VEHICLE,
        subsystems=(Subsystem.DATA,),
        since=judged.since,
        stale_vehicles=frozenset({"ada"}),
    )
    assert judged.since is not None
    ada.moved = True
    home.run(began + 3 * HOUR)
    assert status(home) is Status.OPERATIONAL
    assert event_types(home) == [EventType.STARTED, EventType.ENDED]
    assert notices(home) == []


def test_an_internet_failure_explains_stale_data(home: Home) -> None:
    ada = SimulatedSource()
    witnessed(home, ada)
    ada.moved = False
    home.set("net", "refuse")
    home.run(home.monotonic + 3 * HOUR)
    home.set("net", "ok")
    home.run(home.monotonic + 40 * MINUTE)
    assert set(statuses(home)) <= {Status.INTERNET_DOWN, Status.OPERATIONAL}


def test_a_host_that_fails_is_an_outage_all_the_same(home: Home) -> None:
    ada = SimulatedSource()
    witnessed(home, ada)
    ada.moved = False
    home.run(home.monotonic + 2 * HOUR)
    home.set("na.status", "refuse")
    home.run(home.monotonic + 4 * MINUTE)
    assert status(home) is Status.OUTAGE
    # Moving data end no outage.
    ada.moved, ada.every = True, 20.0
    home.run(home.monotonic + HOUR)
    assert status(home) is Status.OUTAGE


def test_data_that_move_put_no_outage_off(home: Home) -> None:
    ada = SimulatedSource(every=20.0)
    witnessed(home, ada)
    home.set("na.status", "refuse")
    failed = home.monotonic
    home.run(failed + HOUR, stop=lambda: status(home) is Status.OUTAGE)
    assert home.monotonic - failed < 2 * MINUTE


def test_unavailable_cars_neither_make_nor_hasten_an_outage(home: Home) -> None:
    ada = SimulatedSource()
    witnessed(home, ada)
    ada.lost = True
    home.run(home.monotonic + DAY)
    assert not home.outage_events
    assert status(home) is Status.OPERATIONAL


def test_a_restart_in_between_repeats_no_notice(home: Home) -> None:
    ada = SimulatedSource()
    witnessed(home, ada)
    ada.moved = False
    home.run(home.monotonic + 2 * HOUR)
    since = home.assessment.since
    home.restart()
    assert home.assessment.stale_vehicles == {"ada"}
    home.run(home.monotonic + 20 * MINUTE)
    assert status(home) is Status.DEGRADED
    assert home.assessment.since == since
    assert event_types(home) == [EventType.STARTED]


def test_a_month_of_ordinary_life(home: Home) -> None:
    """Drives, charges, sleep, reloads, expired tokens and slow sources: no evidence.

    The three homes have ten days each.
    """
    detector = settle(home).detector.stale_data
    ada = SimulatedSource()
    draw = home.random

    def live() -> None:
        what = draw.random()
        ada.active = what < 0.4
        ada.moved = ada.active or draw.random() < 0.05
        ada.lost = 0.4 <= what < 0.5
        ada.silent = 0.5 <= what < 0.6
        home.at(home.monotonic + draw.choice((20 * MINUTE, HOUR, 6 * HOUR)), live)

    def poll() -> None:
        # Slow charging: some values repeat.
        still = ada.active and draw.random() < 0.2
        moved, ada.moved = ada.moved, ada.moved and not still
        show(detector, ada, home.monotonic)
        ada.moved = moved
        home.at(home.monotonic + POLL, poll)

    live()
    poll()
    home.run(home.monotonic + 10 * DAY)
    assert not home.outage_events
    assert status(home) is Status.OPERATIONAL
