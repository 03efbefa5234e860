"""Years of a home with many failures, but none of Tesla's cloud."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from custom_components.keycard.outage.models import OUTAGES, Status

from .jumps import jump
from .simulated_home import Home, Vehicle
from .simulated_network import OK, Noise, World

YEAR = 365 * 24 * 3600.0
MINUTE = 60.0
HOUR = 3600.0

INTERNET_FAILURES = 30
BURST_EVERY = 2000 * MINUTE
BURST = 10.0

_NET_MODES = ("refuse", "timeout", "reset", "dns", "portal", "tls")
_BURST_MODES = ("503 busy", "500 oops", "refuse", "timeout", "reset")
_QUOTAS = (
    '403 {"error":"account disabled: EXCEEDED_LIMIT"}',
    '403 {"error":"forbidden, see the fleet-api"}',
    "412 not registered",
    "408 timeout",
    '500 {"error":"vehicle unavailable: vehicle is offline or asleep"}',
)
# Answers to the data calls of one car while all other calls work.
_ONE_CARS = (
    '403 {"response":null,"error":"forbidden"}',
    '403 {"response":null,"error":"Unauthorized missing scopes"}',
    '200 {"response":{"state":"offline","charge_state":null}}',
    '200 {"response":null,"error":"vehicle unavailable: vehicle is offline"}',
    "429 Retry in 37829 seconds",
)
# Errors of a third party's gateway or proxy for a command.
_PROXYS_OWN = (
    '500 {"error":"PIN codes must be four digits"}',
    '500 {"error":"vehicle rejected request: your public key has not been paired"}',
    '500 {"error":"context deadline exceeded"}',
    '500 {"error":"vehicle busy or finishing wake-up"}',
    '500 {"error":"MESSAGEFAULT_ERROR_INSUFFICIENT_PRIVILEGES"}',
    '400 {"error":"invalid_command"}',
    "502 <html>Bad gateway</html>",
    "timeout",
)

# Errors of a proxy at home without internet or name resolution.
_BEHIND_HOME = frozenset({"net", "dns.tesla"})
_GETS_NOTHING = "502 <html>Bad gateway</html>"


@dataclass(frozen=True, kw_only=True)
class Year:
    """Result of a year."""

    seed: int
    false: tuple[str, ...]
    outage_events: int
    reauth: bool
    warnings: int
    internet_failures: int
    internet_named: int
    statuses: Counter[str]
    requests: int
    jumped: int


@dataclass(kw_only=True)
class HomeYear:
    """Home with the random events of a year."""

    seed: int
    jump: Callable[[Home, float], int] | None = jump
    random: Random = field(init=False)
    home: Home = field(init=False)
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    named: int = 0
    failures: int = 0
    third_party: bool = False
    proxy_at_home: bool = False

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.home = Home(
            World(random=self.random), noise=Noise(random=self.random), jump=self.jump
        )
        cars = self.random.choice((0, 0, 1, 1, 2))
        models = self.random.sample(("model3", "modely", "models"), cars)
        self.third_party = cars > 0 and self.random.random() < 0.5
        self.proxy_at_home = self.third_party and self.random.random() < 0.5
        self.home.add(
            third_party=self.third_party,
            at_home=self.proxy_at_home,
            vehicles=tuple(
                Vehicle(name=model, model=model, online=self.random.random() < 0.5)
                for model in models
            ),
        )

    # Events

    def plan(self) -> None:
        """Draw the year's events."""
        draw = self.random
        for _ in range(INTERNET_FAILURES):
            self._span("net", draw.choice(_NET_MODES), draw.uniform(1, 60) * MINUTE)
        for _ in range(round(YEAR / BURST_EVERY)):
            mode = draw.choice(_BURST_MODES)
            if draw.random() < 0.5:
                self._span("net", mode, BURST)
            else:
                begins = draw.uniform(0, YEAR)
                self._span("na.status", mode, BURST, begins)
                self._span("na.api", mode, BURST, begins)
        for _ in range(10):
            self._span(
                "net", f"slow:{draw.uniform(1, 15):.1f}", draw.uniform(1, 10) * MINUTE
            )
        for mode in ("dns", "null", "tls", "403 <html>Access denied</html>"):
            self._span("dns.tesla", mode, draw.uniform(5, 120) * MINUTE)
        for _ in range(10):
            self._span("na.api", draw.choice(_QUOTAS), draw.uniform(5, 120) * MINUTE)
            seconds = round(draw.choice((60, 600, 3600, 14 * 3600)) * draw.random())
            self._span("na.api", f"retry-after:{seconds}", draw.uniform(1, 60) * MINUTE)
        for subject in ("controls1", "controls2"):
            self._span(subject, draw.choice(_NET_MODES), draw.uniform(1, 3) * HOUR)
        for _ in range(100):
            self._at(draw.uniform(0, YEAR), self._toggle_vehicles)
        if models := [
            vehicle.model for vehicle in self.home.entries[0].vehicles.values()
        ]:
            for _ in range(12):
                subject = f"na.data@{draw.choice(models)}"
                self._span(subject, draw.choice(_ONE_CARS), draw.uniform(0.1, 3) * HOUR)
        if self.third_party:
            self._plan_third_party()
        for _ in range(12):
            self._at(draw.uniform(0, YEAR), self._jump_clock)
            self._at(draw.uniform(0, YEAR), self._restart)
        self.events.sort()

    def _plan_third_party(self) -> None:
        """Draw the failures of a third party."""
        draw = self.random
        for _ in range(12):
            # A stale cache, for a car that streams or for lack of credits.
            self._span("na.data", "stale", draw.uniform(0.2, 4) * HOUR)
        for _ in range(6):
            mode = draw.choice(("502 <html>Bad gateway</html>", "timeout", "refuse"))
            self._span("proxy.api", mode, draw.uniform(1, 30) * MINUTE)
        for _ in range(20):
            begins = draw.uniform(0, YEAR)
            self._span("na.commands", draw.choice(_PROXYS_OWN), 10 * MINUTE, begins)
            for _ in range(5):
                # A user repeats a failed command.
                self._at(begins + draw.uniform(0, 9) * MINUTE, self._press)

    def _press(self) -> None:
        """Send a command of the user to a car."""
        self.home.command(self.random.choice(list(self.home.entries[0].vehicles)))

    def _at(self, when: float, act: Callable[[], None]) -> None:
        self.events.append((when, len(self.events), act))

    def _span(
        self, subject: str, mode: str, length: float, begins: float | None = None
    ) -> None:
        start = self.random.uniform(0, YEAR) if begins is None else begins
        long_net = subject == "net" and length >= MINUTE and not mode.startswith("slow")
        self._at(start, lambda: self._fail(subject, mode))
        self._at(start + length, lambda: self._heal(subject, mode, long_net))
        if long_net and self.random.random() < 0.3:
            # It fails again shortly after.
            again = start + length + self.random.uniform(1, 20)
            self._at(again, lambda: self._fail(subject, mode))
            self._at(
                again + self.random.uniform(5, 60),
                lambda: self._heal(subject, mode, False),
            )
        if long_net:
            self.failures += 1
            if self.random.random() < 0.05:
                self._at(start + length * self.random.random(), self._restart)

    def _fail(self, subject: str, mode: str) -> None:
        self.home.set(subject, mode)
        if self.proxy_at_home and subject in _BEHIND_HOME:
            # It answers, but cannot reach Tesla.
            self.home.set("proxy.api", _GETS_NOTHING)

    def _heal(self, subject: str, mode: str, check_status: bool) -> None:
        if check_status and self.home.assessment.status is Status.INTERNET_DOWN:
            self.named += 1
        if self.home.world.conditions.get(subject) != mode:
            return
        self.home.set(subject, OK)
        behind = self.proxy_at_home and subject in _BEHIND_HOME
        if behind and self.home.world.conditions.get("proxy.api") == _GETS_NOTHING:
            self.home.set("proxy.api", OK)

    def _toggle_vehicles(self) -> None:
        for vehicle in self.home.entries[0].vehicles.values():
            vehicle.online = self.random.random() < 0.5

    def _jump_clock(self) -> None:
        self.home.clock_offset += timedelta(hours=self.random.uniform(-48, 48))

    def _restart(self) -> None:
        self.home.restart(away=self.random.uniform(5, 120))

    # The year

    def run(self) -> None:
        """Simulate the year."""
        self.plan()
        for at, _, act in self.events:
            self.home.run(at)
            act()
        self.home.run(YEAR)


def simulate_year(seed: int) -> Year:
    """Simulate a year of one home."""
    year = HomeYear(seed=seed)
    year.run()
    home = year.home
    entry = home.entries[0]
    return Year(
        seed=seed,
        false=tuple(
            f"{change.at:.0f} s: {change.assessment.status} {change.assessment.scope}"
            for change in home.changes
            if change.assessment.status in OUTAGES
        ),
        outage_events=len(home.outage_events),
        reauth=entry.detector.auth_invalid,
        warnings=sum(change.assessment.warning for change in home.changes),
        internet_failures=year.failures,
        internet_named=year.named,
        statuses=Counter(change.assessment.status.value for change in home.changes),
        requests=home.requests,
        jumped=home.jumped,
    )
