"""The host monitor: probes and control probes."""

from random import Random

from custom_components.keycard.outage.endpoints import (
    Endpoint,
    default_hosts,
    list_endpoints,
)
from custom_components.keycard.outage.evidence import (
    Classification,
    Evidence,
    Reason,
    RequestType,
    Subject,
    Verdict,
)
from custom_components.keycard.outage.host_monitor import HostMonitor

OK = Classification(subject=Subject.STATUS, verdict=Verdict.GOOD, reason=Reason.OK)
REFUSED = Classification(
    subject=Subject.STATUS, verdict=Verdict.BAD, reason=Reason.NO_ANSWER
)
NO_NAME = Classification(
    subject=Subject.NETWORK, verdict=Verdict.BAD, reason=Reason.NAME
)
REPEATED = Classification(
    subject=Subject.ACCOUNT, verdict=Verdict.BAD, reason=Reason.SIGN_IN
)

HOSTS = list_endpoints(default_hosts("na"))
OWN = HOSTS[0]
TOKEN = next(target for target in HOSTS if target.kind is RequestType.TOKEN)
WITNESSES = tuple(target for target in HOSTS if target.kind is RequestType.UNRELATED)

BEGIN = 1000.0


def watching() -> HostMonitor:
    """Return a host monitor with one good answer of every host."""
    watch = HostMonitor(HOSTS_OF_NA, random=Random(3), monotonic=0.0)
    watch.home_regions["na"] += 1
    for target in watch.due(0.0):
        tell(watch, target, OK, 0.0)
    return watch


HOSTS_OF_NA = default_hosts("na")


def tell(
    watch: HostMonitor,
    target: Endpoint,
    meaning: Classification,
    asked_at: float,
    after: float = 0.1,
) -> None:
    watch.observe_probe(
        target, Evidence(classification=meaning, sent_at=asked_at, at=asked_at + after)
    )


def own_fails(watch: HostMonitor, *times: float) -> None:
    for time in times:
        tell(watch, OWN, REFUSED, BEGIN + time)


def test_failures_beside_good_answers_at_both_ends_confirm() -> None:
    watch = watching()
    own_fails(watch, 0.0)
    tell(watch, WITNESSES[0], OK, BEGIN + 1.0)
    own_fails(watch, 1.0, 5.0, 9.0, 13.0, 16.0)
    tell(watch, WITNESSES[1], OK, BEGIN + 19.0)
    assert watch.failing_regions() == ()
    own_fails(watch, 19.0)

    assert watch.failing_regions() == ("na",)


def test_a_good_answer_at_the_end_only_confirms_nothing() -> None:
    watch = watching()
    own_fails(watch, 0.0, 1.0, 5.0, 9.0, 13.0, 16.0, 19.0)
    tell(watch, WITNESSES[0], REFUSED, BEGIN + 1.0)
    tell(watch, WITNESSES[0], OK, BEGIN + 19.0)

    assert watch.failing_regions() == ()


def test_a_good_answer_at_the_beginning_only_confirms_nothing() -> None:
    watch = watching()
    own_fails(watch, 0.0)
    for witness in WITNESSES:
        tell(watch, witness, OK, BEGIN + 1.0)
    own_fails(watch, 1.0, 5.0, 9.0, 13.0, 16.0, 19.0)

    assert watch.failing_regions() == ()


def test_a_good_answer_long_afterwards_confirms_nothing() -> None:
    watch = watching()
    own_fails(watch, 0.0)
    tell(watch, WITNESSES[0], OK, BEGIN + 1.0)
    own_fails(watch, 1.0, 5.0, 9.0, 13.0, 16.0, 19.0)
    tell(watch, WITNESSES[0], OK, BEGIN + 40.0)

    assert watch.failing_regions() == ()


def test_five_failures_confirm_nothing() -> None:
    watch = watching()
    own_fails(watch, 0.0)
    for time in (1.0, 5.0, 9.0, 13.0, 19.0):
        tell(watch, WITNESSES[0], OK, BEGIN + time)
        own_fails(watch, time)

    assert watch.failing_regions() == ()


def test_six_failures_within_fifteen_seconds_confirm_nothing() -> None:
    watch = watching()
    own_fails(watch, 0.0)
    for time in (1.0, 3.0, 5.0, 8.0, 11.0, 14.0):
        tell(watch, WITNESSES[0], OK, BEGIN + time)
        own_fails(watch, time)

    assert watch.failing_regions() == ()


def test_an_unresolved_name_discards_earlier_failures() -> None:
    watch = watching()
    own_fails(watch, 0.0)
    for time in (1.0, 5.0, 9.0):
        tell(watch, WITNESSES[0], OK, BEGIN + time)
        own_fails(watch, time)
    tell(watch, OWN, NO_NAME, BEGIN + 13.0)
    for time in (16.0, 19.0, 79.0):
        tell(watch, WITNESSES[0], OK, BEGIN + time)
        own_fails(watch, time)
    assert watch.failing_regions() == ()

    for time in (139.0, 199.0, 259.0):
        tell(watch, WITNESSES[0], OK, BEGIN + time)
        own_fails(watch, time)
    assert watch.failing_regions() == ("na",)


def test_a_failure_sent_before_a_good_answer_is_ignored() -> None:
    watch = watching()
    tell(watch, OWN, OK, BEGIN + 4.0)
    tell(watch, OWN, REFUSED, BEGIN, after=10.0)

    assert watch.tracker("na").suspected_at is None


def test_a_sign_in_host_that_rejects_the_probe_is_up() -> None:
    watch = watching()
    tell(watch, TOKEN, REPEATED, BEGIN)

    assert watch.sign_in_healthy_since(BEGIN - 300.0) is False
    for target in HOSTS:
        if target.kind in {RequestType.TOKEN, RequestType.AUTHORIZE}:
            tell(watch, target, REPEATED, BEGIN + 1.0)
    assert watch.sign_in_healthy_since(BEGIN)
    assert not watch.sign_in_down


def test_an_answer_that_never_comes_is_given_up() -> None:
    watch = watching()
    now = 0.0
    while OWN not in watch.due(now):
        now += 1.0
    watch.due(now + 3.0)
    assert watch.tracker("na").suspected_at == now + 3.0
    watch.due(now + 5.0)
    tell(watch, OWN, OK, now + 5.0)
    # The good answer settles the probe sent before it.
    assert watch.next_due() > now + 5.0
    assert watch.tracker("na").suspected_at is None


def test_hosts_that_are_gone_are_forgotten() -> None:
    watch = watching()
    stored = watch.dump_hosts()
    stored["https://gone.example/status"] = {"verified": True, "down": True}
    again = HostMonitor(HOSTS_OF_NA, random=Random(3), monotonic=0.0)
    again.restore_hosts(stored)

    assert again.dump_hosts() == watch.dump_hosts()
