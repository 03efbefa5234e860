"""The comparison with other integrations."""

from argparse import Namespace
from io import StringIO
import json
import subprocess
import sys
from typing import Any

from rich.console import Console

from benchmarks.peers import misses, table
from tests.repository_files import ROOT

KEYCARD: dict[str, Any] = {
    "name": "keycard-fleet",
    "known": [20.0, 30.0, 26.0],
    "told": "outage (region), key: keycard",
    "before": 56,
    "in_it": 56,
    "restarted": 56,
    "well": [160.0, 170.0, 165.0],
    "requests": 400,
    "mistaken": False,
}
PEER = {
    **KEYCARD,
    "name": "tesla_fleet",
    "known": [585.0, None, 243.0],
    "in_it": 0,
    "mistaken": True,
}


def test_the_table_shows_median_and_longest_time() -> None:
    console = Console(width=200, record=True, file=StringIO())
    console.print(table([KEYCARD, PEER], Namespace(outages=3, vehicles=2)))
    keycard, peer = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in console.export_text().splitlines()
        if line.startswith("│")
    ]
    assert keycard[1:4] == ["26 / 30", "outage (region), key: keycard", "56 of 56"]
    assert keycard[-1] == "told apart"
    assert peer[1] == "585 / never"
    assert (peer[3], peer[-1]) == ("0 of 56", "taken for an outage")


def test_only_keycard_is_held_to_the_bounds() -> None:
    assert misses([KEYCARD, PEER]) == []
    for change in (
        {"known": [20.0, 101.0]},
        {"known": [20.0, None]},
        {"in_it": 55},
        {"restarted": 0},
        {"mistaken": True},
    ):
        assert len(misses([KEYCARD | change])) == 1


def test_a_run_in_a_process_of_its_own() -> None:
    command = (*("--run", "keycard-watching"), *("--vehicles", "1", "--outages", "1"))
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert misses([json.loads(run.stdout.splitlines()[-1])]) == []
