"""What the calls for one car tell."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise

from .evidence import Evidence, Meaning, Reason, Subject, Verdict
from .health import CALLS, COMMANDS, DATA, RECENT, Health, Rule, Track
from .models import Plane

# A suspicion about a car's calls is settled by asking again after so many seconds.
SERIES = (0.0, 6.0, 12.0, 18.0, 24.0, 31.0)
# When a failure has passed: does it come and go?
AFTERWARDS = (15.0, 30.0, 45.0)
# When calls that were down work again: do they keep working?
RETURN = (61.0, 122.0)
DATA_AGAIN = 65.0
COMMANDS_FADE = 3600.0
PROOF_WITHIN = 900.0

# By fits: so many separate failures in ten minutes, a fifth of the calls or more. It
# ends when less than a tenth of enough calls fail.
_FITS = 6
_FITS_SHARE = 0.2
_FITS_OVER = 0.1
_FITS_OVER_CALLS = 8

# A claim about data that a third party passed on ends after so long without any proof:
# its cache may never move again.
THIRD_PARTY_FADES = 6 * 3600.0

# How long before the last failing call its host may have answered well.
_CONTRAST = 5.0

_RULES: dict[Plane, Rule] = {
    Plane.API: CALLS,
    Plane.DATA: DATA,
    Plane.COMMANDS: COMMANDS,
}
_PLANES = {
    Subject.API: Plane.API,
    Subject.DATA: Plane.DATA,
    Subject.COMMANDS: Plane.COMMANDS,
}
# What only the plane itself can be blamed for.
_PECULIAR = frozenset({Reason.STALE, Reason.COMMANDS_FAIL})
_WORKS = Meaning(subject=Subject.API, verdict=Verdict.GOOD, reason=Reason.OK)


class Outcome(StrEnum):
    """What the calls of a time come to."""

    ALL_FAIL = "all_fail"
    SOME_FAIL = "some_fail"
    FINE = "fine"
    NONE = "none"


@dataclass(kw_only=True)
class CarCalls:
    """The calls for one car: a history for each plane.

    `flawed` tells that they fail by fits; `provable` that data can prove the end of an
    outage, which those of a car that sleeps cannot. Of data that a `third_party` passes
    on, nobody knows when Tesla gave them.
    """

    model: str | None = None
    third_party: bool = False
    tracks: dict[Plane, Track] = field(
        default_factory=lambda: {
            plane: Track(rule=rule, verified=True) for plane, rule in _RULES.items()
        }
    )
    series: list[float] = field(default_factory=list)
    later: list[float] = field(default_factory=list)
    data_again: float | None = None
    proof_until: float | None = None
    provable: bool = True
    flawed: bool = False
    recent: deque[tuple[float, bool]] = field(default_factory=deque)
    claimed_at: float | None = None
    """When a third party's data were first held against Tesla."""

    def __post_init__(self) -> None:
        """Let the first newer data end what a third party's data began."""
        if self.third_party:
            self.tracks[Plane.DATA].rule = replace(DATA, goods=1, good_span=0.0)

    @property
    def api(self) -> Track:
        """Return the history of the calls as such."""
        return self.tracks[Plane.API]

    @property
    def ailing(self) -> bool:
        """Tell whether a plane is down or calls fail by fits."""
        return self.flawed or any(track.down for track in self.tracks.values())

    # Asking

    def ask(self, now: float) -> None:
        """Ask for the car at once, unless that is about to happen."""
        if not self.series:
            self.series = [now]

    def due(self, now: float) -> list[Plane]:
        """Say what is to be asked now; each is said once."""
        due = []
        if any(at <= now for at in (*self.series, *self.later)):
            due.append(Plane.API)
            late = max(0.0, now - self.series[0]) if self.series else 0.0
            if self.series and self.series[0] <= now:
                self.series = [at + late for at in self.series[1:]]
            self.later = [at for at in self.later if at > now]
        if self.data_again is not None and self.data_again <= now:
            self.data_again = None
            due.append(Plane.DATA)
        return due

    def next_at(self) -> float:
        """Return when `due` has something to say next."""
        if not (self.series or self.later or self.data_again is not None):
            return float("inf")
        times = [*self.series[:1], *self.later]
        if self.data_again is not None:
            times.append(self.data_again)
        return min(times)

    def _begin_series(self, now: float) -> None:
        self.series = [now + offset for offset in SERIES]
        self.later = []

    # Observing

    def observe(self, evidence: Evidence) -> bool:
        """Take in evidence about this car; tell whether it begins a suspicion."""
        plane = _PLANES.get(evidence.meaning.subject)
        if plane is None:
            return self._observe_aside(evidence)
        peculiar = evidence.good or evidence.meaning.reason in _PECULIAR
        if self.api.failing and not peculiar:
            plane = Plane.API
        if plane is Plane.API:
            return self._observe_api(evidence)
        track = self.tracks[plane]
        began = track.observe(evidence)
        if plane is Plane.DATA:
            self._follow_data(evidence, track)
        if peculiar:
            passed_on = self.third_party and plane is Plane.DATA
            return False if passed_on else self._observe_works(evidence)
        if began:
            # Is it this plane alone?
            self.ask(evidence.at)
        return False

    def _observe_aside(self, evidence: Evidence) -> bool:
        if evidence.meaning.reason in (Reason.ASLEEP, Reason.IN_SERVICE):
            self.excuse()
        if evidence.meaning.subject is Subject.ACCOUNT and not self.api.down:
            # A refusal in the maker's own words: its cloud works.
            return self._observe_works(evidence)
        return False

    def _observe_works(self, evidence: Evidence) -> bool:
        return self._observe_api(
            Evidence(meaning=_WORKS, asked_at=evidence.asked_at, at=evidence.at)
        )

    def _observe_api(self, evidence: Evidence) -> bool:
        was_down = self.api.down
        began = self.api.observe(evidence)
        passed = self._note(evidence)
        if began:
            self._begin_series(evidence.at)
        if not evidence.good:
            return began
        self.series = []
        if not was_down:
            if passed:
                self.later = [evidence.at + offset for offset in AFTERWARDS]
            return False
        if self.api.down:
            if not self.later:
                self.later = [evidence.at + offset for offset in RETURN]
            return False
        self.later = []
        if self.provable:
            # An end needs proof from the data, too: in 2021 they stood still for
            # hours after the calls worked again.
            self.proof_until = evidence.at + PROOF_WITHIN
            self.data_again = evidence.at
        return False

    def _follow_data(self, evidence: Evidence, track: Track) -> None:
        if evidence.good:
            self.proof_until = None
            self.data_again = evidence.at + DATA_AGAIN if track.down else None
            return
        if not track.down:
            self.data_again = evidence.at + (
                DATA_AGAIN
                if evidence.meaning.reason is Reason.STALE
                else SERIES[1] - SERIES[0]
            )

    def _note(self, evidence: Evidence) -> bool:
        """Note an answer that the maker gave; tell whether a failure has passed."""
        passed = evidence.good and bool(self.recent) and not self.recent[-1][1]
        if evidence.good or evidence.answered:
            self.recent.append((evidence.at, evidence.good))
        while self.recent and evidence.at - self.recent[0][0] > RECENT:
            self.recent.popleft()
        return passed

    def excuse(self) -> None:
        """Ask no proof of this car's data: they cannot be had."""
        self.proof_until = self.data_again = None

    # Weighing

    def begin_anew(self, now: float, *, silent: bool) -> None:
        """Begin suspicions anew, if `silent` those to which no answer came."""
        for plane, track in self.tracks.items():
            if track.suspected_at is None or (silent and track.answered):
                continue
            track.restart(now)
            if plane is Plane.API:
                self._begin_series(now)
            if plane is Plane.DATA:
                self.data_again = now

    def confirm(self, host: Track, *, planes: Collection[Plane]) -> None:
        """Confirm what has failed long enough, of some planes.

        Answers that came prove themselves; silence needs the contrast of a host that
        did answer meanwhile, or the company of one that is down.
        """
        for plane in planes:
            track = self.tracks[plane]
            if track.ripe and (track.answered or host.down or _contrasts(track, host)):
                track.confirm()
                if plane is Plane.API:
                    self._follow_down()
                if plane is Plane.DATA:
                    self.data_again = self.proof_until = None

    def _follow_down(self) -> None:
        self.series = []
        self.later = []
        self.data_again = None
        for plane in (Plane.DATA, Plane.COMMANDS):
            self.tracks[plane].drop()

    def fade(self, now: float) -> None:
        """Let go of what nobody asks for to see whether it works."""
        track = self.tracks[Plane.COMMANDS]
        if track.down and now - (track.last_bad or now) > COMMANDS_FADE:
            track.clear()
        data = self.tracks[Plane.DATA]
        if not (self.third_party and data.down):
            self.claimed_at = None
        elif self.claimed_at is None:
            self.claimed_at = now
        elif now - self.claimed_at > THIRD_PARTY_FADES:
            data.clear()

    def weigh_fits(self) -> None:
        """See whether the calls fail by fits."""
        if self.api.failing:
            # All of them fail, or none: that is settled by asking again.
            return
        count = len(self.recent)
        goods = [good for _, good in self.recent]
        bad = count - sum(goods)
        if self.flawed:
            self.flawed = count < _FITS_OVER_CALLS or bad >= count * _FITS_OVER
            return
        if bad < _FITS:
            return
        fits = sum(was and not good for was, good in pairwise([True, *goods]))
        self.flawed = fits >= _FITS and bad >= count * _FITS_SHARE

    def works(self, now: float, since: float | None) -> bool | None:
        """Tell whether the calls work, None where nothing counts.

        With `since` only what was asked from then on counts, and never for longer than
        ten minutes.
        """
        if self.api.down:
            return False
        asked_at = self.api.last_good_asked
        oldest = now - RECENT if since is None else max(since, now - RECENT)
        if asked_at is None or asked_at < oldest:
            return None
        return None if self.api.health(now) is Health.DOUBTFUL else True


def _contrasts(track: Track, host: Track) -> bool:
    first, last = track.failed_asks
    return (
        not host.failing
        and (host.last_bad is None or host.last_bad < first)
        and (host.last_good_asked or 0.0) >= last - _CONTRAST
    )
