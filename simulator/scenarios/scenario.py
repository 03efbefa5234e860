"""Outage cases as data, parsed strictly.

The README beside the cases describes the format. Additional keys of a case:

- `home.provider`: compatible (default), watch_only, proxy (a third party), fleet
  (Tesla's sign-in), fleet_server (the same, with Tesla's own proxy for commands),
  tesla_proxy (all calls through that proxy, with a fixed token), teslemetry or tessie.
- `home.not_with`: providers with which the case cannot hold, with the reasons.
- `home.settled: false`: Keycard is installed at 0:00, under the conditions of the first
  step.
- `home.lively: true`: cars drive, charge and fall asleep.
- `homes:` instead of `home:`: a list of several named homes; `expect` then maps the
  names of homes to their expectations.
- `clock: "-2:00"` on a step: the wall clock is set back (or forward) by this time.
- `token: expired` (or `ok`) on a step: the access tokens of all homes expire.
- `narration` on a step: an English sentence that says what happens, for the demo.
- `set` of `proxy.api`, `controls1`, `controls2`.
- `signing: required` (or `allowed`, `off`) of a car: whether its commands must be
  signed. Default: `allowed`, and `off` for a Model S or X before 2021.
- `confirmation: status` of a car: its locks confirm a command with their status.
  Default: `empty`, a response without content. Real cars do either.
- `phone:` a phone of the user, with all notices that it gets, and no other.
- `press: Got it` on a step: the user presses this button of a notice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
import re

from .conditions import MODELS, REGIONS, ConditionError, validate_condition
from .strict_yaml import CaseError, YamlNode, read_yaml

STATUSES = (
    "operational",
    "degraded",
    "outage",
    "sign_in_outage",
    "provider_down",
    "internet_down",
    "account_problem",
    "undetermined",
)
SCOPES = (
    "none",
    "vehicle",
    "model",
    "account",
    "region",
    "regions",
    "worldwide",
    "undetermined",
)
SUBSYSTEMS = ("status", "api", "data", "commands", "auth")
KEYS = ("usual", "keycard", "fob")
SIGNING = ("required", "allowed", "off")
CONFIRMATIONS = ("empty", "status")
# How a phone shows a notice: with sound, without it, as a live update, or not any more.
NOTICE_KINDS = ("alert", "quiet", "live", "clear")
PHONES = ("android", "ios")
DEFAULT_PROVIDER = "compatible"
PROVIDERS = (
    DEFAULT_PROVIDER,
    "watch_only",
    "proxy",
    "fleet",
    "fleet_server",
    "tesla_proxy",
    "teslemetry",
    "tessie",
)
# Actions of a user, mapped to the command that the car executes.
REQUEST_COMMANDS = {
    "lock": "door_lock",
    "unlock": "door_unlock",
    "climate_on": "auto_conditioning_start",
    "climate_off": "auto_conditioning_stop",
    "wake": "wake_up",
}


@dataclass(frozen=True, kw_only=True)
class CarSpec:
    """A car of a home."""

    name: str
    model: str
    year: int
    signing: str | None = None  # None: the default of the model
    confirmation: str = CONFIRMATIONS[0]


@dataclass(frozen=True, kw_only=True)
class Home:
    """A household with its account and cars."""

    name: str = "home"
    region: str = "na"
    cars: tuple[CarSpec, ...] = ()
    provider: str = DEFAULT_PROVIDER
    not_with: Mapping[str, str] = field(default_factory=dict)
    settled: bool = True
    lively: bool = False


@dataclass(frozen=True, kw_only=True)
class Request:
    """A command of the user: `unlock.Ada`."""

    action: str
    car: str

    @property
    def command(self) -> str:
        """Return the command that the car executes."""
        return REQUEST_COMMANDS[self.action]


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """Expected state; None where the case does not specify it."""

    within: float
    status: str | None = None
    scope: str | None = None
    subsystems: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    other_regions: tuple[str, ...] | None = None
    key: Mapping[str, str] | None = None  # for each car
    notified: int | None = None
    reauth: bool | None = None
    entities: str | None = None
    billed: int | None = None
    done: bool | None = None
    via: str | None = None
    executed: int | None = None


@dataclass(frozen=True, kw_only=True)
class ExpectedNotice:
    """A notice that a phone gets between `at` and `at` + `within`."""

    at: float
    within: float
    kind: str = NOTICE_KINDS[0]
    tag: str = ""
    title: str | None = None
    order: str | None = None  # the first line
    says: tuple[str, ...] = ()  # parts of the text
    buttons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PhoneSpec:
    """A phone of the user, with the notices that it gets."""

    system: str = PHONES[0]
    notices: tuple[ExpectedNotice, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step of the timeline; times in seconds."""

    at: float
    set: Mapping[str, str] = field(default_factory=dict)
    expect: Mapping[str, Expectation] = field(default_factory=dict)  # for each home
    restart: bool = False
    do: Request | None = None
    press: str | None = None
    clock: float = 0.0
    token: str | None = None
    narration: str | None = None

    @property
    def within(self) -> float:
        """Return the longest time limit of the step's expectations."""
        return max((one.within for one in self.expect.values()), default=0.0)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """An outage as data."""

    name: str
    source: str
    homes: tuple[Home, ...]
    timeline: tuple[Step, ...]
    phone: PhoneSpec | None = None
    path: Path | None = None

    def unfit_with(self, provider: str) -> str | None:
        """Return why the case cannot hold with another provider, None if it can."""
        reasons = (
            home.not_with.get(provider)
            for home in self.homes
            if home.provider == DEFAULT_PROVIDER
        )
        return next((reason for reason in reasons if reason is not None), None)

    @property
    def end(self) -> float:
        """Return the end of the case in seconds."""
        return self.timeline[-1].at + self.timeline[-1].within

    @property
    def cars(self) -> tuple[CarSpec, ...]:
        """Return the cars of all homes."""
        return tuple(car for home in self.homes for car in home.cars)


