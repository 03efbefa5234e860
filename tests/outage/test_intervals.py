"""Intervals of probes, and their random phase."""

from itertools import pairwise
from random import Random

import pytest

from benchmarks.simulated_home import Home, Vehicle
from benchmarks.simulated_network import OK, World
from custom_components.keycard.outage.endpoints import default_hosts, list_endpoints
from custom_components.keycard.outage.host_monitor import (
    CALL_INTERVAL,
    CALL_OFFSET,
    HostMonitor,
    home_interval,
)

from .home_helpers import SETTLED, change, settle

DAY = 86400.0


def request_times(home: Home, subject: str, *, since: float = 0.0) -> list[float]:
    assert home.sent_requests is not None
    return [at for at, name in home.sent_requests if name == subject and at > since]


def gaps(times: list[float]) -> list[float]:
    return [later - sooner for sooner, later in pairwise(times)]


def test_a_quiet_day(home: Home) -> None:
    home.sent_requests = []
    settle(home)
    home.run(SETTLED + DAY)

    own_gaps = gaps(request_times(home, "na.status", since=SETTLED))
    assert min(own_gaps) >= 54.0
    assert max(own_gaps) <= 66.1
    assert max(own_gaps) - min(own_gaps) > 5.0
    for subject in ("eu.status", "cn.status", "auth.token", "auth.authorize"):
        others = gaps(request_times(home, subject, since=SETTLED))
        assert min(others) >= 270.0
        assert max(others) <= 330.1
    assert request_times(home, "controls1", since=SETTLED) == []
    assert request_times(home, "controls2", since=SETTLED) == []


def test_during_an_outage_other_regions_are_probed_every_two_minutes(
    home: Home,
) -> None:
    settle(home)
    home.sent_requests = []
    change(home, {"na.status": "503 busy"})
    home.run(SETTLED + 3600)

    later = SETTLED + 300
    assert min(gaps(request_times(home, "na.status", since=later))) >= 54.0
    assert max(gaps(request_times(home, "na.status", since=later))) <= 66.1
    for subject in ("eu.status", "cn.status", "auth.token"):
        others = gaps(request_times(home, subject, since=later))
        assert min(others) >= 108.0
        assert max(others) <= 132.1
    assert max(gaps(request_times(home, "controls1", since=later))) <= 66.1


def test_an_outage_that_only_calls_see_is_an_alarm_as_well(home: Home) -> None:
    settle(home, Vehicle(name="Ada"))
    home.sent_requests = []
    change(home, {"na.api": '500 {"error":"upstream internal error"}'})
    home.run(SETTLED + 3600)

    assert max(gaps(request_times(home, "eu.status", since=SETTLED + 600))) <= 132.1


def test_a_suspicion_asks_everybody_at_once_and_the_host_six_times(home: Home) -> None:
    settle(home)
    home.sent_requests = []
    change(home, {"na.status": "503 busy"})
    tracker = home.host_monitor.tracker("na")
    home.run(SETTLED + 100, stop=lambda: tracker.suspected_at is not None)
    begun = home.monotonic
    home.run(begun + 3.0)
    for subject in ("eu.status", "cn.status", "auth.token", "controls1", "controls2"):
        assert len(request_times(home, subject, since=begun - 0.001)) >= 1
    home.run(begun + 25.0)

    offsets = [
        at - begun for at in request_times(home, "na.status", since=begun - 0.001)
    ]
    assert len(offsets) == 6
    for offset, planned in zip(offsets, (0, 4, 8, 12, 15, 18), strict=True):
        assert 0.9 * planned <= offset <= 1.1 * planned + 0.01


def test_unrelated_hosts_are_left_alone_when_all_is_well_again(home: Home) -> None:
    settle(home)
    change(home, {"net": "refuse"})
    home.run(SETTLED + 600)
    change(home, {"net": OK})
    home.run(SETTLED + 800)
    home.sent_requests = []
    home.run(SETTLED + 5000)

    assert request_times(home, "controls1") == request_times(home, "controls2") == []


def test_homes_that_start_together_do_not_ask_together() -> None:
    seconds = []
    for seed in range(40):
        home = Home(World(random=Random(seed)))
        home.add()
        home.sent_requests = []
        home.run(120.0)
        seconds.append(request_times(home, "na.status")[0])

    assert max(seconds) - min(seconds) > 40.0
    assert len({round(second) for second in seconds}) > 20


