"""The detection benchmark measures, and reports missed bounds."""

import pytest

from benchmarks import detection_measurement, false_alarms, random_outages
from custom_components.keycard.outage.models import OUTAGES

FEW = ["--outages", "40", "--years", "0", "--jobs", "1"]


def test_a_few_outages_are_seen_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert detection_measurement.main(FEW) == 0

    printed = capsys.readouterr().out
    assert "Every bound is kept." in printed
    assert "seeds 20211119 to 20211158" in printed


def test_a_missed_bound_is_an_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detection_measurement, "MEDIAN", 1.0)

    assert detection_measurement.main(FEW) == 1
    assert "Missed: median of refused and answered" in capsys.readouterr().out


def test_a_seed_repeats_its_outage() -> None:
    assert random_outages.simulate(7) == random_outages.simulate(7)


def test_a_month_of_nuisance_is_no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(false_alarms, "YEAR", 30 * 24 * false_alarms.HOUR)
    year = false_alarms.simulate(5)

    assert year.false == ()
    assert not year.reauth
    assert year.internet_failures == false_alarms.INTERNET_FAILURES
    assert year.internet_named > 0.9 * year.internet_failures
    assert year.statuses["internet_down"] >= year.internet_named
    assert not {status.value for status in OUTAGES} & set(year.statuses)
    assert year.skipped > 0