def load_case(path: Path | str) -> Scenario:
    """Load a case file; raise CaseError with the line of the first mistake."""
    node = read_yaml(Path(path))
    node.allow_keys("name", "source", "home", "homes", "phone", "timeline")
    name = node.require("name").text()
    source = node.require("source").text()
    homes = _homes(node)
    phone = _phone(one) if (one := node.get("phone")) else None
    steps = node.require("timeline").items()
    timeline: list[Step] = []
    for one in steps:
        timeline.append(_step(one, homes, phone))
        if len(timeline) > 1 and timeline[-1].at < timeline[-2].at:
            one.require("at").fail("steps must follow each other in time")
    return Scenario(
        name=name,
        source=source,
        homes=homes,
        timeline=tuple(timeline),
        phone=phone,
        path=Path(path),
    )


def join_cases(cases: Sequence[Scenario]) -> Scenario:
    """Return a case that plays several cases of the same homes one after another."""
    first, *others = cases
    timeline = list(first.timeline)
    notices = list(first.phone.notices) if first.phone else []
    end = first.end
    for case in others:
        if not _same_homes(case, first):
            raise CaseError(f"{case.path}: needs the same homes as {first.path}")
        timeline += [replace(step, at=end + step.at) for step in case.timeline]
        if case.phone is not None:
            notices += [replace(one, at=end + one.at) for one in case.phone.notices]
        end += case.end
    last = cases[-1]
    phone = next((case.phone for case in cases if case.phone is not None), None)
    return replace(
        last,
        timeline=tuple(timeline),
        phone=None if phone is None else replace(phone, notices=tuple(notices)),
    )


def _same_homes(one: Scenario, other: Scenario) -> bool:
    """Return whether two cases play in the same homes, with any provider."""
    homes = (
        [replace(home, not_with={}) for home in case.homes] for case in (one, other)
    )
    return next(homes) == next(homes)


def load_homes(path: Path | str) -> tuple[Home, ...]:
    """Load the homes of a case, or of a file without a timeline."""
    node = read_yaml(Path(path))
    node.allow_keys("name", "source", "home", "homes", "phone", "timeline")
    return _homes(node)


