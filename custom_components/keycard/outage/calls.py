"""What the calls for the owner's cars tell."""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from .evidence import Evidence, Meaning, Reason, Subject, Verdict
from .track import CALLS, COMMANDS, DATA, RECENT, Health, Rule, Track
from .words import Plane

# A suspicion about a car's calls is settled by asking again after so many seconds.
SERIES = (0.0, 6.0, 12.0, 18.0, 24.0, 31.0)
DATA_AGAIN = 65.0
COMMANDS_FADE = 3600.0
PROOF_WITHIN = 900.0

_FIT_SHARE = 0.2
_FIT_COUNT = 4

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
_WORKS = Meaning(subject=Subject.API, verdict=Verdict.GOOD, reason=Reason.OK)


class Outcome(StrEnum):
    """What the calls of a time come to."""

    ALL_FAIL = "all_fail"
    SOME_FAIL = "some_fail"
    FINE = "fine"
    NONE = "none"


@dataclass(kw_only=True)
class CarCalls:
    """The calls for one car: a history for each plane."""

    model: str | None = None
    tracks: dict[Plane, Track] = field(
        default_factory=lambda: {
            plane: Track(rule=rule, verified=True) for plane, rule in _RULES.items()
        }
    )
    series: list[float] = field(default_factory=list)
    data_again: float | None = None
    proof_until: float | None = None
    flawed: bool = False
    recent: deque[tuple[float, bool]] = field(default_factory=deque)

    def observe(self, evidence: Evidence) -> None:
        """Take in a piece of evidence about this car."""
        plane = _PLANES.get(evidence.meaning.subject)
        if plane is None:
            self._observe_aside(evidence)
            return
        track = self.tracks[plane]
        was_down, was_suspected = track.down, track.suspected_at is not None
        track.observe(evidence)
        if plane is Plane.API:
            self._follow_api(evidence, was_down=was_down, was_suspected=was_suspected)
            return
        if plane is Plane.DATA:
            self._follow_data(evidence, track)
        if evidence.good:
            self._observe_works(evidence)

    def _observe_aside(self, evidence: Evidence) -> None:
        if evidence.meaning.reason in (Reason.ASLEEP, Reason.IN_SERVICE):
            self.proof_until = None
        if evidence.meaning.subject is Subject.ACCOUNT:
            # A refusal in the maker's own words: its cloud works.
            self._observe_works(evidence)

    def _observe_works(self, evidence: Evidence) -> None:
        self.observe(
            Evidence(meaning=_WORKS, asked_at=evidence.asked_at, at=evidence.at)
        )

    def _follow_api(
        self, evidence: Evidence, *, was_down: bool, was_suspected: bool
    ) -> None:
        track = self.tracks[Plane.API]
        self._note(evidence)
        if evidence.good:
            self.series = []
            if was_down and not track.down:
                # An end needs proof from the data, too: in 2021 they stood still
                # for hours after the calls worked again.
                self.proof_until = evidence.at + PROOF_WITHIN
                self.data_again = evidence.at
                self.recent.clear()
        elif track.suspected_at is not None and not was_suspected:
            self.series = [evidence.at + offset for offset in SERIES]

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

    def _note(self, evidence: Evidence) -> None:
        """Note the answers that the maker gave, for failures by fits."""
        if evidence.good or evidence.answered:
            self.recent.append((evidence.at, evidence.good))
        while self.recent and evidence.at - self.recent[0][0] > RECENT:
            self.recent.popleft()

    def confirm(self, *, contrast: bool) -> None:
        """Confirm what has failed long enough.

        Answers that came prove themselves; silence needs the contrast of a host that
        does answer.
        """
        for plane, track in self.tracks.items():
            if track.ripe and (track.answered or contrast):
                track.confirm()
                if plane is Plane.API:
                    self.series = []
                    self.recent.clear()
                if plane is Plane.DATA:
                    self.data_again = self.proof_until = None

    def fade(self, now: float) -> None:
        """Let go of failed commands: nobody asks for one to see whether it works."""
        track = self.tracks[Plane.COMMANDS]
        if track.down and now - (track.last_bad or now) > COMMANDS_FADE:
            track.clear()
        if self.tracks[Plane.API].failing:
            # All of them fail, or none: that is settled by asking again.
            return
        count = len(self.recent)
        bad = sum(not good for _, good in self.recent)
        share = bad / count if count else 0.0
        self.flawed = share >= _FIT_SHARE and (self.flawed or bad >= _FIT_COUNT)

    def api(self, now: float, since: float | None) -> bool | None:
        """Tell whether the calls work, None where nothing counts.

        With `since` only what was asked from then on counts.
        """
        track = self.tracks[Plane.API]
        if track.down:
            return False
        if track.last_good_asked is None:
            return None
        oldest = now - RECENT if since is None else since
        if track.health(now) is Health.DOUBTFUL or track.last_good_asked < oldest:
            return None
        return True
