"""What the calls of an entry bring: to its cars, and to its judge."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
import logging
import time

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_REGION
from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from ..auth.oauth import OAuthSession
from ..const import CONF_BASE_URL, CONF_MOVES
from ..outage.classifier import classify
from ..outage.detector import OutageDetector
from ..outage.endpoints import Endpoints
from ..outage.evidence import (
    CACHED,
    RENEWED,
    STALE,
    Classification,
    Evidence,
    Reason,
    RequestType,
    Verdict,
    make_evidence,
)
from ..outage.region_moves import Move, may_move, recent_moves, redirect_host
from ..transport.http import HttpResult
from ..transport.result import ApiCall
from ..vehicle.parsing import JsonObject
from ..vehicle.state import data_time
from ..vehicle.vehicle import Vehicle
from .vehicle_poller import CallType, classify_call
from .vehicles import VehicleManager

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ApiCallHandler:
    """Take in what calls bring.

    `observe` takes the evidence of each, `renewed` is called once the judge has heard
    how renewing the sign-in went, `learnt` when a car told something to be kept.
    """

    hass: HomeAssistant
    entry: ConfigEntry
    hosts: Endpoints
    detector: OutageDetector
    vehicles: VehicleManager
    sign_in: OAuthSession | None
    record_evidence: Callable[[Evidence], None]
    renewed: Callable[[], None]
    schedule_save: Callable[[], None]

    @callback
    def async_handle_call(self, ask: CallType, vin: str | None, call: ApiCall) -> None:
        """Take in what a call brought."""
        cars = self.vehicles.cars
        if not call.sent or not (vin is None or vin in cars):
            return
        third_party = self.detector.third_party
        meaning = classify_call(ask, call, third_party=third_party)
        car = None if vin is None else cars[vin].vehicle
        if meaning.verdict is Verdict.GOOD and call.body is not None:
            meaning = self._apply(ask, call, car, meaning)
        if meaning.reason is Reason.WRONG_REGION:
            self._async_switch_region(call.answer.body)
        if meaning.reason is Reason.UNAUTHORIZED and self.sign_in is not None:
            self.sign_in.async_invalidate()
        if vin is not None and not cars[vin].vehicle.online:
            self.detector.waive_recovery_proof(vin)
        model = car.model if car else None
        self.record_evidence(
            make_evidence(meaning, call.answer, car=vin, model=model, kind=ask.kind)
        )

    def _apply(
        self, ask: CallType, call: ApiCall, car: Vehicle | None, meaning: Classification
    ) -> Classification:
        """Tell the cars what is new, and return what that means in their light."""
        now = dt_util.utcnow()
        if ask is CallType.PRODUCTS:
            self.vehicles.async_update_products(call)
        if car is None or call.body is None:
            return meaning
        if ask is CallType.SUMMARY:
            car.apply_summary(call.body, now)
        elif self._is_old(car, call.body):
            car.apply_summary(call.body, now)
            return STALE if car.is_stale(call.body) else CACHED
        else:
            car.apply_data(call.body, now)
            self.schedule_save()
        return meaning

    def _is_old(self, car: Vehicle, body: JsonObject) -> bool:
        """Tell whether data are no newer than what is known.

        A third party also shows those of a car that has fallen asleep.
        """
        if not self.detector.third_party:
            return car.is_stale(body)
        known, taken = car.data_at, data_time(body)
        return known is not None and taken is not None and taken <= known

    def _async_switch_region(self, refusal: str) -> None:
        """Use and store the host that Tesla names for this account, if it may be used.

        Two regions that name each other must not send it back and forth for ever.
        """
        if self.detector.third_party:
            return
        entry, now = self.entry, dt_util.utcnow()
        current = entry.data[CONF_BASE_URL]
        regions = self.hosts.regions
        named = redirect_host(refusal, regions.values(), current=current)
        moves = recent_moves(_moves_of(entry), now)
        if named is None or not may_move(named, moves, now):
            return
        region = next(one for one, url in regions.items() if url == named)
        _LOGGER.info("%s: the account belongs to region %s", entry.title, region)
        moves.append(Move(left=current, at=now))
        self.hass.config_entries.async_update_entry(
            entry,
            data={
                **entry.data,
                CONF_BASE_URL: named,
                CONF_REGION: region,
                CONF_MOVES: [
                    {CONF_BASE_URL: move.left, "at": move.at.isoformat()}
                    for move in moves
                ],
            },
        )
        self.hass.config_entries.async_schedule_reload(entry.entry_id)

    @callback
    def async_renewed(self, answer: HttpResult | None) -> None:
        """Take in how renewing the sign-in went; None is that it went well."""
        if answer is None:
            now = time.monotonic()
            found = Evidence(classification=RENEWED, sent_at=now, at=now)
        else:
            # An answer of 200 failed for it held no token that can be used.
            readable = False if answer.status == 200 else None
            found = make_evidence(
                classify(RequestType.TOKEN, answer, readable=readable), answer
            )
        if not self.detector.third_party:
            self.detector.observe_token_refresh(found)
        elif not found.good:
            # A service in between renews its own sign-ins: no car can be called.
            for vin, car in self.vehicles.cars.items():
                self.detector.observe_call(
                    found.as_vehicle_evidence(car=vin, model=car.vehicle.model)
                )
        self.renewed()


def _moves_of(entry: ConfigEntry) -> Iterator[Move]:
    """Return how the account of an entry has moved between regions."""
    for kept in entry.data.get(CONF_MOVES, ()):
        if (at := dt_util.parse_datetime(kept["at"])) is not None:
            yield Move(left=kept[CONF_BASE_URL], at=at)