def _homes(node: YamlNode) -> tuple[Home, ...]:
    single, several = node.get("home"), node.get("homes")
    if single and not several:
        homes: tuple[Home, ...] = (_home(single, named=False),)
    elif several and not single:
        homes = tuple(_home(one, named=True) for one in several.items())
    else:
        node.fail("a case needs either home or homes")
    if len({home.name for home in homes}) < len(homes):
        node.require("homes").fail("two homes have the same name")
    names = [car.name for home in homes for car in home.cars]
    if len(set(names)) < len(names):
        (single or several or node).fail("two cars have the same name")
    return homes


def _home(node: YamlNode, *, named: bool) -> Home:
    keys = ("region", "cars", "provider", "not_with", "settled", "lively")
    node.allow_keys(*(("name", *keys) if named else keys))
    return Home(
        name=node.require("name").text() if named else "home",
        region=node.require("region").one_of(REGIONS),
        cars=tuple(_car(one) for one in node.require("cars").items()),
        provider=node.read("provider", _choice(PROVIDERS)) or DEFAULT_PROVIDER,
        not_with=_reasons(one) if (one := node.get("not_with")) else {},
        settled=node.read("settled", YamlNode.flag) is not False,
        lively=node.read("lively", YamlNode.flag) is True,
    )


def _reasons(node: YamlNode) -> dict[str, str]:
    """Return the reasons why a case cannot hold with some providers."""
    node.allow_keys(*PROVIDERS)
    return {provider: reason.text() for provider, reason in node.entries()}


def _car(node: YamlNode) -> CarSpec:
    node.allow_keys("name", "model", "year", "signing", "confirmation")
    name = node.require("name").text()
    if not re.fullmatch(r"\w[\w -]*", name):
        node.require("name").fail(
            "a name is made of letters, digits, spaces and dashes"
        )
    return CarSpec(
        name=name,
        model=node.require("model").one_of(MODELS),
        year=node.require("year").number(2010, 2039),
        signing=node.read("signing", _choice(SIGNING)),
        confirmation=node.read("confirmation", _choice(CONFIRMATIONS))
        or CONFIRMATIONS[0],
    )


def _phone(node: YamlNode) -> PhoneSpec:
    node.allow_keys("system", "notices")
    return PhoneSpec(
        system=node.read("system", _choice(PHONES)) or PHONES[0],
        notices=tuple(
            _notice(one) for one in node.require("notices").items(empty=True)
        ),
    )


def _notice(node: YamlNode) -> ExpectedNotice:
    node.allow_keys("at", "within", "kind", "tag", "title", "order", "says", "buttons")
    return ExpectedNotice(
        at=node.require("at").duration(),
        within=node.require("within").duration(),
        kind=node.read("kind", _choice(NOTICE_KINDS)) or NOTICE_KINDS[0],
        tag=node.require("tag").text(),
        title=node.read("title", YamlNode.text),
        order=node.read("order", YamlNode.text),
        says=node.read("says", _texts) or (),
        buttons=node.read("buttons", _texts) or (),
    )


def _texts(node: YamlNode) -> tuple[str, ...]:
    return tuple(one.text() for one in node.items(empty=True))


def _step(node: YamlNode, homes: tuple[Home, ...], phone: PhoneSpec | None) -> Step:
    node.allow_keys(
        *("at", "narration", "set", "expect", "restart", "do", "press"),
        *("clock", "token"),
    )
    cars = [car.name for home in homes for car in home.cars]
    do = _request(one, cars) if (one := node.get("do")) else None
    step = Step(
        at=node.require("at").duration(),
        set=_conditions(one, cars) if (one := node.get("set")) else {},
        expect=_expectations(one, homes, do) if (one := node.get("expect")) else {},
        restart=node.read("restart", YamlNode.flag) is True,
        do=do,
        press=_press(one, phone) if (one := node.get("press")) else None,
        clock=node.read("clock", lambda one: one.duration(signed=True)) or 0.0,
        token=node.read("token", _choice(("expired", "ok"))),
        narration=node.read("narration", _sentence),
    )
    if do and not step.expect:
        node.fail("a step with do needs an expect, which ends it")
    return step


