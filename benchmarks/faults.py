"""Faults of hosts, and the statuses that are true while they last."""

from collections.abc import Iterator
from dataclasses import dataclass

REGION = "eu"
CAR = "Ada"
THIRD_PARTIES = frozenset({"proxy", "teslemetry", "tessie"})
# Servers of a user's own that answer instead of Tesla.
OWN_SERVERS = frozenset({"tesla_proxy"})
PROVIDERS = (
    "fleet",
    "fleet_server",
    "compatible",
    "tesla_proxy",
    "proxy",
    "teslemetry",
    "tessie",
    "watch_only",
)

# No usable answer comes.
UNANSWERED = {
    "refuse": "refuse",
    "hang": "timeout",
    "reset": "reset",
    "no HTTP": "noise",
    "drip": "drip:40",
    "slow": "slow:20",
}
# The host, or something beside it, answers with an error or nonsense.
ERRORS = {
    "500": '500 {"error":"upstream internal error"}',
    "502 HTML": "502 <html><body>Bad gateway</body></html>",
    "503 maintenance": "503 Server Maintenance",
    "503 connect": "503 upstream connect error or disconnect/reset before headers",
    "504": "504",
    "520": "520 web server is returning an unknown error",
    "599": "599",
    "broken JSON": "garbage",
    "not compressed": "encoding",
    "huge": "huge",
    "other types": "types",
    "empty body": "200",
    "204": "204",
    "null": "200 null",
    "list": "200 [1]",
    "null response": '200 {"response":null}',
    "number": '200 {"response":7}',
    "odd vehicles": '200 {"response":[{"vin":5},7,{"vin":null}]}',
}
VEHICLE = {
    "500 asleep": '500 {"error":"vehicle is offline or asleep"}',
    "503 unavailable": '503 {"error":"vehicle is not available"}',
    "408": '408 {"error":"vehicle unavailable"}',
    "540": "540",
    "405 in service": '405 {"error":"vehicle is currently in service"}',
    "200 offline": '200 {"response":null,"error":"vehicle unavailable: offline"}',
}
REFUSED_SIGN_IN = {
    "401 login": '401 {"error":"login_required"}',
    "401": '401 {"error":"token expired (401)"}',
    "401 HTML": "401 <html>Unauthorized</html>",
}
ACCOUNT = {
    "401 mobile access": '401 {"error":"mobile_access_disabled"}',
    "402": "402 payment required",
    "403 limit": '403 {"error":"account disabled: EXCEEDED_LIMIT"}',
    "403 policy": '403 {"error":"forbidden, see developer.tesla.com/fleet-api"}',
    "412": '412 {"error":"account must be registered in this region"}',
    "421": '421 {"error":"user out of region, use base URL: https://x.example, see"}',
    "429": "retry-after:120",
    "429 of a day": "ratelimit-day-reset:120",
    "429 without a hint": '429 {"error":"too many requests"}',
    "429 in the body": '429 {"error":"retry in 90 seconds"}',
}
NETWORK = {
    "portal": "portal",
    "redirect": "302 https://www.gstatic.com/generate_204",
    "redirect nowhere": "307 ::::not an address",
    "403 HTML": "403 <html>Access denied</html>",
    "certificate": "tls",
    "no name": "dns",
    "null address": "null",
}
ODD = {
    "404": "404 not found",
    "418": "418",
    "304": "304",
    "no cars": "empty",
    "a little slow": "slow:4",
}
# The cloud delivers a command to the car after so long.
LATE = {"late": "late:45", "later": "late:300"}
# A part of these is enough where a host has no meaning of its own for the rest.
COMMON = ("refuse", "hang", "reset", "500", "broken JSON", "other types", "no HTTP")

