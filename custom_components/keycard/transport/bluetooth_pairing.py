"""Has a car know the Bluetooth key of this home."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum

from tesla_fleet_api.exceptions import (
    TeslaFleetError,
    WhitelistOperationAttemptingToAddExistingKey,
    WhitelistOperationKeychainWhileFSFull,
    WhitelistOperationLocalEntityAuthFailedCancelled,
    WhitelistOperationLocalEntityAuthFailedTimedOutWaitingForTap,
    WhitelistOperationLocalEntityAuthFailedTimedOutWaitingForUIAck,
    WhitelistOperationLocalEntityAuthFailedUIDenied,
    WhitelistOperationLocalEntityAuthFailedValetMode,
    WhitelistOperationStatus,
    WhitelistOperationWhitelistFull,
)
from tesla_protocol.command.keys_pb2 import Role

from ..vehicle.computer_keys import ComputerTrust
from ..vehicle.keys import decode_vin, is_pre_refresh
from .bluetooth import BluetoothClient
from .bluetooth_vehicle import BluetoothVehicleClient
from .result import BluetoothError, CommandRejection

# Seconds. A car waits half a minute for the card, and then for a touch of its screen.
_CHECK_TIMEOUT = 20.0
_TAP = 75.0
_PACE = 1.0
_INFOTAINMENT = 15.0


class PairingResult(StrEnum):
    """How pairing ended."""

    PAIRED = "paired"
    NO_ADAPTER = "no_adapter"
    OUT_OF_RANGE = "out_of_range"
    NO_SLOT = "no_slot"
    NO_CONNECTION = "no_connection"
    NO_ANSWER = "no_answer"
    STRANGER = "stranger"
    REFUSED = "refused"
    NOT_TAPPED = "not_tapped"
    KEYCHAIN_FULL = "keychain_full"
    VALET_MODE = "valet_mode"
    NOT_TAKEN = "not_taken"


_RESULTS: dict[type[WhitelistOperationStatus], PairingResult] = {
    WhitelistOperationAttemptingToAddExistingKey: PairingResult.PAIRED,
    WhitelistOperationWhitelistFull: PairingResult.KEYCHAIN_FULL,
    WhitelistOperationKeychainWhileFSFull: PairingResult.KEYCHAIN_FULL,
    WhitelistOperationLocalEntityAuthFailedUIDenied: PairingResult.REFUSED,
    WhitelistOperationLocalEntityAuthFailedCancelled: PairingResult.REFUSED,
    WhitelistOperationLocalEntityAuthFailedTimedOutWaitingForTap: (
        PairingResult.NOT_TAPPED
    ),
    WhitelistOperationLocalEntityAuthFailedTimedOutWaitingForUIAck: (
        PairingResult.NOT_TAPPED
    ),
    WhitelistOperationLocalEntityAuthFailedValetMode: PairingResult.VALET_MODE,
}


def supports_phone_key(vin: str) -> bool:
    """Return whether a car is new enough for keys over Bluetooth."""
    return is_pre_refresh(*decode_vin(vin), vin) is not True


async def pair(
    link: BluetoothClient, asked: Callable[[], None], trust: ComputerTrust
) -> PairingResult:
    """Ask a car to take the key, and wait until its owner has tapped the card.

    The key gets the role of a driver, the least that locks, unlocks and runs the
    climate. `asked` is called once the car has got the question: the card counts only
    from then on. The question is put once, for the car would ask anew each time.
    `trust` takes the public keys of the car's computers: what it knows from the cloud
    holds, all else is what the owner stands beside.
    """
    async with link.connection() as trouble:
        if trouble is not None:
            return _end_of_trouble(trouble)
        car = link.car
        before, car.trust = car.trust, trust
        try:
            end = await _ask(link, asked)
            if end is PairingResult.PAIRED:
                await _meet_infotainment(car)
        finally:
            car.trust = before
        return end


async def _ask(link: BluetoothClient, asked: Callable[[], None]) -> PairingResult:
    if (end := await _check_paired(link)) is not None:
        return end
    car = link.car
    car.reset()
    try:
        await car.ask_for_key(Role.ROLE_DRIVER)
    except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - told apart
        return _end_of_trouble(link.bluetooth_error(err))
    if (end := _refusal(car)) is not None:
        return end
    asked()
    return await _wait_for_card(link)


async def _meet_infotainment(car: BluetoothVehicleClient) -> None:
    """Let the infotainment computer make a session, so that its key is known, too."""
    with suppress(Exception, TeslaFleetError):
        async with asyncio.timeout(_INFOTAINMENT):
            await car.ensure_awake()


async def _check_paired(link: BluetoothClient) -> PairingResult | None:
    """Return PAIRED if the car knows the key, None if it does not, else the trouble."""
    car = link.car
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT):
            # The status is asked for with the key: whoever gets it can use the key.
            await car.status()
    except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - told apart
        # With a session from before, the car names it another way.
        if car.rejection(err) is CommandRejection.KEY_NOT_PAIRED:
            return None
        if car.client is None and isinstance(err, TimeoutError):
            return PairingResult.NO_CONNECTION
        return _end_of_trouble(link.bluetooth_error(err))
    return PairingResult.PAIRED


async def _wait_for_card(link: BluetoothClient) -> PairingResult:
    """Listen until the car tells what became of the key, or time is over.

    The car may have told it while the connection was lost, so it is asked, too.
    """
    car = link.car
    try:
        async with asyncio.timeout(_TAP):
            while (end := _refusal(car)) is None:
                if await _check_paired(link) is PairingResult.PAIRED:
                    return PairingResult.PAIRED
                await asyncio.sleep(_PACE)
            return end
    except TimeoutError:
        return _refusal(car) or PairingResult.NOT_TAPPED


def _refusal(car: BluetoothVehicleClient) -> PairingResult | None:
    """Return why the car did not take the key, as far as it has said so."""
    if car.key_change is None:
        return None
    end = _RESULTS.get(car.key_change, PairingResult.NOT_TAKEN)
    # Whether a key is there shows when it is used.
    return None if end is PairingResult.PAIRED else end


def _end_of_trouble(trouble: BluetoothError) -> PairingResult:
    # Who stops to seal in the middle of pairing is another one.
    return (
        PairingResult.STRANGER
        if trouble is BluetoothError.UNSEALED
        else PairingResult(trouble)
    )