def _sentence(node: YamlNode) -> str:
    """Return a sentence without line breaks."""
    sentence = " ".join(node.text().split())
    if not re.fullmatch(r"[A-Z].*[^.]\.", sentence):
        node.fail("must be a sentence: it begins with a capital and ends with a period")
    return sentence


def _press(node: YamlNode, phone: PhoneSpec | None) -> str:
    if phone is None:
        node.fail("a button needs a phone")
    buttons = dict.fromkeys(one for notice in phone.notices for one in notice.buttons)
    return node.one_of(tuple(buttons))


def _conditions(node: YamlNode, cars: list[str]) -> dict[str, str]:
    conditions: dict[str, str] = {}
    for subject, one in node.entries():
        # YAML parses an unquoted null as None and an unquoted 503 as a number.
        condition = "null" if one.value is None else str(one.value)
        try:
            validate_condition(subject, condition, cars)
        except ConditionError as err:
            one.fail(str(err))
        conditions[subject] = condition
    return conditions


def _request(node: YamlNode, cars: list[str]) -> Request:
    action, _, car = node.text().partition(".")
    if action not in REQUEST_COMMANDS or car not in cars:
        node.fail(
            f"must be ACTION.CAR; actions: {', '.join(REQUEST_COMMANDS)};"
            f" cars: {', '.join(cars)}"
        )
    return Request(action=action, car=car)


def _expectations(
    node: YamlNode, homes: tuple[Home, ...], do: Request | None
) -> dict[str, Expectation]:
    if len(homes) == 1 and homes[0].name == "home":
        return {homes[0].name: _expectation(node, homes[0], do)}
    names = {home.name: home for home in homes}
    node.allow_keys(*names)
    return {
        name: _expectation(one, names[name], do if _has_car(names[name], do) else None)
        for name, one in node.entries()
    }


def _has_car(home: Home, do: Request | None) -> bool:
    return do is not None and do.car in [car.name for car in home.cars]


def _expectation(node: YamlNode, home: Home, do: Request | None) -> Expectation:
    command_keys = ("done", "via", "executed")
    node.allow_keys(
        *("within", "status", "scope", "planes", "models", "elsewhere", "key"),
        *("notified", "reauth", "entities", "billed"),
        *(command_keys if do else ()),
    )
    other_regions = tuple(region for region in REGIONS if region != home.region)
    return Expectation(
        within=node.require("within").duration(),
        status=node.read("status", _choice(STATUSES)),
        scope=node.read("scope", _choice(SCOPES)),
        subsystems=node.read("planes", _choices(SUBSYSTEMS)),
        models=node.read("models", _choices(MODELS)),
        other_regions=node.read("elsewhere", _choices(other_regions)),
        key=node.read("key", lambda one: _keys(one, home)),
        notified=node.read("notified", lambda one: one.number(0, 1000)),
        reauth=node.read("reauth", YamlNode.flag),
        entities=node.read("entities", _choice(("available",))),
        billed=node.read("billed", lambda one: one.number(0, 1_000_000)),
        done=node.read("done", YamlNode.flag),
        via=node.read("via", _choice(("cloud", "bluetooth"))),
        executed=node.read("executed", lambda one: one.number(0, 1000)),
    )


def _keys(node: YamlNode, home: Home) -> dict[str, str]:
    cars = [car.name for car in home.cars]
    if isinstance(node.value, str):
        return dict.fromkeys(cars, node.one_of(KEYS))
    node.allow_keys(*cars)
    return {car: one.one_of(KEYS) for car, one in node.entries()}


def _choice(allowed: tuple[str, ...]) -> Callable[[YamlNode], str]:
    return lambda node: node.one_of(allowed)


def _choices(allowed: tuple[str, ...]) -> Callable[[YamlNode], tuple[str, ...]]:
    return lambda node: tuple(one.one_of(allowed) for one in node.items(empty=True))


__all__ = [
    "CarSpec",
    "CaseError",
    "Expectation",
    "ExpectedNotice",
    "Home",
    "PhoneSpec",
    "Request",
    "Scenario",
    "Step",
    "join_cases",
    "load_case",
    "load_homes",
]
