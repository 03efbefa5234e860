"""Loading of cases, and errors of invalid ones."""

from pathlib import Path

import pytest

from simulator import Simulator
from simulator.protocol import Confirmation
from simulator.scenarios.scenario import (
    CaseError,
    Expectation,
    ExpectedNotice,
    PhoneSpec,
    join_cases,
    load_case,
    load_homes,
)

CASES = sorted((Path(__file__).parent.parent / "cases").glob("*.yaml"))
GOOD = """\
name: told-twice
source: a test
home:
  region: na
  cars:
    - {name: Ada, model: model3, year: 2021}
    - {name: Cy, model: models, year: 2018}
phone:
  system: ios
  notices:
    - {at: "0:10", within: "0:02", tag: keycard_na, order: Take it., buttons: [Got it]}
timeline:
  - at: "0:10"
    set: {na.api: 503, all.status: null, car.Ada: asleep}
    expect: {status: outage, scope: region, within: "0:02:30"}
  - at: "1:30"
    narration: Someone opens Ada.
    do: unlock.Ada
    press: Got it
    clock: "-2:00"
    token: expired
    restart: true
    expect: {done: false, via: cloud, executed: 0, key: {Cy: fob}, within: "0:01"}
"""


def write_case(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "case.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_case_loads(path: Path) -> None:
    case = load_case(path)
    assert case.name == path.stem
    assert case.timeline
    assert case.end >= case.timeline[-1].at


def test_a_case_sets_the_signing_of_its_cars(tmp_path: Path) -> None:
    text = GOOD.replace("year: 2021}", "year: 2021, signing: required}")
    case = load_case(write_case(tmp_path, text))
    assert [car.signing for car in case.cars] == ["required", None]
    text = GOOD.replace("year: 2021}", "year: 2021, confirmation: status}")
    case = load_case(write_case(tmp_path, text))
    assert [car.confirmation for car in case.cars] == ["status", "empty"]
    forms = [one.confirmation for one in Simulator(case.homes).computers.values()]
    assert forms == [Confirmation.STATUS, Confirmation.EMPTY]


def test_a_case_has_the_content_of_its_file(tmp_path: Path) -> None:
    case = load_case(write_case(tmp_path, GOOD))
    first, second = case.timeline
    assert [car.name for car in case.cars] == ["Ada", "Cy"]
    assert case.homes[0].provider == "compatible"
    assert case.homes[0].settled
    assert first.at == 600
    assert first.set == {"na.api": "503", "all.status": "null", "car.Ada": "asleep"}
    assert first.expect["home"] == Expectation(
        within=150, status="outage", scope="region"
    )
    assert (first.narration, second.narration) == (None, "Someone opens Ada.")
    assert second.do is not None
    assert (second.do.car, second.do.command) == ("Ada", "door_unlock")
    assert (second.clock, second.token, second.restart) == (-7200, "expired", True)
    assert second.expect["home"].key == {"Cy": "fob"}
    assert second.expect["home"].done is False
    assert second.press == "Got it"
    assert case.end == 5400 + 60
    assert case.phone == PhoneSpec(
        system="ios",
        notices=(
            ExpectedNotice(
                at=600,
                within=120,
                tag="keycard_na",
                order="Take it.",
                buttons=("Got it",),
            ),
        ),
    )


def test_joined_cases_play_one_after_another(tmp_path: Path) -> None:
    case = load_case(write_case(tmp_path, GOOD))
    joined = join_cases([case, case])
    assert [step.at for step in joined.timeline] == [600, 5400, 6060, 10860]
    assert joined.end == 2 * case.end
    assert joined.phone is not None
    assert case.phone is not None
    first, second = (one.at for one in joined.phone.notices)
    assert second == first + case.end
    other = load_case(write_case(tmp_path, GOOD.replace("2018", "2017")))
    with pytest.raises(CaseError, match="needs the same homes"):
        join_cases([case, other])


def test_several_homes_expect_each_their_own(tmp_path: Path) -> None:
    text = """\
name: two
source: a test
homes:
  - {name: here, region: na, cars: [{name: Ada, model: model3, year: 2021}]}
  - name: there
    region: eu
    provider: proxy
    settled: false
    cars: [{name: Bo, model: modely, year: 2022}]
timeline:
  - at: "0:00"
    expect:
      here: {status: operational, within: "0:01"}
      there: {elsewhere: [na], key: keycard, within: "0:03"}
"""
    case = load_case(write_case(tmp_path, text))
    assert [home.name for home in case.homes] == ["here", "there"]
    assert case.homes[1].provider == "proxy"
    assert not case.homes[1].settled
    step = case.timeline[0]
    assert step.expect["there"].key == {"Bo": "keycard"}
    assert step.within == 180


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("name: told", "nam: told", ["nam", "unknown key", "name, source, home"]),
        ("source: a test\n", "", ["source is missing"]),
        ("region: na", "region: mars", [":4:", "home.region", "na, eu, cn"]),
        ("model: model3", "model: model2", [":6:", "cars[0].model", "cybertruck"]),
        ("year: 2021", "year: '2021'", ["cars[0].year", "whole number"]),
        ("year: 2021", "year: true", ["cars[0].year", "whole number"]),
        ("year: 2021", "years: 2021", ["years", "name, model, year"]),
        ("year: 2021", "year: 2021, signing: x", ["signing", "required, allowed"]),
        (
            "year: 2021",
            "year: 2021, confirmation: x",
            ["confirmation", "empty, status"],
        ),
        ("name: Cy", "name: Ada", ["two cars have the same name"]),
        ("name: Cy", 'name: "C.y"', ["a name is made of"]),
        ("region: na", "region: na\n  lively: 1", ["lively", "true or false"]),
        ("region: na", "region: na\n  provider: x", ["compatible, watch_only, proxy"]),
        ("home:", "homes: []\nhome:", ["either home or homes"]),
        ('at: "1:30"', "at: 1:30", [":16:", "in quotes"]),
        ('- at: "0:10"', '- at: "0:75"', ["timeline[0].at", "H:MM"]),
        ('- at: "0:10"', '- at: "-0:10"', ["timeline[0].at"]),
        ('- at: "0:10"', '- at: "2:10"', ["timeline[1].at", "follow each other"]),
        ("na.api: 503", "na.apis: 503", ["na.apis", "unknown subject", "REGION.data"]),
        ("na.api: 503", "us.api: 503", ["us.api", "unknown subject"]),
        ("na.api: 503", "na.api@model4: 503", ["cannot be narrowed", "model3"]),
        ("na.api: 503", "na.status@model3: 503", ["cannot be narrowed"]),
        ("na.api: 503", "na.api: 603", ["603", "unknown condition", "retry-after"]),
        ("na.api: 503", "na.api: brocken", ["brocken", "unknown condition"]),
        ("na.api: 503", "na.api: slow", ["unknown condition"]),
        ("na.api: 503", "na.api: [503]", ["unknown condition"]),
        ("na.api: 503", "na.commands: stale", ["'stale' means nothing", "timeout"]),
        ("na.api: 503", "na.status: empty", ["'empty' means nothing"]),
        ("na.api: 503", "dns.tesla: 503", ["means nothing", "ok, dns, null"]),
        ("car.Ada: asleep", "car.Di: asleep", ["unknown car", "Ada, Cy"]),
        ("car.Ada: asleep", "car.Ada: awake", ["unknown condition", "for cars also"]),
        ("na.api: 503", "na.api: 503, na.api: ok", [":14:", "comes twice"]),
        ("status: outage", "status: outrage", ["expect.status", "sign_in_outage"]),
        ("scope: region", "scope: state", ["expect.scope", "worldwide"]),
        ("scope: region", "scoop: region", ["scoop", "unknown key", "elsewhere"]),
        ("scope: region", "planes: api", ["expect.planes", "must be a list"]),
        ("scope: region", "planes: [apis]", ["expect.planes[0]", "commands"]),
        ("scope: region", "models: [m3]", ["expect.models[0]", "model3"]),
        ("scope: region", "elsewhere: [na]", ["elsewhere[0]", "allowed: eu, cn"]),
        ("scope: region", "key: card", ["expect.key", "usual, keycard, fob"]),
        ("scope: region", "key: {Di: fob}", ["key.Di", "allowed: Ada, Cy"]),
        ("scope: region", "notified: -1", ["notified", "whole number"]),
        ("scope: region", "reauth: no way", ["reauth", "true or false"]),
        ("scope: region", "entities: gone", ["entities", "available"]),
        ("scope: region", "done: true", ["expect.done", "unknown key"]),
        (', within: "0:02:30"', "", ["timeline[0].expect", "within is missing"]),
        ("do: unlock.Ada", "do: open.Ada", ["timeline[1].do", "climate_on"]),
        ("do: unlock.Ada", "do: unlock.Di", ["timeline[1].do", "Ada, Cy"]),
        ("via: cloud", "via: wifi", ["via", "cloud, bluetooth"]),
        ("opens Ada.", "opens Ada", ["timeline[1].narration", "must be a sentence"]),
        ('clock: "-2:00"', "clock: back", ["clock", "H:MM"]),
        ("token: expired", "token: old", ["token", "expired, ok"]),
        ("restart: true", "restart: yes please", ["restart", "true or false"]),
        ("press: Got it", "press: Later", ["timeline[1].press", "allowed: Got it"]),
        ("system: ios", "system: palm", ["phone.system", "android, ios"]),
        ("tag: keycard_na", "tags: x", ["phone.notices[0]", "kind, tag, title"]),
        ("order: Take it.", "kind: loud", ["kind", "alert, quiet, live, clear"]),
        ("buttons: [Got it]", "buttons: Got it", ["buttons", "must be a list"]),
        ("timeline:", "timeline: []\nother:", ["other", "unknown key"]),
        ("name: told-twice", "name: [", ["not YAML"]),
        ("name: told-twice", "- name", ["not YAML"]),
    ],
)
def test_errors_of_invalid_cases(
    tmp_path: Path, old: str, new: str, words: list[str]
) -> None:
    assert old in GOOD
    file = write_case(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(CaseError) as caught:
        load_case(file)
    for word in [str(file), *words]:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "name", "\x00", "&a [*a]", "a: &b {c: *b}"])
def test_a_case_without_a_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(CaseError):
        load_case(write_case(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=r"none\.yaml: cannot be read"):
        load_case(tmp_path / "none.yaml")


def test_homes_alone_need_no_timeline(tmp_path: Path) -> None:
    homes = load_homes(write_case(tmp_path, GOOD[: GOOD.index("timeline")]))
    assert [car.model for car in homes[0].cars] == ["model3", "models"]
