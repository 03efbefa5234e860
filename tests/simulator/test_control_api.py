"""The control API and the command-line program."""

import asyncio
from collections.abc import AsyncIterator
import io
from pathlib import Path
import signal
import sys
from typing import Any

import aiohttp
import pytest
from rich.console import Console

from simulator import Simulator, load_case
from simulator.__main__ import main, play
from simulator.http.control_api import ControlApi
from simulator.protocol import Confirmation, Role, public_point

from .signing_client import generate_key

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
async def control(sim: Simulator) -> AsyncIterator[ControlApi]:
    control = ControlApi(sim)
    await control.start()
    yield control
    await control.stop()


async def post(
    session: aiohttp.ClientSession, control: ControlApi, path: str, body: Any
) -> tuple[int, Any]:
    async with session.post(control.url + path, json=body) as response:
        return response.status, await response.json()


async def test_conditions_over_http(
    sim: Simulator, control: ControlApi, session: aiohttp.ClientSession
) -> None:
    body = {"na.api": "503 upstream", "all.status": None, "car.Ada": "asleep"}
    status, answer = await post(session, control, "/set", body)
    assert status == 200
    assert answer == sim.conditions
    assert answer["eu.status"] == "null"
    async with session.get(f"{control.url}/state") as response:
        state = await response.json()
    assert state["conditions"] == answer
    assert state["cars"]["Ada"]["presence"] == "asleep"
    assert state["urls"] == sim.urls
    assert (await post(session, control, "/reset", {}))[0] == 200
    assert sim.conditions == {}
    assert sim.cars["Ada"].connectivity == "online"


