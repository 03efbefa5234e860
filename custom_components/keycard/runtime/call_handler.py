"""Handle the results of API calls."""

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
from ..helpers.isolation import isolated
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
    """Handle the results of the API calls of an entry.

    `record_evidence` gets the evidence of a call after the data of the vehicle are
    published. `on_token_refresh` is called once the detector knows the result of a
    refresh, `schedule_save` after new data.
    """

    hass: HomeAssistant
    entry: ConfigEntry
    hosts: Endpoints
    detector: OutageDetector
    vehicles: VehicleManager
    sign_in: OAuthSession | None
    record_evidence: Callable[[Evidence], None]
    on_token_refresh: Callable[[], None]
    schedule_save: Callable[[], None]

    @callback
    def async_handle_call(
        self, call_type: CallType, vin: str | None, call: ApiCall
    ) -> None:
        """Update vehicle and evidence from a call; `vin` is None for the account's."""
        vehicles = self.vehicles.vehicles
        if not call.sent or not (vin is None or vin in vehicles):
            return
        third_party = self.detector.third_party
        classification = classify_call(call_type, call, third_party=third_party)
        coordinator = None if vin is None else vehicles[vin]
        vehicle = None if coordinator is None else coordinator.vehicle
        if classification.verdict is Verdict.GOOD and call.body is not None:
            classification = self._apply(call_type, call, vehicle, classification)
        if classification.reason is Reason.WRONG_REGION:
            self._async_switch_region(call.answer.body)
        if classification.reason is Reason.UNAUTHORIZED and self.sign_in is not None:
            self.sign_in.async_invalidate()
        evidence = make_evidence(
            classification,
            call.answer,
            vehicle_id=vin,
            model=vehicle.model if vehicle else None,
            kind=call_type.kind,
        )
        if coordinator is not None:
            coordinator.async_record_evidence(evidence)
        self.record_evidence(evidence)

    def _apply(
        self,
        call_type: CallType,
        call: ApiCall,
        vehicle: Vehicle | None,
        classification: Classification,
    ) -> Classification:
        """Update the vehicles, and return the classification in view of their data."""
        utcnow = dt_util.utcnow()
        if call_type is CallType.PRODUCTS:
            self.vehicles.async_update_products(call)
        if vehicle is None or call.body is None:
            return classification
        if call_type is CallType.SUMMARY:
            vehicle.apply_summary(call.body, utcnow)
        elif self._is_old(vehicle, call.body):
            vehicle.apply_summary(call.body, utcnow)
            return STALE if vehicle.is_stale(call.body) else CACHED
        else:
            vehicle.apply_data(call.body, utcnow)
            self.schedule_save()
        return classification

    def _is_old(self, vehicle: Vehicle, body: JsonObject) -> bool:
        """Return whether data are no newer than the known ones.

        A third party also returns those of a vehicle that has fallen asleep.
        """
        if not self.detector.third_party:
            return vehicle.is_stale(body)
        known, taken = vehicle.data_at, data_time(body)
        return known is not None and taken is not None and taken <= known

    def _async_switch_region(self, refusal: str) -> None:
        """Switch to the host of the account's region that Tesla named, if allowed.

        Two regions that name each other must not send it back and forth for ever.
        """
        if self.detector.third_party:
            return
        entry, utcnow = self.entry, dt_util.utcnow()
        current = entry.data[CONF_BASE_URL]
        regions = self.hosts.regions
        named = redirect_host(refusal, regions.values(), current=current)
        moves = recent_moves(_moves_of(entry), utcnow)
        if named is None or not may_move(named, moves, utcnow):
            return
        region = next(one for one, url in regions.items() if url == named)
        _LOGGER.info("%s: The account belongs to region %s", entry.title, region)
        moves.append(Move(left=current, at=utcnow))
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
    def async_handle_token_refresh(self, failure: HttpResult | None) -> None:
        """Update the detector from a token refresh; `failure` is None if it worked."""
        if failure is None:
            monotonic = time.monotonic()
            self.detector.account.observe_renewal(monotonic)
            evidence = Evidence(classification=RENEWED, sent_at=monotonic, at=monotonic)
        else:
            # An answer of 200 failed because it held no usable token.
            readable = False if failure.status == 200 else None
            evidence = make_evidence(
                classify(RequestType.TOKEN, failure, readable=readable), failure
            )
        with isolated("the detector's update from a token refresh"):
            self._observe_token_refresh(evidence)
        self.on_token_refresh()

    def _observe_token_refresh(self, evidence: Evidence) -> None:
        if not self.detector.third_party:
            self.detector.observe_token_refresh(evidence)
        elif not evidence.good:
            # A third party renews its own tokens: no vehicle can be called.
            for vin, coordinator in self.vehicles.vehicles.items():
                model = coordinator.vehicle.model
                self.detector.observe_call(
                    evidence.as_vehicle_evidence(vehicle_id=vin, model=model)
                )


def _moves_of(entry: ConfigEntry) -> Iterator[Move]:
    """Yield the stored region switches of an account."""
    for stored in entry.data.get(CONF_MOVES, ()):
        if (at := dt_util.parse_datetime(stored["at"])) is not None:
            yield Move(left=stored[CONF_BASE_URL], at=at)
