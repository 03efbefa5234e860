"""Tests of the computer keys of a vehicle and the trust in Bluetooth devices."""

from typing import Any

import pytest

from custom_components.keycard.vehicle.computer_keys import (
    BluetoothHistory,
    Computer,
    ComputerKeys,
    ComputerTrust,
    KeySource,
    Pairing,
)
from custom_components.keycard.vehicle.poll_schedule import (
    BLUETOOTH_DELAY,
    BLUETOOTH_INTERVAL,
    BluetoothPollSchedule,
)
from custom_components.keycard.vehicle.vehicle import Vehicle

LOCKS, SCREEN = Computer.VEHICLE_SECURITY, Computer.INFOTAINMENT
ONE, OTHER = (b"\x04" + bytes([digit]) * 64 for digit in (1, 2))
HOUR = 3600.0


def test_each_computer_has_its_own_key() -> None:
    keys = ComputerKeys().with_bluetooth_key(LOCKS, ONE)
    assert keys.contradicts(LOCKS, OTHER)
    assert not keys.contradicts(LOCKS, ONE)
    assert not keys.contradicts(SCREEN, OTHER)
    assert keys.with_bluetooth_key(LOCKS, OTHER) == keys


def test_first_seen_key_is_provisional_until_cloud_or_pairing_verifies_it() -> None:
    keys = ComputerKeys()
    assert not keys.is_provisional
    assert not keys.is_verified(LOCKS)
    keys = keys.with_bluetooth_key(LOCKS, ONE)
    assert keys.is_provisional
    assert not keys.is_verified(LOCKS)
    paired = keys.with_pairing(Pairing(at="now", points={LOCKS: OTHER}))
    assert not paired.is_provisional
    assert paired.is_verified(LOCKS)
    assert paired.contradicts(LOCKS, ONE)
    assert paired.with_bluetooth_key(SCREEN, ONE).is_provisional
    cloud = keys.with_cloud_key(LOCKS, OTHER)
    assert not cloud.is_provisional
    assert cloud.contradicts(LOCKS, ONE)


def test_cloud_key_outranks_pairing_and_pairing_resets_other_keys() -> None:
    keys = (
        ComputerKeys()
        .with_cloud_key(LOCKS, ONE)
        .with_bluetooth_key(SCREEN, ONE)
        .with_sealed_answer(LOCKS)
    )
    keys = keys.with_pairing(Pairing(at="now", points={LOCKS: OTHER, SCREEN: OTHER}))
    assert keys.vehicle_security is not None
    assert (keys.vehicle_security.point, keys.vehicle_security.source) == (
        ONE,
        KeySource.CLOUD,
    )
    assert keys.infotainment is not None
    assert keys.infotainment.source is KeySource.PAIRING
    assert not keys.seals_status
    # The same pairing counts once.
    sealing = keys.with_sealed_answer(LOCKS)
    assert sealing.with_pairing(Pairing(at="now", points={SCREEN: OTHER})) is sealing


def test_keys_survive_a_restart() -> None:
    keys = (
        ComputerKeys(paired_at="now")
        .with_cloud_key(LOCKS, ONE)
        .with_bluetooth_key(SCREEN, OTHER)
    )
    keys = keys.with_sealed_answer(LOCKS)
    assert ComputerKeys.from_json(keys.to_json()) == keys
    car = Vehicle(id="A", name="A", trust=ComputerTrust(keys))
    assert Vehicle.from_json(car.to_json()).trust.keys == keys


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "text",
        {},
        {"vehicle_security": None},
        {"vehicle_security": {"point": ONE.hex(), "source": "guessed"}},
        {"vehicle_security": {"point": "zz", "source": "cloud"}},
        {"vehicle_security": {"point": ONE.hex()[2:], "source": "cloud"}},
        {"vehicle_security": {"point": 4, "source": "cloud"}},
    ],
)
def test_invalid_stored_keys_are_ignored(stored: Any) -> None:
    assert ComputerKeys.from_json(stored) == ComputerKeys()
    old = {"id": "A", "name": "A", "state": None}
    assert Vehicle.from_json(old).trust.keys == ComputerKeys()


