"""The benchmark of a month: its vehicle, its results, and one day of it."""

from collections import Counter
from random import Random

import pytest

from benchmarks.daily_commute import (
    DAY,
    HOUR,
    MINUTE,
    SAMPLE_SECONDS,
    Activity,
    Commuter,
    WorkState,
)
from benchmarks.month import main, missed_criteria
from benchmarks.month_result import Ages, MonthResult, count_billed
from custom_components.keycard.cost.pricing import Charge
from simulator.scenarios.scenario import CarSpec
from simulator.vehicle.car import Car


@pytest.mark.parametrize(
    ("work_state", "parked"),
    # At work from about eight to five, and awake for a while before it sleeps.
    [(WorkState.GUARDED, (9 * HOUR, 10.5 * HOUR)), (WorkState.SLEEPING, (0, HOUR))],
)
def test_the_car_follows_its_schedule(
    work_state: WorkState, parked: tuple[float, float]
) -> None:
    now = 0.0
    spec = CarSpec(name="Ada", model="model3", year=2022)
    car = Car(spec, region="eu", get_time=lambda: now)
    commuter = Commuter(car=car, work_state=work_state)
    commuter.schedule(now, 4, Random(1))
    days: list[Counter[Activity]] = []
    before, departures = Activity.ASLEEP, 0
    for _ in range(4):
        day: Counter[Activity] = Counter()
        end = now + DAY
        while now < end:
            doing = commuter.update()
            departures += doing is Activity.DRIVING and before is not Activity.DRIVING
            before = doing
            day[doing] += round(SAMPLE_SECONDS)
            now += SAMPLE_SECONDS
        days.append(day)
    assert departures == 8
    for day in days[1:]:
        assert day[Activity.DRIVING] == pytest.approx(
            50 * MINUTE, abs=4 * SAMPLE_SECONDS
        )
        assert parked[0] < day[Activity.PARKED] < parked[1]
        assert 20 * MINUTE < day[Activity.CHARGING] < HOUR
        assert day[Activity.ASLEEP] > 12 * HOUR
    assert before is Activity.ASLEEP
    assert car.battery_level == pytest.approx(car.charge_limit)


def test_ages_are_summed_up() -> None:
    ages = Ages()
    assert (ages.mean, ages.percentile(95)) == (0, 0)
    for age in range(1, 101):
        ages.add(age)
    assert ages.mean == 50.5
    assert [ages.percentile(share) for share in (50, 95, 100)] == [50, 95, 100]


def test_a_result_survives_the_round_trip_through_json() -> None:
    played = MonthResult(
        name="keycard", days=1, billed=Counter({Charge.WAKES: 3}), shown_cost=0.06
    )
    played.ages[Activity.DRIVING].add(61)
    again = MonthResult.from_json(played.to_json())
    assert again == played
    assert again.cost == pytest.approx(0.06)
    assert again.hours(Activity.DRIVING) == SAMPLE_SECONDS / HOUR


def test_calls_with_a_status_below_500_are_billed() -> None:
    found = count_billed(
        {
            "eu.vehicle_data 200": 5,
            "eu.vehicle_data 408": 1,
            "eu.vehicle_data 503": 50,
            "eu.vehicle_data cut": 50,
            "eu.wake_up 200": 2,
            "eu.vehicle 200": 50,
            "eu.status 200": 50,
            "auth.token 200": 50,
        }
    )
    assert found == {Charge.DATA: 6, Charge.WAKES: 2}


def played(calls: int, *ages: float, shown: float | None = None) -> MonthResult:
    found = MonthResult(
        name="a", days=1, billed=Counter({Charge.DATA: calls}), shown_cost=shown
    )
    for age in ages:
        found.ages[Activity.DRIVING].add(age)
    return found


@pytest.mark.parametrize(
    ("keycard", "words"),
    [
        (played(100, 10, 20, shown=0.2), []),
        (played(500, 10, 20, shown=1.0), ["costs"]),
        (played(100, 90, 90, shown=0.2), ["mean", "half"]),
        (played(100, 10, 10, 500, shown=0.2), ["mean", "95%"]),
        (played(100, 10, 20, shown=0.1), ["sensor"]),
        (played(100, 10, 20), ["sensor"]),
    ],
)
def test_the_verdict(keycard: MonthResult, words: list[str]) -> None:
    misses = list(missed_criteria(keycard, played(500, 50, 50, 100)))
    assert len(misses) == len(words)
    assert all(word in miss for word, miss in zip(words, misses, strict=True))


@pytest.mark.timeout(1500)
@pytest.mark.usefixtures("default_port_taken")
def test_a_day_is_cheaper_and_fresher_than_with_the_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--days", "1"]) == 0
    assert "All bounds are met." in capsys.readouterr().out