def test_a_failing_call_triggers_probes(home: Home) -> None:
    settle(home, Vehicle(name="Ada"))
    home.sent_requests = []
    change(home, {"na.api": "503 busy"})
    home.run(SETTLED + 100, stop=lambda: home.bad_at > SETTLED)
    begun = home.monotonic
    home.run(begun + 1.0)

    assert request_times(home, "na.status", since=begun - 0.001)
    assert request_times(home, "auth.token", since=begun - 0.001)


def test_a_suspected_host_lets_every_car_be_called_for(home: Home) -> None:
    settle(home, Vehicle(name="Ada"), Vehicle(name="Bo"))
    tracker = home.host_monitor.tracker("na")
    home.sent_requests = []
    change(home, {"na.status": "refuse"})
    home.run(SETTLED + 100, stop=lambda: tracker.suspected_at is not None)
    begun = home.monotonic
    home.run(begun + 1.0)

    assert request_times(home, "home.call.Ada", since=begun - 0.001)
    assert request_times(home, "home.call.Bo", since=begun - 0.001)


def test_data_are_billed_once_in_ten_minutes() -> None:
    home = Home(World(random=Random(7)))
    entry = home.add(vehicles=(Vehicle(name="Ada"), Vehicle(name="Bo", online=False)))
    home.run(DAY)

    assert entry.data_calls <= DAY / 600 + 1


def test_a_stalled_clock_leaves_the_distances_of_a_series() -> None:
    hosts = default_hosts("na")
    watch = HostMonitor(hosts, random=Random(1), monotonic=0.0)
    watch.home_regions["na"] += 1
    target = list_endpoints(hosts)[0]
    watch.due(0.0)
    watch.due(3.0)
    # After a sleep, overdue probes are sent now, the others as spread before.
    asks = []
    now = 60.0
    while now < 100.0:
        if target in watch.due(now):
            asks.append(now)
        now = round(now + 0.1, 1)

    assert len(asks) >= 5
    assert asks[-1] - asks[0] >= 10.0


@pytest.mark.parametrize("since_call", [0.0, 10.0, 29.0, 31.0, 50.0, 61.0])
def test_probes_move_between_calls_within_their_jitter(since_call: float) -> None:
    now, called_at = 1000.0, 1000.0 - since_call
    random = Random(1)
    for _ in range(12):
        interval = home_interval(called_at, now, random)
        assert 54.0 <= interval <= 66.0
        now += interval
        while called_at + CALL_INTERVAL <= now:
            called_at += CALL_INTERVAL

    assert now - called_at == pytest.approx(CALL_OFFSET, abs=3.0)


def test_a_region_is_tested_every_half_minute(home: Home) -> None:
    settle(home, Vehicle(name="Ada"))
    home.sent_requests = []
    home.run(SETTLED + DAY)

    tests = sorted(
        request_times(home, "na.status") + request_times(home, "home.call.Ada")
    )
    assert max(gaps(tests)) <= 36.1
    own_gaps = gaps(request_times(home, "na.status"))
    assert min(own_gaps) >= 54.0
    assert max(own_gaps) <= 66.1


def test_calls_through_a_third_party_do_not_move_probes(home: Home) -> None:
    settle(home, Vehicle(name="Ada"), third_party=True)
    home.sent_requests = []
    home.run(SETTLED + DAY)

    tests = sorted(
        request_times(home, "na.status") + request_times(home, "home.call.Ada")
    )
    assert max(gaps(tests)) > 45.0


@pytest.mark.parametrize(("third_party", "within"), [(False, 3.1), (True, 10.1)])
def test_a_call_without_an_answer_lets_its_region_be_probed(
    home: Home, third_party: bool, within: float
) -> None:
    settle(home, Vehicle(name="Ada"), third_party=third_party)
    home.sent_requests = []
    change(home, {"proxy.api" if third_party else "na.api": "timeout"})
    home.run(SETTLED + 100, stop=lambda: home.bad_at > SETTLED)
    [*_, called] = request_times(home, "home.call.Ada")
    home.run(home.monotonic + 0.5)

    probes = request_times(home, "na.status", since=called)
    assert probes[0] - called == pytest.approx(within, abs=0.2)


def test_polls_of_homes_that_start_together_spread() -> None:
    phases = []
    for seed in range(40):
        home = Home(World(random=Random(seed)))
        home.add(vehicles=(Vehicle(name="Ada"),))
        home.sent_requests = []
        home.run(240.0)
        phases.append(request_times(home, "home.call.Ada", since=100.0)[0])

    assert max(phases) - min(phases) > 40.0
    assert len({round(phase) for phase in phases}) > 20
