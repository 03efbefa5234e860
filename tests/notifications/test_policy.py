"""What is due for whom: by a table, and on a random walk of many days."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from itertools import count
import json
from typing import Any

from hypothesis import given, settings as hypothesis_settings, strategies as st
import pytest

from custom_components.keycard.notifications.policy import (
    DAILY_LIMIT,
    SETTLING,
    NotificationPolicy,
    Reason,
    Situation,
    open_situations,
)
from custom_components.keycard.notifications.receivers import (
    EntryReceivers,
    QuietHours,
    Receiver,
    ReceiverKind,
    ReceiverSettings,
    Settings,
    When,
    merge_receivers,
)
from custom_components.keycard.notifications.record import (
    MAX_SITUATIONS,
    REMIND_LATER,
    Button,
    NotificationRecord,
    SituationKind,
)
from custom_components.keycard.outage.stored_values import Skipped
from custom_components.keycard.vehicle.keys import PhysicalKey
from custom_components.keycard.vehicle.urgent_conditions import UrgentCondition

NOON = datetime(2021, 11, 19, 12, tzinfo=UTC)
ADA = {"ada": PhysicalKey.KEYCARD}
BOTH = {"ada": PhysicalKey.KEYCARD, "cy": PhysicalKey.FOB}
NIGHT = (QuietHours(begin=time(22), end=time(7)),)
HOURS = timedelta(hours=1)

ANNE = Receiver(
    kind=ReceiverKind.PHONE, target="anne", person="person.anne", name="Anne"
)
TABLET = replace(ANNE, target="tablet")
BEN = replace(ANNE, target="ben", person="person.ben", when=When.LEAVING)
BELL = Receiver(kind=ReceiverKind.BELL)


@dataclass(kw_only=True)
class World:
    """A home with an outage, whose receivers can be reached or not."""

    receivers: tuple[Receiver, ...] = (ANNE,)
    settings: Settings = field(default_factory=Settings)
    now: datetime = NOON
    keys: Mapping[str, PhysicalKey] = field(default_factory=lambda: dict(ADA))
    kind: SituationKind = SituationKind.OUTAGE
    regions: frozenset[str] = frozenset()
    urgent: frozenset[UrgentCondition] = frozenset()
    over: bool = False
    known: bool = True
    superseded_by: str | None = None
    places: dict[str, bool | None] = field(default_factory=dict)
    unreachable: set[str] = field(default_factory=set)
    live: frozenset[str] = frozenset()
    sent: list[tuple[str, Reason, dict[str, PhysicalKey], datetime]] = field(
        default_factory=list
    )

    def __post_init__(self) -> None:
        numbers = count()
        self.new_token = lambda: f"token{next(numbers)}"
        self.record = NotificationRecord(self.new_token)
        self.policy = NotificationPolicy(self.record)

    @property
    def situation(self) -> Situation:
        return Situation(
            id="eu",
            kind=self.kind,
            receivers=tuple(
                ReceiverSettings(receiver=one, settings=self.settings)
                for one in self.receivers
            ),
            keys={} if self.over else self.keys,
            urgent=self.urgent,
            regions=self.regions,
            known=self.known,
            over=self.over,
            superseded_by=self.superseded_by,
        )

    def step(self) -> tuple[datetime | None, bool]:
        """Send what is due; return when to decide again, and whether anything was."""
        decision = self.policy.decide(
            [self.situation],
            places=self.places,
            utcnow=self.now,
            time_zone=UTC,
            live=self.live,
        )
        for due in decision.due:
            receiver = due.receiver.receiver
            if receiver.target in self.unreachable:
                self.policy.mark_failed(due, self.now)
                continue
            self.policy.mark_sent(due, utcnow=self.now, time_zone=UTC)
            self.sent.append(
                (receiver.target, due.reason, dict(due.situation.keys), self.now)
            )
        return decision.next_at, bool(decision.due)

    def go(self, duration: timedelta = timedelta()) -> list[tuple[str, str]]:
        """Let time pass, deciding whenever it is asked for; return what was sent."""
        begin, end = len(self.sent), self.now + duration
        following: datetime | None = None
        while True:
            for _ in range(20):
                following, tried = self.step()
                if not tried:
                    break
            if following is None or following > end:
                break
            assert following > self.now, "it would decide forever"
            self.now = following
        self.now = end
        return [(target, reason.value) for target, reason, _, _ in self.sent[begin:]]

    def press(self, button: Button, receiver: Receiver = ANNE) -> None:
        same = [one.id for one in self.receivers if one.limit_id == receiver.limit_id]
        self.policy.press(button, "eu", receiver.id, same_person=same, utcnow=self.now)

    def restart(self) -> None:
        """Store the record and restore it."""
        stored: Any = json.loads(json.dumps(self.record.dump_record()))
        skipped = Skipped()
        self.record = NotificationRecord(self.new_token)
        self.record.restore_record(stored, skipped)
        assert not skipped, skipped
        self.policy = NotificationPolicy(self.record)


def test_an_outage_is_notified_once_and_cleared_once() -> None:
    world = World(receivers=(ANNE, BELL))
    assert world.go() == [("anne", "take"), ("", "take")]
    assert world.go(5 * HOURS) == []
    world.restart()
    assert world.go(5 * HOURS) == []
    world.over = True
    assert world.go() == [("anne", "all_clear"), ("", "all_clear")]
    world.restart()
    assert world.go(48 * HOURS) == []
    assert list(open_situations(world.record)) == []


def test_receivers_without_an_outage_notice_get_no_all_clear() -> None:
    world = World(settings=Settings(wait=timedelta(minutes=30)))
    assert world.go(timedelta(minutes=29)) == []
    world.over = True
    assert world.go(48 * HOURS) == []


def test_wait_counts_over_a_restart_and_with_a_clock_set_back() -> None:
    world = World(settings=Settings(wait=timedelta(minutes=30)))
    assert world.go(timedelta(minutes=20)) == []
    world.restart()
    assert world.go(timedelta(minutes=10)) == [("anne", "take")]
    world = World(settings=Settings(wait=timedelta(minutes=30)))
    world.go(timedelta(minutes=20))
    world.now -= 6 * HOURS
    assert world.go(timedelta(minutes=30)) == [("anne", "take")]


def test_a_changed_key_is_notified_and_fewer_keys_silently() -> None:
    world = World()
    world.go(HOURS)
    world.press(Button.GOT_IT)
    world.keys = BOTH
    assert world.go(HOURS) == [("anne", "take")]
    world.keys = {"cy": PhysicalKey.FOB}
    assert world.go(SETTLING - timedelta(seconds=1)) == []
    assert world.go(timedelta(seconds=1)) == [("anne", "calmer")]
    world.keys = BOTH
    assert world.go() == [("anne", "take")]
    world.keys = {}
    assert world.go(HOURS) == [("anne", "calmer")]
    world.over = True
    assert world.go() == [("anne", "all_clear")]


def test_a_key_that_is_not_needed_for_a_moment_is_no_news() -> None:
    world = World(keys=BOTH)
    world.go(HOURS)
    for _ in range(5):
        world.keys = ADA
        assert world.go(SETTLING / 2) == []
        world.keys = BOTH
        assert world.go(SETTLING / 2) == []


def test_unknown_keys_change_nothing() -> None:
    world = World()
    world.go(HOURS)
    world.known, world.keys = False, {}
    assert world.go(24 * HOURS) == []


def test_a_user_who_leaves_is_notified_on_leaving_and_reminded() -> None:
    world = World(receivers=(BEN,), places={"person.ben": True})
    assert world.go(3 * HOURS) == []
    world.places["person.ben"] = None
    assert world.go(HOURS) == []
    world.places["person.ben"] = False
    assert world.go(HOURS) == [("ben", "take")]
    world.restart()
    world.places["person.ben"] = True
    assert world.go(HOURS) == []
    world.places["person.ben"] = False
    assert world.go(HOURS) == [("ben", "again")]
    world.press(Button.GOT_IT, BEN)
    world.places["person.ben"] = True
    world.go(HOURS)
    world.places["person.ben"] = False
    assert world.go(HOURS) == []


@pytest.mark.parametrize("place", [False, None])
def test_users_away_or_without_a_location_are_notified_at_once(
    *, place: bool | None
) -> None:
    assert World(receivers=(BEN,), places={"person.ben": place}).go() == [
        ("ben", "take")
    ]


def test_leaving_home_ends_quiet_hours() -> None:
    world = World(
        receivers=(BEN,),
        settings=Settings(quiet=NIGHT),
        now=NOON + 11 * HOURS,
        places={"person.ben": True},
    )
    assert world.go(HOURS) == []
    world.places["person.ben"] = False
    assert world.go(HOURS) == [("ben", "take")]


def test_quiet_hours_hold_back_until_their_end() -> None:
    world = World(settings=Settings(quiet=NIGHT), now=NOON + 11 * HOURS)
    assert world.go(8 * HOURS - timedelta(seconds=1)) == []
    assert world.go(timedelta(seconds=1)) == [("anne", "take")]
    world.now = NOON + 35 * HOURS
    world.over = True
    assert world.go(7 * HOURS) == []
    assert world.go(HOURS) == [("anne", "all_clear")]


@pytest.mark.parametrize("condition", UrgentCondition)
def test_urgent_conditions_override_quiet_hours(condition: UrgentCondition) -> None:
    world = World(settings=Settings(quiet=NIGHT), now=NOON + 11 * HOURS)
    assert world.go(HOURS) == []
    world.urgent = frozenset({condition})
    assert world.go(HOURS) == [("anne", "take")]
    world = World(
        settings=Settings(
            quiet=NIGHT, breaks_quiet=frozenset(UrgentCondition) - {condition}
        ),
        now=NOON + 11 * HOURS,
        urgent=frozenset({condition}),
    )
    assert world.go(HOURS) == []


def test_reminders_end_with_got_it() -> None:
    world = World(receivers=(ANNE, TABLET), settings=Settings(reminder=HOURS))
    world.receivers = (ANNE,)
    assert world.go(2 * HOURS) == [("anne", "take"), *[("anne", "reminder")] * 2]
    world.press(Button.GOT_IT)
    assert world.go(6 * HOURS) == []


def test_users_at_home_are_not_reminded() -> None:
    world = World(
        receivers=(BEN,),
        settings=Settings(reminder=HOURS),
        places={"person.ben": False},
    )
    world.go()
    world.places["person.ben"] = True
    assert world.go(5 * HOURS) == []


def test_a_requested_reminder_is_sent_in_quiet_hours() -> None:
    world = World(settings=Settings(quiet=NIGHT), now=NOON + 9 * HOURS)
    world.go(timedelta(minutes=30))
    world.press(Button.LATER)
    world.restart()
    assert world.go(REMIND_LATER - timedelta(seconds=1)) == []
    assert world.go(timedelta(seconds=1)) == [("anne", "later")]
    assert world.go(5 * HOURS) == []


def test_a_clock_that_is_set_back_loses_nothing() -> None:
    world = World(settings=Settings(reminder=2 * HOURS))
    world.go()
    world.press(Button.LATER)
    world.now -= timedelta(days=300)
    assert world.go(REMIND_LATER) == [("anne", "later")]
    world.now -= timedelta(days=300)
    assert world.go(2 * HOURS) == [("anne", "reminder")]
    world.over = True
    world.now -= timedelta(days=300)
    assert world.go() == [("anne", "all_clear")]


def test_acknowledgment_limits_notices_to_changed_keys_and_the_end() -> None:
    world = World(keys=BOTH)
    world.go()
    world.press(Button.GOT_IT, ANNE)
    world.keys = ADA
    assert world.go(HOURS) == []
    world.keys = {}
    assert world.go(HOURS) == []
    world.keys = {"ada": PhysicalKey.KEYCARD, "bo": PhysicalKey.KEYCARD}
    assert world.go(HOURS) == [("anne", "take")]
    world.press(Button.GOT_IT, ANNE)
    world.over = True
    assert world.go(HOURS) == [("anne", "all_clear")]


def test_a_live_update_shows_the_notice_until_acknowledgment_or_the_end() -> None:
    world = World(keys=BOTH, live=frozenset({ANNE.id}), receivers=(ANNE, BELL))
    assert world.go() == [("anne", "take"), ("", "take"), ("anne", "live")]
    world.keys = ADA
    assert world.go(SETTLING) == [("anne", "calmer"), ("", "calmer"), ("anne", "live")]
    world.press(Button.LATER, ANNE)
    assert world.go() == []
    world.press(Button.GOT_IT, ANNE)
    assert world.go() == [("anne", "live_end")]
    world.keys = BOTH
    assert world.go() == [("anne", "take"), ("", "take"), ("anne", "live")]
    world.keys = {}
    assert world.go(SETTLING)[2:] == [("anne", "live_end")]
    world.keys = ADA
    assert world.go()[2:] == [("anne", "live")]
    # It is removed after the all-clear, even if that takes a restart.
    world.over = True
    assert world.step()[1]
    world.restart()
    assert [*open_situations(world.record)] == [("eu", SituationKind.OUTAGE)]
    world.unreachable.add("anne")
    assert world.go(timedelta(minutes=5)) == []
    world.unreachable.clear()
    assert world.go(HOURS) == [("anne", "live_end")]
    assert [*open_situations(world.record)] == []


def test_a_live_update_comes_with_no_warning_and_waits_for_quiet_hours() -> None:
    world = World(keys=ADA, live=frozenset({ANNE.id}), settings=Settings(quiet=NIGHT))
    world.now = NOON.replace(hour=23)
    assert world.go(HOURS) == []
    assert world.go(8 * HOURS) == [("anne", "take"), ("anne", "live")]
    # A phone that no longer shows live updates is rid of it.
    world.live = frozenset()
    world.keys = BOTH
    assert world.go() == [("anne", "take")]
    world.over = True
    assert world.go() == [("anne", "all_clear"), ("anne", "live_end")]
    warned = World(kind=SituationKind.WARNING, regions=frozenset({"na"}), keys={})
    warned.live = frozenset({ANNE.id})
    assert warned.go() == [("anne", "warning")]


def test_got_it_holds_for_all_phones_of_a_person() -> None:
    world = World(receivers=(ANNE, TABLET), settings=Settings(reminder=HOURS))
    world.go()
    world.press(Button.GOT_IT)
    assert world.go(5 * HOURS) == []
    world.keys = BOTH
    assert world.go() == [("anne", "take"), ("tablet", "take")]


def test_more_than_six_a_day_become_one_summary() -> None:
    world = World(settings=Settings(reminder=timedelta(minutes=30)))
    notifications = world.go(10 * HOURS)
    assert notifications == [
        ("anne", "take"),
        *[("anne", "reminder")] * (DAILY_LIMIT - 1),
        ("anne", "summary"),
    ]
    # Another key and the all-clear come always.
    world.keys = BOTH
    assert world.go() == [("anne", "take")]
    # The next day counts anew.
    assert world.go(3 * HOURS)[0] == ("anne", "reminder")
    world.over = True
    assert world.go() == [("anne", "all_clear")]


def test_two_phones_of_a_person_count_once() -> None:
    world = World(receivers=(ANNE, TABLET), settings=Settings(reminder=HOURS))
    notifications = world.go(9 * HOURS)
    assert [reason for target, reason in notifications if target == "anne"] == [
        "take",
        *["reminder"] * (DAILY_LIMIT - 1),
        "summary",
    ]


def test_early_warnings_are_sent_for_each_new_region() -> None:
    world = World(kind=SituationKind.WARNING, keys={}, regions=frozenset({"na"}))
    assert world.go(HOURS) == [("anne", "warning")]
    world.regions = frozenset({"na", "cn"})
    assert world.go(HOURS) == [("anne", "warning")]
    world.regions = frozenset({"cn"})
    assert world.go(HOURS) == []
    world.over = True
    assert world.go(HOURS) == [("anne", "all_clear")]


def test_a_warning_that_came_true_needs_no_all_clear() -> None:
    world = World(kind=SituationKind.WARNING, keys={}, regions=frozenset({"na"}))
    world.go(HOURS)
    world.over, world.superseded_by = True, "next"
    following = world.record.situation("next", SituationKind.OUTAGE, world.now)
    world.record.receiver(following, ANNE.id).keys = dict(ADA)
    assert world.go(24 * HOURS) == []
    assert [one for one, _ in open_situations(world.record)] == ["next"]


def test_an_outage_that_was_not_notified_takes_no_all_clear_along() -> None:
    world = World(settings=Settings(quiet=NIGHT))
    world.go(9 * HOURS)
    world.now = NOON.replace(hour=23)
    # The next outage begins and ends in quiet hours.
    world.over, world.superseded_by = True, "next"
    following = world.record.situation("next", SituationKind.OUTAGE, world.now)
    world.record.receiver(following, ANNE.id)
    assert world.go(HOURS) == []
    world.superseded_by = None
    assert world.go(12 * HOURS) == [("anne", "all_clear")]
    assert world.sent[-1][3].hour == 7


def test_warnings_and_all_clears_can_be_switched_off() -> None:
    off = Settings(warnings=False, all_clear=False)
    world = World(kind=SituationKind.WARNING, keys={}, regions=frozenset({"na"}))
    world.settings = off
    assert world.go(HOURS) == []
    world = World(settings=off)
    world.go()
    world.over = True
    # What is shown on the phone goes.
    assert world.go() == [("anne", "clear")]


def test_a_drill_notifies_all_receivers_at_once() -> None:
    world = World(
        kind=SituationKind.DRILL,
        receivers=(ANNE, BEN),
        settings=Settings(quiet=NIGHT, wait=HOURS, all_clear=False),
        now=NOON + 12 * HOURS,
        places={"person.ben": True},
    )
    assert world.go(HOURS) == [("anne", "take"), ("ben", "take")]
    world.over = True
    assert world.go() == [("anne", "all_clear"), ("ben", "all_clear")]


def test_an_unreachable_receiver_is_retried_without_delaying_others() -> None:
    world = World(receivers=(ANNE, BEN), unreachable={"anne"})
    assert world.go(3 * HOURS) == [("ben", "take")]
    state = world.record.situations["eu"].receivers[ANNE.id]
    assert state.unreachable(world.now)
    assert 6 <= state.failures <= 12
    world.restart()
    world.unreachable.clear()
    assert world.go(HOURS) == [("anne", "take")]
    assert not world.record.situations["eu"].receivers[ANNE.id].unreachable(world.now)


def test_one_that_could_not_be_reached_in_an_outage_is_spared_its_end() -> None:
    world = World(unreachable={"anne"})
    world.go(3 * HOURS)
    world.over = True
    world.unreachable.clear()
    assert world.go(3 * HOURS) == []


def test_a_receiver_that_is_removed_and_added_again_starts_anew() -> None:
    world = World(receivers=(ANNE, BEN))
    world.go()
    world.receivers = (BEN,)
    world.record.forget_receivers([BEN.id])
    assert world.go(HOURS) == []
    world.receivers = (ANNE, BEN)
    assert world.go(HOURS) == [("anne", "take")]


def test_the_strictest_of_several_settings_wins() -> None:
    night = Settings(quiet=NIGHT, wait=HOURS, reminder=2 * HOURS, warnings=False)
    other = Settings(reminder=HOURS, all_clear=False)
    waits, comes = replace(ANNE, when=When.LEAVING), ANNE
    for order in (
        [(waits, night), (comes, other)],
        [(comes, other), (waits, night)],
    ):
        (merged,) = merge_receivers(
            EntryReceivers(settings=settings, receivers=(receiver,))
            for receiver, settings in order
        )
        assert merged.receiver.when is When.AT_ONCE
        assert merged.settings == Settings(reminder=HOURS)
    late = replace(night, quiet=(QuietHours(begin=time(23), end=time(5)),))
    (merged,) = merge_receivers(
        EntryReceivers(settings=one, receivers=(ANNE,)) for one in (night, late)
    )
    assert not merged.settings.quiet_left(NOON.replace(hour=22, minute=30))
    assert merged.settings.quiet_left(NOON.replace(hour=23)) == 6 * HOURS


def test_the_record_is_bounded_and_keeps_open_notices() -> None:
    world = World()
    world.go()
    for number in range(3 * MAX_SITUATIONS):
        world.record.situation(f"other{number}", SituationKind.OUTAGE, NOON)
    assert len(world.record.situations) == MAX_SITUATIONS
    assert "eu" in world.record.situations


def test_a_new_situation_takes_the_place_of_the_oldest_open_one() -> None:
    world = World()
    for number in range(MAX_SITUATIONS):
        other = world.record.situation(f"other{number}", SituationKind.OUTAGE, NOON)
        world.record.receiver(other, ANNE.id).keys = dict(ADA)
    assert world.go(HOURS) == [("anne", "take")]
    assert len(world.record.situations) == MAX_SITUATIONS
    assert "other0" not in world.record.situations


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"situations": [], "days": 3},
        {"situations": {"eu": 5, "na": {"kind": "x"}}, "days": {"a": {"day": "no"}}},
        {
            "situations": {
                "eu": {
                    "kind": "outage",
                    "seen": NOON.isoformat(),
                    "receivers": {"a": {"token": 3}, "b": []},
                    "failed": [4],
                }
            },
            "days": {},
        },
    ],
)
def test_unreadable_stored_data_are_ignored(broken: dict[str, Any]) -> None:
    record, skipped = NotificationRecord(lambda: "token"), Skipped()
    record.restore_record(broken, skipped)
    assert skipped
    NotificationPolicy(record).decide(
        [World().situation], places={}, utcnow=NOON, time_zone=UTC
    )


KEYS = st.sampled_from([{}, ADA, BOTH, {"cy": PhysicalKey.FOB}])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("keys", "keys", "home", "away", "nowhere", "over", "begin"),
                *("restart", "reach", "unreach", "got_it", "later", "urgent"),
                *("back", "unknown"),
            ]
        ),
        KEYS,
        st.integers(0, 1),
        st.integers(1, 36 * 60),
    ),
    min_size=20,
    max_size=60,
)


@hypothesis_settings(max_examples=120, deadline=None, derandomize=True)
@given(steps=STEPS, quiet=st.booleans(), reminder=st.sampled_from([0, 1, 5]))
def test_each_receiver_is_notified_once_outside_quiet_hours(
    *, steps: list[tuple[str, Any, int, int]], quiet: bool, reminder: int
) -> None:
    """Walk through days of outages; what was sent must make sense at any time."""
    world = World(
        receivers=(ANNE, BEN, BELL),
        keys={},
        settings=Settings(quiet=NIGHT if quiet else (), reminder=reminder * HOURS),
        places={"person.anne": True, "person.ben": True},
        live=frozenset({ANNE.id}),
    )
    shown: dict[str, dict[str, PhysicalKey] | None] = dict.fromkeys(
        one.target for one in world.receivers
    )
    left: set[str] = set()
    seen = 0

    def check() -> None:
        nonlocal seen
        for target, reason, keys, at in world.sent[seen:]:
            if reason in (Reason.LIVE, Reason.LIVE_END):
                continue
            before = shown[target]
            if reason is Reason.TAKE:
                # Told once: there is a key that it did not show.
                assert any(
                    before is None or before.get(car) is not key
                    for car, key in keys.items()
                )
            if reason is Reason.ALL_CLEAR:
                assert before is not None
            if reason is not Reason.SUMMARY:
                shown[target] = None if reason is Reason.ALL_CLEAR else keys
            if quiet and NIGHT[0].left(at) and reason is not Reason.LATER:
                assert reason in (Reason.TAKE, Reason.AGAIN, Reason.SUMMARY)
                assert world.urgent or target in left
        seen = len(world.sent)

    for what, keys, number, minutes in steps:
        person, receiver = (("anne", ANNE), ("ben", BEN))[number]
        match what:
            case "keys":
                world.keys = keys
            case "home" | "away" | "nowhere":
                place = {"home": True, "away": False, "nowhere": None}[what]
                if place is False:
                    left.add(person)
                world.places[f"person.{person}"] = place
            case "over":
                world.over = True
            case "begin":
                # Another outage, as far as the end of the last one was told.
                if not any(open_situations(world.record)):
                    world.over = False
                    world.record.situations.clear()
                    shown = dict.fromkeys(shown)
            case "restart":
                world.restart()
            case "reach":
                world.unreachable.clear()
            case "unreach":
                world.unreachable.add(person)
            case "urgent":
                world.urgent = frozenset(
                    {UrgentCondition.UNLOCKED} if not world.urgent else ()
                )
            case "got_it" | "later" if "eu" in world.record.situations:
                world.press(Button(what), receiver)
            case "back":
                world.now -= timedelta(minutes=minutes)
            case "unknown":
                world.known = not world.known
            case _:
                pass
        world.go(timedelta(minutes=minutes))
        check()
    # Nobody is forgotten: all that hinders falls away.
    world.unreachable.clear()
    world.known = True
    world.places = {"person.anne": False, "person.ben": False}
    left.update(("anne", "ben"))
    world.go(24 * HOURS)
    check()
    if not world.over:
        for one in world.receivers:
            keys = shown[one.target] or {}
            situation = world.record.situations.get("eu")
            state = situation.receivers.get(one.id) if situation else None
            if state is not None and state.got_it:
                # Fewer keys are no news to one who has pressed Got it.
                assert world.keys.items() <= keys.items()
            else:
                assert keys == dict(world.keys), one.target
    world.over = True
    world.go(24 * HOURS)
    check()
    assert list(open_situations(world.record)) == []
    assert set(map(str, shown.values())) == {"None"}