MISTAKES: list[tuple[str, Any, str]] = [
    ("/set", {"na.apis": "503"}, "unknown subject"),
    ("/set", {"na.api": "sad"}, "unknown condition"),
    ("/set", ["na.api"], "JSON object"),
    ("/do", {"car": "Ada", "do": "fly"}, "drive, plug"),
    ("/do", {"car": "Di", "do": "drive"}, "Ada, Bo, Cy"),
    ("/token", {"state": "lost"}, "ok, expired"),
    ("/cars", {"name": "Di", "model": "model9", "year": 2024}, "cybertruck"),
    ("/cars", {"name": "Ada", "model": "model3", "year": 2024}, "already"),
    ("/mishap", {"car": "Ada", "mishap": "lost", "times": 0}, "from 1 to 999"),
    ("/pair", {"car": "Ada", "do": "open"}, "tap, refuse"),
    ("/pair", {"car": "Di", "do": "tap"}, "Ada, Bo, Cy"),
    ("/car", {"car": "Di"}, "Ada, Bo, Cy"),
    ("/car", {"car": "Ada", "screen_hangs": 1}, "true or false"),
    ("/car", {"car": "Ada", "flies": True}, "screen_hangs, tells_wait"),
    ("/car", {"car": "Ada", "confirmation": "loud"}, "empty, status"),
    ("/car", {"car": "Ada", "screen_hangs": 1, "confirmation": "status"}, "true or"),
    (
        "/cars",
        {"name": "Di", "model": "modely", "year": 2024, "confirmation": "loud"},
        "empty, status",
    ),
    ("/air", {"car": "Di"}, "Ada, Bo, Cy"),
    ("/air", {"car": "Ada", "phones": 4}, "from 0 to 3"),
    ("/air", {"weather": {"lose_to_car": 2}}, "from 0 to 1"),
    ("/air", {"weather": "rain"}, "an object"),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
async def test_mistakes_over_http(
    sim: Simulator,
    control: ControlApi,
    session: aiohttp.ClientSession,
    mistake: tuple[str, Any, str],
) -> None:
    path, body, words = mistake
    status, answer = await post(session, control, path, body)
    assert status == 400
    assert words in answer["error"]
    assert sim.conditions == {}
    assert sim.computers["Ada"].confirmation is Confirmation.EMPTY


async def test_only_json_is_taken(
    control: ControlApi, session: aiohttp.ClientSession
) -> None:
    for data, kind in (("{}", "text/plain"), ("{", "application/json")):
        async with session.post(
            f"{control.url}/set", data=data, headers={"Content-Type": kind}
        ) as response:
            assert response.status == 400
            assert "JSON" in (await response.json())["error"]


async def test_actions_of_a_person(
    sim: Simulator, control: ControlApi, session: aiohttp.ClientSession
) -> None:
    async def do(action: str) -> dict[str, Any]:
        body = {"car": "Ada", "do": action}
        status, answer = await post(session, control, "/do", body)
        assert status == 200
        assert isinstance(answer, dict)
        return answer

    assert (await do("drive"))["speed"] == 31
    assert (await do("sleep"))["presence"] == "asleep"
    assert (await do("get_in"))["locked"] is False
    assert (await do("leave"))["locked"] is True
    assert (await do("plug"))["charging"] is True
    assert (await do("unplug"))["charging"] is False
    assert (await do("enter_service"))["in_service"] is True
    assert (await do("leave_service"))["in_service"] is False
    assert not sim.cars["Ada"].executed


async def test_accounts_and_counters_over_http(
    sim: Simulator, control: ControlApi, session: aiohttp.ClientSession
) -> None:
    body = {"name": "Di", "model": "modely", "year": 2024, "confirmation": "status"}
    assert (await post(session, control, "/cars", body))[0] == 200
    assert sim.computers["Di"].confirmation is Confirmation.STATUS
    for status in (200, 400):
        async with session.delete(f"{control.url}/cars/Di") as response:
            assert response.status == status
    assert (await post(session, control, "/token", {"state": "expired"}))[0] == 200
    headers = {"Authorization": f"Bearer {sim.token}"}
    async with session.get(
        f"{sim.urls['na']}/api/1/products", headers=headers
    ) as response:
        assert response.status == 401
    async with session.get(f"{control.url}/calls") as response:
        counted = await response.json()
    assert counted["by_endpoint"] == {"na.products": 1}
    assert (counted["billed"], counted["unbilled"]) == (0, 1)
    async with session.get(control.url) as response:
        assert "POST /set" in await response.text()


async def test_the_air_over_http(
    sim: Simulator, control: ControlApi, session: aiohttp.ClientSession
) -> None:
    key = generate_key()
    sim.set("car.Ada", "near")
    whitelist = sim.computers["Ada"].whitelist
    whitelist.request_add(key, Role.DRIVER)
    async with session.get(f"{control.url}/state") as response:
        ada = (await response.json())["cars"]["Ada"]
    assert (ada["pairing"], ada["keys"]) == ("waiting for the card", {})
    assert ada["air"]["heard"]["name"].startswith("S")
    tap = {"car": "Ada", "do": "tap"}
    _, answer = await post(session, control, "/pair", tap)
    keys = {public_point(key).hex(): "DRIVER"}
    assert answer == {"pairing": "added", "keys": keys}
    whitelist.request_add(generate_key(), Role.DRIVER)
    refuse = {"car": "Ada", "do": "refuse"}
    _, answer = await post(session, control, "/pair", refuse)
    assert answer == {"pairing": "refused", "keys": keys}

    settings = {"car": "Ada", "screen_hangs": True, "tells_wait": True}
    _, answer = await post(session, control, "/car", settings)
    said = {"screen_hangs": True, "tells_wait": True, "acknowledges": False}
    assert answer == {**said, "confirmation": "empty"}
    assert sim.computers["Ada"].infotainment_hangs
    form = {"car": "Ada", "confirmation": "status"}
    _, answer = await post(session, control, "/car", form)
    assert answer == {**said, "confirmation": "status"}
    assert sim.computers["Ada"].confirmation is Confirmation.STATUS
    async with session.get(f"{control.url}/state") as response:
        cars = (await response.json())["cars"]
    forms = [cars[name]["computers"]["confirmation"] for name in ("Ada", "Bo")]
    assert forms == ["status", "empty"]

    weather = {"weather": {"refuse": 1}}
    _, answer = await post(session, control, "/air", weather)
    assert answer["Ada"]["weather"]["refuse"] == answer["Bo"]["weather"]["refuse"] == 1
    assert answer["Bo"]["heard"] is None
    body = {"car": "Ada", "phones": 3, "rssi": -88, "weather": {}}
    _, answer = await post(session, control, "/air", body)
    received = answer["Ada"]["heard"]
    assert (received["rssi"], received["connectable"]) == (-88, False)
    assert answer["Ada"]["weather"]["refuse"] == 0
    assert (answer["Ada"]["open"], answer["Ada"]["phones"]) == (0, 3)


async def test_a_case_is_played(sim: Simulator) -> None:
    case = load_case(ROOT / "tests" / "cases" / "2021-11-19-from-europe.yaml")
    out = io.StringIO()
    stopped = asyncio.Event()
    asyncio.get_running_loop().call_later(0.3, stopped.set)
    await play(sim, case, 1e6, Console(file=out, width=200), stopped)
    assert "The timeline is over" in out.getvalue()
    assert "1:30:00  eu.status: 500 internal server error" in out.getvalue()
    assert sim.conditions == {}


def test_help_lists_options_and_subjects(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    output = capsys.readouterr().out
    for word in ("--case", "--play", "--tls", "retry-after:SECONDS", "proxy.api"):
        assert word in output
    for word in ("teslemetry.api", "tessie.api", "domain.key", "signing: required"):
        assert word in output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--play"], "--play needs --case"),
        (["--speed", "0"], "--speed must be above 0"),
        (["--port", "80"], "--port must be"),
    ],
)
def test_options_are_checked(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert words in capsys.readouterr().err


def test_a_bad_case_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--case", str(tmp_path / "none.yaml")]) == 1
    output = capsys.readouterr().err
    assert output.startswith("simulator: ")
    assert output.count("\n") == 1


async def test_the_program_starts_and_stops(
    socket_enabled: None, session: aiohttp.ClientSession
) -> None:
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-B", "-u", "-m", "simulator", "--port", "0", "--tls"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert program.stdout is not None
    output = ""
    async with asyncio.timeout(60):
        while "Ctrl-C" not in output:
            line = (await program.stdout.readline()).decode()
            assert line, await program.communicate()
            output += line
        address = next(
            line.split()[1]
            for line in output.splitlines()
            if line.startswith("control ")
        )
        async with session.get(f"{address}/calls") as response:
            assert (await response.json())["billed"] == 0
        program.send_signal(signal.SIGINT)
        out, errors = await program.communicate()
    assert program.returncode == 0
    assert out.decode().endswith("Stopped.\n")
    assert errors == b""