_FINE = frozenset({"operational", "undetermined"})
_OUTAGE = _FINE | {"outage", "degraded"}
# These are certain to be failures, whoever answers.
_CERTAIN = frozenset({*UNANSWERED, *ERRORS}) - {
    "odd vehicles",
    "null response",
    "other types",
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault of one place for one provider.

    `allowed` are the statuses that are true while it lasts; `seen` is the one that must
    be shown within five minutes, None if several are right; `pause` are seconds for
    which the cloud has forbidden calls when the fault ends.
    """

    place: str
    kind: str
    provider: str
    conditions: dict[str, str]
    allowed: frozenset[str]
    seen: str | None = None
    reauth: bool = False
    pause: float = 0.0

    @property
    def name(self) -> str:
        """Return the name in the matrix."""
        return f"{self.provider}/{self.place}/{self.kind}"


def list_faults(provider: str) -> Iterator[Fault]:
    """Yield all faults for a provider."""
    yield from _calls(provider)
    yield from _tesla(provider)
    yield from _sign_in(provider)
    yield from _subsystems(provider)
    yield from _unrelated(provider)


def _calls(provider: str) -> Iterator[Fault]:
    """Yield faults of the host that answers the calls."""
    if provider == "watch_only":
        return
    foreign = provider in THIRD_PARTIES | OWN_SERVERS
    subject = f"{provider}.api" if foreign else f"{REGION}.api"
    down = "provider_down" if foreign else "outage"
    failing = _FINE | {"provider_down"} if foreign else _OUTAGE
    account = _FINE | {"account_problem"} | ({"provider_down"} if foreign else set())
    for kinds, allowed, seen in (
        (UNANSWERED, failing, down),
        (ERRORS, failing, down),
        (VEHICLE, failing if foreign else _FINE, None),
        (REFUSED_SIGN_IN, account, None),
        (ACCOUNT, account, None),
        (NETWORK, failing if foreign else _FINE, None),
        (ODD, failing if foreign else _FINE | {"account_problem"}, None),
    ):
        for kind, condition in kinds.items():
            if provider == "tesla_proxy" and condition == "tls":
                # Its certificate is pinned and changes in other ways.
                continue
            yield Fault(
                place="calls",
                kind=kind,
                provider=provider,
                conditions={subject: condition},
                allowed=allowed,
                seen=seen if kind in _CERTAIN else None,
                reauth=kinds is REFUSED_SIGN_IN,
                pause=900.0 if kinds is ACCOUNT else 0.0,
            )


def _tesla(provider: str) -> Iterator[Fault]:
    """Yield faults of Tesla's hosts: of the own region, or of all."""
    # A third party that relays an error may be at fault until Tesla's hosts fail.
    relayed = {"provider_down"} if provider in THIRD_PARTIES | OWN_SERVERS else set()
    # A host that drips answers probes in time, as they are short. Only direct calls
    # prove an outage then.
    unseen = {"drip"} if relayed or provider == "watch_only" else set()
    # Tesla's proxy drops the page: it looks like a refused account.
    page = "403 HTML" if provider in OWN_SERVERS else None
    for place, region in (("region", REGION), ("all regions", "all")):
        subjects = (f"{region}.status", f"{region}.api")
        failures = UNANSWERED | ERRORS if place == "region" else UNANSWERED
        for kinds, allowed, seen in (
            (failures, _OUTAGE | relayed, "outage"),
            (NETWORK, _FINE | relayed, None),
        ):
            for kind, condition in kinds.items():
                yield Fault(
                    place=place,
                    kind=kind,
                    provider=provider,
                    conditions=dict.fromkeys(subjects, condition),
                    allowed=allowed | ({"account_problem"} if kind == page else set()),
                    seen=seen if kind in _CERTAIN - unseen else None,
                )
    for kind, condition in (("no name", "dns"), ("null address", "null")):
        yield Fault(
            place="names",
            kind=kind,
            provider=provider,
            conditions={"dns.tesla": condition},
            allowed=_FINE,
        )


def _sign_in(provider: str) -> Iterator[Fault]:
    """Yield faults of the sign-in host."""
    for kinds, allowed, seen in (
        (UNANSWERED, _FINE | {"sign_in_outage"}, "sign_in_outage"),
        (ERRORS, _FINE | {"sign_in_outage"}, None),
        # The token endpoint may refuse everyone with such a page.
        (NETWORK, _FINE | {"sign_in_outage"}, None),
        (
            {"429": "retry-after:120", "404": "404", "403": '403 {"error":"x"}'},
            _FINE | {"sign_in_outage"},
            None,
        ),
    ):
        for kind, condition in kinds.items():
            yield Fault(
                place="sign-in",
                kind=kind,
                provider=provider,
                conditions=dict.fromkeys(("auth.token", "auth.authorize"), condition),
                allowed=allowed,
                seen=seen,
            )


def _subsystems(provider: str) -> Iterator[Fault]:
    """Yield faults of data, of commands and of one car."""
    if provider == "watch_only":
        return
    foreign = provider in THIRD_PARTIES | OWN_SERVERS
    common = {kind: (UNANSWERED | ERRORS)[kind] for kind in COMMON}
    relayed = {"provider_down"} if foreign else set()
    partial = _FINE | relayed if foreign else _FINE | {"degraded"}
    for place, kinds in (
        ("data", common | {"stale": "stale"}),
        ("commands", common | VEHICLE | LATE),
    ):
        for kind, condition in kinds.items():
            yield Fault(
                place=place,
                kind=kind,
                provider=provider,
                conditions={f"{REGION}.{place}": condition},
                allowed=partial,
            )
    for kind, condition in (common | VEHICLE | {"403": '403 {"error":"x"}'}).items():
        yield Fault(
            place="one car",
            kind=kind,
            provider=provider,
            conditions={f"car.{CAR}": condition},
            allowed=_FINE | {"degraded"} | relayed,
        )


def _unrelated(provider: str) -> Iterator[Fault]:
    """Yield faults of unrelated hosts, and of the user's internet."""
    for kind in COMMON:
        yield Fault(
            place="unrelated",
            kind=kind,
            provider=provider,
            conditions={"controls": (UNANSWERED | ERRORS)[kind]},
            allowed=frozenset({"operational"}),
        )
    everything = ["all.status", "all.api", "auth.token", "auth.authorize", "controls"]
    if provider in {"tesla_proxy", "proxy", "teslemetry", "tessie"}:
        everything.append(f"{provider}.api")
    if provider == "fleet_server":
        everything.append("tesla_proxy.api")
    for kind, condition in {
        "refuse": "refuse",
        "hang": "timeout",
        "reset": "reset",
        "no name": "dns",
        "null address": "null",
        "portal": "portal",
    }.items():
        lost = kind in {"refuse", "hang", "reset"}
        yield Fault(
            place="internet",
            kind=kind,
            provider=provider,
            conditions=dict.fromkeys(everything, condition),
            allowed=_FINE | {"internet_down"},
            seen="internet_down" if lost else None,
        )
