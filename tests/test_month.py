"""The benchmark of a month: its vehicle, its results, and one day of it."""

from collections import Counter
from random import Random

import pytest

from benchmarks.commuter import DAY, HOUR, LOOK, MINUTE, Commuter, Doing, Story
from benchmarks.played import Ages, Played, billed_in
from benchmarks.rivals import main, missed
from custom_components.keycard.cost.pricing import Charge
from simulator.scenarios.scenario import CarSpec
from simulator.vehicle.car import Car


@pytest.mark.parametrize(
    ("story", "parked"),
    # At work from about eight to five, and awake for a while before it sleeps.
    [(Story.GUARDED, (9 * HOUR, 10.5 * HOUR)), (Story.SLEEPING, (0, HOUR))],
)
def test_the_car_lives_as_is_told(story: Story, parked: tuple[float, float]) -> None:
    now = 0.0
    spec = CarSpec(name="Ada", model="model3", year=2022)
    car = Car(spec, region="eu", now=lambda: now)
    commuter = Commuter(car=car, story=story)
    commuter.begin(now, 4, Random(1))
    days: list[Counter[Doing]] = []
    before, departures = Doing.ASLEEP, 0
    for _ in range(4):
        day: Counter[Doing] = Counter()
        end = now + DAY
        while now < end:
            doing = commuter.live()
            departures += doing is Doing.DRIVING and before is not Doing.DRIVING
            before = doing
            day[doing] += round(LOOK)
            now += LOOK
        days.append(day)
    assert departures == 8
    for day in days[1:]:
        assert day[Doing.DRIVING] == pytest.approx(50 * MINUTE, abs=4 * LOOK)
        assert parked[0] < day[Doing.PARKED] < parked[1]
        assert 20 * MINUTE < day[Doing.CHARGING] < HOUR
        assert day[Doing.ASLEEP] > 12 * HOUR
    assert before is Doing.ASLEEP
    assert car.battery_level == pytest.approx(car.charge_limit)


def test_ages_are_summed_up() -> None:
    ages = Ages()
    assert (ages.mean, ages.percentile(95)) == (0, 0)
    for age in range(1, 101):
        ages.add(age)
    assert ages.mean == 50.5
    assert [ages.percentile(share) for share in (50, 95, 100)] == [50, 95, 100]


def test_what_was_played_is_handed_on_whole() -> None:
    played = Played(
        name="keycard", days=1, billed=Counter({Charge.WAKES: 3}), shown=0.06
    )
    played.ages[Doing.DRIVING].add(61)
    again = Played.from_json(played.to_json())
    assert again == played
    assert again.cost == pytest.approx(0.06)
    assert again.hours(Doing.DRIVING) == LOOK / HOUR


def test_what_is_billed_is_what_was_answered_below_500() -> None:
    found = billed_in(
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


def played(calls: int, *ages: float, shown: float | None = None) -> Played:
    found = Played(name="a", days=1, billed=Counter({Charge.DATA: calls}), shown=shown)
    for age in ages:
        found.ages[Doing.DRIVING].add(age)
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
def test_the_verdict(keycard: Played, words: list[str]) -> None:
    misses = list(missed(keycard, played(500, 50, 50, 100)))
    assert len(misses) == len(words)
    assert all(word in miss for word, miss in zip(words, misses, strict=True))


def test_a_day_is_cheaper_and_fresher_than_with_the_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--days", "1"]) == 0
    assert "Keycard is the cheaper" in capsys.readouterr().out
