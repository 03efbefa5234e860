"""Replay and demo run as programs with a full Home Assistant."""

from collections.abc import Iterator
import os
from pathlib import Path
import socket
import subprocess
import sys

import pytest

from homeassistant.const import SERVER_PORT

from harness import demo
from harness.clock import OffsetClock
from harness.home_assistant import ROOT
from harness.ports import reserved_port

FAILS = """
name: it-fails
source: made up
home:
  region: na
  cars:
    - {name: Ada, model: model3, year: 2021}
timeline:
  - at: "0:01"
    set: {na.status: refuse, na.api: refuse}
    expect: {status: outage, key: keycard, notified: 1, within: "0:05"}
"""

RESTART = """
  - at: "0:10"
    restart: true
    expect: {status: outage, notified: 1, within: "0:05"}
"""


@pytest.fixture
def case(tmp_path: Path) -> Path:
    path = tmp_path / "case.yaml"
    path.write_text(FAILS)
    return path


@pytest.fixture
def litter(tmp_path: Path) -> Path:
    """Return the folder for temporary files of the programs."""
    folder = tmp_path / "litter"
    folder.mkdir()
    return folder


def run(litter: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(litter), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


@pytest.fixture
def free_port(socket_enabled: None) -> Iterator[int]:
    with reserved_port() as port:
        yield port


@pytest.mark.usefixtures("default_port_taken")
def test_a_replay_prints_each_step_and_a_summary(case: Path, litter: Path) -> None:
    played = run(litter, "replay", case)
    assert played.returncode == 0, played.stdout + played.stderr
    lines = played.stdout.splitlines()
    assert "passed" in lines[0]
    assert "ok expected outage" in lines[1]
    assert "[na.status: refuse; na.api: refuse]" in lines[1]
    assert lines[-1].startswith("replay: 1 passed, 0 failed in ")
    assert not list(litter.iterdir())


def test_a_missed_expectation_is_printed_and_fails(case: Path, litter: Path) -> None:
    case.write_text(FAILS.replace("key: keycard", "key: fob"))
    played = run(litter, "replay", case)
    assert played.returncode == 1
    assert "key Ada: expected fob, seen keycard" in played.stdout
    assert "notice at 0:0" in played.stdout
    assert "replay: 0 passed, 1 failed in " in played.stdout


def test_a_case_is_left_out_where_it_says_why(case: Path, litter: Path) -> None:
    case.write_text(
        FAILS.replace("  cars:", "  not_with: {tessie: it is apart}\n  cars:")
    )
    played = run(litter, "replay", "--provider", "tessie", case)
    assert played.returncode == 0, played.stdout + played.stderr
    assert f"{case}: left out, it is apart" in " ".join(played.stdout.split())
    assert "replay: 0 passed, 0 failed in " in played.stdout


def test_a_typo_in_a_case_is_one_clear_line(case: Path, litter: Path) -> None:
    case.write_text(FAILS.replace("status: outage", "statsu: outage"))
    played = run(litter, "replay", case)
    assert played.returncode == 2
    assert played.stderr == ""
    assert "statsu" in played.stdout
    assert str(case) in played.stdout.replace("\n", "")


def test_a_demo_prints_its_progress_and_leaves_no_files(
    case: Path, litter: Path, free_port: int
) -> None:
    case.write_text(
        FAILS.replace("set:", "narration: The cloud fails.\n    set:").rstrip()
        + RESTART
    )
    arguments = ("--once", "--verbose", "--port", free_port, "--case", case)
    shown = run(litter, "--show-loading", "demo", *arguments)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    lines = [line.strip() for line in shown.stdout.splitlines()]
    address = f"Open the wall view: http://127.0.0.1:{free_port}/keycard-demo"
    assert lines[0].startswith("Loading Home Assistant")
    (opened,) = (n for n, line in enumerate(lines) if line.startswith(address))
    assert lines[opened + 1] == "Keycard: Operational · Ada: Usual key"
    assert "The cloud fails." in shown.stdout
    assert "na.status: refuse" in shown.stdout
    assert "Keycard: Outage (Your region) · Ada: Keycard" in lines
    assert any(line.startswith("╭─ Phone, ") for line in lines)
    assert "[ Got it ]  [ Remind me in 1 h ]" in shown.stdout
    assert "Home Assistant shows the same notification." in lines
    assert "as expected, seen after" in shown.stdout
    assert "Home Assistant restarts" in shown.stdout
    assert "everything went as expected" in shown.stdout
    assert not list(litter.iterdir())


@pytest.mark.usefixtures("default_port_taken")
def test_a_demo_fails_where_an_expectation_does(case: Path, litter: Path) -> None:
    case.write_text(FAILS.replace("notified: 1", "notified: 0"))
    shown = run(litter, "demo", "--once", "--case", case)
    assert shown.returncode == 1
    # It listens on another port than the default one.
    assert "Open the wall view: http://127.0.0.1:" in shown.stdout
    assert f"127.0.0.1:{SERVER_PORT}/" not in shown.stdout
    assert "as expected, seen after" not in shown.stdout
    assert "missed notified: expected 0, seen 1" in shown.stdout


def test_a_taken_port_is_one_clear_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    socket_enabled: None,
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert demo.main(["--once", "--port", str(port)], OffsetClock()) == 2
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.startswith(f"port {port} is taken (Address already in use)")
    assert shown.out.count("\n") == 1


@pytest.mark.parametrize("program", ["benchmark", "demo", "replay", "screenshots"])
def test_help_needs_no_environment(program: str, tmp_path: Path) -> None:
    shown = subprocess.run(
        [ROOT / "script" / program, "--help"],
        env={"PATH": os.environ["PATH"], "KEYCARD_CACHE": str(tmp_path / "none")},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"script/{program} " in shown.stdout
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_no_port_is_refused(capsys: pytest.CaptureFixture[str], port: str) -> None:
    with pytest.raises(SystemExit) as ended:
        demo.main(["--once", "--port", port], OffsetClock())
    assert ended.value.code == 2
    assert f"{port} is not a port" in capsys.readouterr().err


def test_an_unknown_program_lists_the_known_ones(litter: Path) -> None:
    played = run(litter, "rehearse")
    assert played.returncode == 2
    assert "replay" in played.stdout
