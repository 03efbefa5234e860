"""Has a car know the Bluetooth key of this home."""

import asyncio
from collections.abc import Callable
from enum import StrEnum

from tesla_fleet_api.exceptions import (
    BluetoothTimeout,
    NotOnWhitelistFault,
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

from .bluetooth import BluetoothLink, trouble_of
from .bluetooth_car import BluetoothCar
from .keys import describe_vin, is_before_refresh

# Seconds. A car waits half a minute for the card, and then for a touch of its screen.
_GREETING = 20.0
_TAP = 75.0
_PACE = 1.0
_FIRST_ANSWER = 5.0


class PairingEnd(StrEnum):
    """How pairing ended."""

    PAIRED = "paired"
    NO_ADAPTER = "no_adapter"
    OUT_OF_RANGE = "out_of_range"
    NO_SLOT = "no_slot"
    NO_CONNECTION = "no_connection"
    NO_ANSWER = "no_answer"
    REFUSED = "refused"
    NOT_TAPPED = "not_tapped"
    KEYCHAIN_FULL = "keychain_full"
    VALET_MODE = "valet_mode"
    NOT_TAKEN = "not_taken"


_ENDS: dict[type[WhitelistOperationStatus], PairingEnd] = {
    WhitelistOperationAttemptingToAddExistingKey: PairingEnd.PAIRED,
    WhitelistOperationWhitelistFull: PairingEnd.KEYCHAIN_FULL,
    WhitelistOperationKeychainWhileFSFull: PairingEnd.KEYCHAIN_FULL,
    WhitelistOperationLocalEntityAuthFailedUIDenied: PairingEnd.REFUSED,
    WhitelistOperationLocalEntityAuthFailedCancelled: PairingEnd.REFUSED,
    WhitelistOperationLocalEntityAuthFailedTimedOutWaitingForTap: PairingEnd.NOT_TAPPED,
    WhitelistOperationLocalEntityAuthFailedTimedOutWaitingForUIAck: (
        PairingEnd.NOT_TAPPED
    ),
    WhitelistOperationLocalEntityAuthFailedValetMode: PairingEnd.VALET_MODE,
}


def speaks_protocol(vin: str) -> bool:
    """Return whether a car is new enough for keys over Bluetooth."""
    return is_before_refresh(*describe_vin(vin), vin) is not True


async def pair(link: BluetoothLink, asked: Callable[[], None]) -> PairingEnd:
    """Ask a car to take the key, and wait until its owner has tapped the card.

    The key gets the role of a driver, the least that locks, unlocks and runs the
    climate. `asked` is called once the car has got the question: the card counts only
    from then on. The question is put once, for the car would ask anew each time.
    """
    async with link.held() as trouble:
        if trouble is not None:
            return PairingEnd(trouble)
        car = link.car
        if (end := await _greet(car)) is not None:
            return end
        car.begin()
        car.key_change = None
        try:
            await car.pair(
                role=Role.ROLE_DRIVER,
                timeout=_FIRST_ANSWER,
                poll_interval=_FIRST_ANSWER,
            )
        except BluetoothTimeout:
            # It may have got it all the same.
            pass
        except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - told apart
            return _end_of(err)
        asked()
        return await _wait_for_card(car)


async def _greet(car: BluetoothCar) -> PairingEnd | None:
    """Return PAIRED if the car knows the key, None if it does not, else the trouble."""
    try:
        async with asyncio.timeout(_GREETING):
            # The status is asked for with the key: whoever gets it can use the key.
            await car.status()
    except NotOnWhitelistFault:
        return None
    except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - told apart
        if car.client is None and isinstance(err, TimeoutError):
            return PairingEnd.NO_CONNECTION
        return PairingEnd(trouble_of(err))
    return PairingEnd.PAIRED


async def _wait_for_card(car: BluetoothCar) -> PairingEnd:
    loop = asyncio.get_running_loop()
    end = loop.time() + _TAP
    while loop.time() < end:
        if car.key_change is not None:
            found = _ENDS.get(car.key_change, PairingEnd.NOT_TAKEN)
            if found is not PairingEnd.PAIRED:
                return found
        if await _greet(car) is PairingEnd.PAIRED:
            return PairingEnd.PAIRED
        await asyncio.sleep(_PACE)
    return PairingEnd.NOT_TAPPED


def _end_of(err: BaseException) -> PairingEnd:
    if isinstance(err, WhitelistOperationStatus):
        return _ENDS.get(type(err), PairingEnd.NOT_TAKEN)
    return PairingEnd(trouble_of(err))
