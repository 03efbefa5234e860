"""Pairing of a vehicle with the Bluetooth key."""

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

# Seconds. A vehicle waits 30 s for the card, and then for a confirmation on its screen.
_CHECK_TIMEOUT = 20.0
_TAP_TIMEOUT = 75.0
_CHECK_INTERVAL = 1.0
_INFOTAINMENT_TIMEOUT = 15.0


class PairingResult(StrEnum):
    """Result of pairing."""

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
    """Return whether a vehicle is new enough for Bluetooth keys."""
    return is_pre_refresh(*decode_vin(vin), vin) is not True


async def pair(
    client: BluetoothClient, on_requested: Callable[[], None], trust: ComputerTrust
) -> PairingResult:
    """Request that a vehicle adds the key, and wait until the user has tapped the card.

    The key gets the role of a driver, the least that locks, unlocks and controls the
    climate. `on_requested` is called once the vehicle has received the request, as the
    card counts only from then on. The request is sent once, since each one prompts the
    user again. `trust` receives the public keys of the vehicle's computers; its keys
    from the cloud stay, all others are those of the vehicle next to the user.
    """
    async with client.connection() as error:
        if error is not None:
            return _result_of_error(error)
        vehicle = client.vehicle
        previous_trust, vehicle.trust = vehicle.trust, trust
        try:
            result = await _request_key(client, on_requested)
            if result is PairingResult.PAIRED:
                await _learn_infotainment_key(vehicle)
        finally:
            vehicle.trust = previous_trust
        return result


async def _request_key(
    client: BluetoothClient, on_requested: Callable[[], None]
) -> PairingResult:
    if (result := await _check_paired(client)) is not None:
        return result
    vehicle = client.vehicle
    vehicle.reset()
    try:
        await vehicle.request_key(Role.ROLE_DRIVER)
    except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - classified below
        return _result_of_error(client.bluetooth_error(err))
    if (result := _rejection(vehicle)) is not None:
        return result
    on_requested()
    return await _wait_for_card(client)


async def _learn_infotainment_key(vehicle: BluetoothVehicleClient) -> None:
    """Make a session with infotainment to learn its public key."""
    with suppress(Exception, TeslaFleetError):
        async with asyncio.timeout(_INFOTAINMENT_TIMEOUT):
            await vehicle.ensure_awake()


async def _check_paired(client: BluetoothClient) -> PairingResult | None:
    """Return PAIRED if the vehicle has the key, None if it has not, or the error."""
    vehicle = client.vehicle
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT):
            # A status request is signed, so a reply proves that the key is paired.
            await vehicle.status()
    except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - classified below
        # With an existing session, the vehicle reports it as another error.
        if vehicle.rejection(err) is CommandRejection.KEY_NOT_PAIRED:
            return None
        if vehicle.client is None and isinstance(err, TimeoutError):
            return PairingResult.NO_CONNECTION
        return _result_of_error(client.bluetooth_error(err))
    return PairingResult.PAIRED


async def _wait_for_card(client: BluetoothClient) -> PairingResult:
    """Wait until the vehicle reports a result, or time out.

    The report may be lost with the connection, so the vehicle is also checked.
    """
    vehicle = client.vehicle
    try:
        async with asyncio.timeout(_TAP_TIMEOUT):
            while (result := _rejection(vehicle)) is None:
                if await _check_paired(client) is PairingResult.PAIRED:
                    return PairingResult.PAIRED
                await asyncio.sleep(_CHECK_INTERVAL)
            return result
    except TimeoutError:
        return _rejection(vehicle) or PairingResult.NOT_TAPPED


def _rejection(vehicle: BluetoothVehicleClient) -> PairingResult | None:
    """Return why the vehicle did not add the key, None if it reported nothing."""
    if vehicle.key_error is None:
        return None
    result = _RESULTS.get(vehicle.key_error, PairingResult.NOT_TAKEN)
    # Only using a key proves that it was added.
    return None if result is PairingResult.PAIRED else result


def _result_of_error(error: BluetoothError) -> PairingResult:
    # A device that stops sealing during pairing is another one.
    return (
        PairingResult.STRANGER
        if error is BluetoothError.UNSEALED
        else PairingResult(error)
    )