@pytest.mark.parametrize(
    "stored",
    [None, {}, {"paired_at": "now"}, {"vehicle_security": ONE.hex()}, {"paired_at": 1}],
)
def test_invalid_stored_pairing_is_ignored(stored: Any) -> None:
    assert Pairing.from_json(stored) is None
    pairing = Pairing(at="now", points={LOCKS: ONE})
    assert Pairing.from_json(pairing.to_json()) == pairing


@pytest.mark.parametrize(
    ("refused_at", "lost"),
    [
        ([0.0, HOUR], False),
        ([0.0, 10.0, 20.0, HOUR - 1], False),
        ([0.0, 10.0, HOUR], True),
        ([0.0, *(float(second) for second in range(1, 50)), HOUR], True),
    ],
)
def test_key_counts_as_removed_after_three_refusals_over_an_hour(
    refused_at: list[float], *, lost: bool
) -> None:
    history = BluetoothHistory()
    for now in refused_at:
        history = history.with_refusal(now)
    assert history.is_key_removed is lost
    assert len(history.refusals) <= 3
    # A proven session in between begins the count anew.
    assert (
        not history.with_proven_session(refused_at[-1])
        .with_refusal(refused_at[-1] + HOUR)
        .is_key_removed
    )


def test_stranger_is_forgotten_by_a_proven_session_an_hour_later() -> None:
    history = BluetoothHistory().with_stranger(0.0)
    assert history.has_impostor
    assert history.with_proven_session(HOUR - 1).has_impostor
    assert not history.with_proven_session(HOUR).has_impostor
    assert (
        not history.with_proven_session(HOUR)
        .with_stranger(HOUR)
        .with_proven_session(3 * HOUR)
        .has_impostor
    )


def test_rejected_session_is_recorded_and_only_changes_are_reported() -> None:
    trust = ComputerTrust()
    changes: list[ComputerKeys] = []
    trust.add_listener(lambda: changes.append(trust.keys))
    assert trust.accept_session(LOCKS, ONE, 0.0)
    trust.record_session(LOCKS, ONE, 0.0)
    trust.record_session(LOCKS, ONE, 1.0)
    assert len(changes) == 1
    assert not trust.accept_session(LOCKS, OTHER, 2.0)
    assert trust.history.has_impostor
    # An open status is no news where none was ever sealed.
    unsealed = []
    for sealed in (False, True, False):
        trust.record_answer(LOCKS, sealed=sealed)
        unsealed.append(trust.history.has_unsealed_answer)
    assert unsealed == [False, False, True]
    trust.apply_pairing(Pairing(at="now", points={LOCKS: OTHER}))
    assert trust.history == BluetoothHistory()
    assert len(changes) == 3


def test_sealing_is_tracked_per_computer() -> None:
    trust = ComputerTrust()
    unsealed = []
    for computer, sealed in (
        (LOCKS, True),
        (SCREEN, False),
        (SCREEN, True),
        (SCREEN, False),
        # What one computer seals does not make up for the other.
        (LOCKS, True),
        (SCREEN, True),
    ):
        trust.record_answer(computer, sealed=sealed)
        unsealed.append(trust.history.has_unsealed_answer)
    assert unsealed == [False, False, False, True, True, False]
    assert ComputerKeys.from_json(trust.keys.to_json()) == trust.keys
    trust.apply_pairing(Pairing(at="now", points={LOCKS: OTHER}))
    assert not any(trust.keys.has_sealed(computer) for computer in Computer)


def test_many_broadcasts_request_one_poll() -> None:
    poll_schedule = BluetoothPollSchedule()
    poll_schedule.update_reachability(
        in_range=True, cloud_unavailable=False, monotonic=0.0
    )
    poll_schedule.record_poll(0.0, answered=True, cloud_unavailable=False)
    poll_schedule.record_broadcast(10.0)
    assert poll_schedule.next_poll_at() == 10.0 + BLUETOOTH_DELAY
    poll_schedule.record_poll(12.0, answered=True, cloud_unavailable=False)
    poll_schedule.record_broadcast(13.0)
    assert poll_schedule.next_poll_at() > 10.0 + BLUETOOTH_INTERVAL
    poll_schedule.record_broadcast(10.0 + BLUETOOTH_INTERVAL)
    assert poll_schedule.next_poll_at() == 10.0 + BLUETOOTH_INTERVAL + BLUETOOTH_DELAY
