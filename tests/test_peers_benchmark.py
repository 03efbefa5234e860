"""The comparison with other integrations."""

from dataclasses import replace
from io import StringIO
import subprocess
import sys
from typing import Any

import pytest
from rich.console import Console

from benchmarks import peers
from benchmarks.daily_commute import Activity, WorkState
from benchmarks.month_result import Ages, MonthResult
from benchmarks.peer_integrations import (
    INTEGRATIONS,
    PackagesError,
    missing_requirements,
)
from benchmarks.peer_result import Load, Nuisance, PeerResult
from benchmarks.peer_story import CASES
from benchmarks.peer_table import NONE, sections
from benchmarks.peers import misses
from tests.repository_files import ROOT

FINE = Nuisance(alarmed=False, known="internet down", well=True)
KEYCARD = PeerResult(
    name="keycard-fleet",
    vehicles=3,
    entities=56,
    known=(20.0, 30.0, 26.0),
    told="outage, region, key: keycard",
    in_outage=56,
    after_restart=56,
    well=(160.0, 170.0, 165.0),
    load=Load(
        set_up=0.5,
        hour=0.7,
        longest_block=31.0,
        requests=1400,
        state_changes=20,
        memory=6.0,
    ),
    nuisances={"internet": FINE},
)
PEER = replace(
    KEYCARD,
    name="tesla_fleet",
    known=(585.0, None, 243.0),
    told="",
    in_outage=0,
    after_restart=0,
    nuisances={"internet": Nuisance(alarmed=True, known="lost", well=False)},
)


def month(name: str) -> MonthResult:
    found = MonthResult(name=name, days=3)
    found.ages[Activity.DRIVING] = Ages()
    found.ages[Activity.DRIVING].add(60)
    return found


def printed(*results: PeerResult) -> list[list[str]]:
    """Return the rows of all tables for the docs."""
    console = Console(width=20, record=True, file=StringIO(), soft_wrap=True)
    months = {WorkState.GUARDED: [month("keycard"), month("tesla_fleet")]}
    for section in sections(results, months):
        section.write(console, markdown=True)
    return [
        line.strip("| ").split(" | ")
        for line in console.export_text().splitlines()
        if line.startswith("|")
    ]


def test_tables_for_the_docs() -> None:
    rows = printed(KEYCARD, PEER)
    assert [
        "Keycard, Fleet API",
        "26 / 30",
        "outage, region, key: keycard",
        "165 / 170",
    ] in rows
    assert [
        "Tesla Fleet",
        "585 / never",
        "nothing: its last data stay",
        "165 / 170",
    ] in rows
    assert ["Tesla Fleet", "56", "0", "0"] in rows
    assert [
        "Own internet down",
        "internet down",
        "ALARM: lost, and so it stays",
    ] in rows
    assert ["Captive portal", NONE, NONE] in rows
    assert ["Keycard, Fleet API", "1,400"] in rows
    assert ["keycard", "0", "0.00", "60 / 60", "0 / 0", "0 / 0"] in rows


def test_a_size_that_was_not_measured_has_no_figure() -> None:
    rows = printed(KEYCARD, replace(PEER, vehicles=100))
    assert ["cars", "3", "100"] in rows
    assert ["Keycard, Fleet API", "31", NONE] in rows


def test_a_table_for_a_terminal() -> None:
    console = Console(width=120, record=True, file=StringIO())
    for section in sections([KEYCARD], {}):
        section.write(console, markdown=False)
    assert "26 / 30" in console.export_text()


@pytest.mark.parametrize(
    "change",
    [
        {"known": (20.0, 101.0)},
        {"known": (20.0, None)},
        {"in_outage": 55},
        {"after_restart": 0},
        {"well": (None,)},
        {"nuisances": {"internet": replace(FINE, alarmed=True)}},
        {"nuisances": {"internet": replace(FINE, well=False)}},
    ],
)
def test_only_keycard_is_held_to_the_bounds(change: dict[str, Any]) -> None:
    assert not list(misses(KEYCARD))
    assert not list(misses(PEER))
    assert len(list(misses(replace(KEYCARD, **change)))) == 1


def test_a_result_survives_the_round_trip_through_json() -> None:
    for result in (KEYCARD, PEER):
        assert PeerResult.from_json(result.to_json()) == result


def test_cases_hit_the_host_that_answers() -> None:
    bill = CASES["bill"]
    fleet = bill.apply_to(INTEGRATIONS["tesla_fleet"], ("Ada",))
    assert list(fleet) == ["eu.api"]
    third_party = bill.apply_to(INTEGRATIONS["tessie"], ("Ada",))
    assert third_party["tessie.api"].startswith("402")
    watching = INTEGRATIONS["keycard-watching"]
    assert not bill.apply_to(watching, ("Ada",))
    assert not CASES["asleep"].apply_to(watching, ("Ada",))
    asleep = CASES["asleep"].apply_to(INTEGRATIONS["tesla_fleet"], ("Ada",))
    assert asleep == {"car.Ada": "asleep"}


def test_packages_of_a_manifest() -> None:
    assert missing_requirements("tesla_fleet") == []
    assert missing_requirements("keycard") == []


def test_an_integration_without_its_packages_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_requirements: list[str]) -> None:
        raise PackagesError("no network")

    monkeypatch.setattr(
        peers,
        "missing_requirements",
        lambda domain: ["tessie-api==0"] if domain == "tessie" else [],
    )
    monkeypatch.setattr(peers, "install_packages", fail)
    assert peers.main(["--only", "tessie", "--days", "0"]) == 0
    out = capsys.readouterr().out
    assert "tessie: left out" in out
    assert "no network" in out


def test_a_run_that_fails_is_a_miss(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(_module: str, *arguments: object) -> str:
        if "tesla_fleet" in arguments:
            raise SystemExit("no end")
        return KEYCARD.to_json()

    monkeypatch.setattr(peers, "run_module", run)
    chosen = ["--only", "keycard-fleet", "tesla_fleet"]
    assert peers.main([*chosen, "--vehicles", "3", "--days", "0"]) == 1
    out = capsys.readouterr().out
    assert "26 / 30" in out
    assert "tesla_fleet with 3 vehicles: no end" in out


def test_a_run_in_a_process_of_its_own() -> None:
    command = (
        *(sys.executable, "-m", "benchmarks.peers", "--run", "keycard-watching"),
        *("--vehicles", "1", "--outages", "1", "--seconds", "60"),
    )
    run = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert not list(misses(PeerResult.from_json(run.stdout.splitlines()[-1])))
