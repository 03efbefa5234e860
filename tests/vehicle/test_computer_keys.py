"""Which device is believed to be a vehicle: pure decisions, times handed in."""

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
    LOOK,
    SOON,
    BluetoothPollSchedule,
)
from custom_components.keycard.vehicle.vehicle import Vehicle

LOCKS, SCREEN = Computer.VEHICLE_SECURITY, Computer.INFOTAINMENT
ONE, OTHER = (b"\x04" + bytes([digit]) * 64 for digit in (1, 2))
HOUR = 3600.0


def test_each_computer_has_a_key_of_its_own() -> None:
    keys = ComputerKeys().seen(LOCKS, ONE)
    assert keys.contradicts(LOCKS, OTHER)
    assert not keys.contradicts(LOCKS, ONE)
    assert not keys.contradicts(SCREEN, OTHER)
    assert keys.seen(LOCKS, OTHER) == keys


def test_what_is_first_seen_is_provisional_until_cloud_or_pairing_settles_it() -> None:
    keys = ComputerKeys()
    assert not keys.provisional
    assert not keys.settled(LOCKS)
    keys = keys.seen(LOCKS, ONE)
    assert keys.provisional
    assert not keys.settled(LOCKS)
    paired = keys.paired(Pairing(at="now", points={LOCKS: OTHER}))
    assert not paired.provisional
    assert paired.settled(LOCKS)
    assert paired.contradicts(LOCKS, ONE)
    assert paired.seen(SCREEN, ONE).provisional
    cloud = keys.received(LOCKS, OTHER)
    assert not cloud.provisional
    assert cloud.contradicts(LOCKS, ONE)


def test_the_cloud_wins_over_a_pairing_and_a_pairing_begins_the_rest_anew() -> None:
    keys = ComputerKeys().received(LOCKS, ONE).seen(SCREEN, ONE).sealing(LOCKS)
    keys = keys.paired(Pairing(at="now", points={LOCKS: OTHER, SCREEN: OTHER}))
    assert keys.vehicle_security is not None
    assert (keys.vehicle_security.point, keys.vehicle_security.source) == (
        ONE,
        KeySource.CLOUD,
    )
    assert keys.infotainment is not None
    assert keys.infotainment.source is KeySource.PAIRING
    assert not keys.seals_status
    # The same pairing counts once.
    sealing = keys.sealing(LOCKS)
    assert sealing.paired(Pairing(at="now", points={SCREEN: OTHER})) is sealing


def test_keys_are_kept_over_a_restart() -> None:
    keys = ComputerKeys(paired_at="now").received(LOCKS, ONE).seen(SCREEN, OTHER)
    keys = keys.sealing(LOCKS)
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
def test_what_an_older_version_stored_is_nothing_known(stored: Any) -> None:
    assert ComputerKeys.from_json(stored) == ComputerKeys()
    old = {"id": "A", "name": "A", "state": None}
    assert Vehicle.from_json(old).trust.keys == ComputerKeys()


@pytest.mark.parametrize(
    "stored",
    [None, {}, {"paired_at": "now"}, {"vehicle_security": ONE.hex()}, {"paired_at": 1}],
)
def test_a_pairing_that_cannot_be_read_is_none(stored: Any) -> None:
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
def test_a_key_is_lost_after_three_refusals_over_an_hour(
    refused_at: list[float], *, lost: bool
) -> None:
    history = BluetoothHistory()
    for now in refused_at:
        history = history.refused(now)
    assert history.key_lost is lost
    assert len(history.refusals) <= 3
    # A proven session in between begins the count anew.
    assert not history.proven(refused_at[-1]).refused(refused_at[-1] + HOUR).key_lost


def test_a_stranger_is_forgotten_an_hour_later_once_the_car_proves_itself() -> None:
    history = BluetoothHistory().met_stranger(0.0)
    assert history.pretender
    assert history.proven(HOUR - 1).pretender
    assert not history.proven(HOUR).pretender
    assert not history.proven(HOUR).met_stranger(HOUR).proven(3 * HOUR).pretender


def test_trust_notes_what_it_does_not_admit_and_tells_of_news_only() -> None:
    trust = ComputerTrust()
    changes: list[ComputerKeys] = []
    trust.changed = lambda: changes.append(trust.keys)
    assert trust.admits(LOCKS, ONE, 0.0)
    trust.prove(LOCKS, ONE, 0.0)
    trust.prove(LOCKS, ONE, 1.0)
    assert len(changes) == 1
    assert not trust.admits(LOCKS, OTHER, 2.0)
    assert trust.history.pretender
    # An open status is no news where none was ever sealed.
    unsealed = []
    for sealed in (False, True, False):
        trust.record_answer(LOCKS, sealed=sealed)
        unsealed.append(trust.history.unsealed)
    assert unsealed == [False, False, True]
    trust.pair(Pairing(at="now", points={LOCKS: OTHER}))
    assert trust.history == BluetoothHistory()
    assert len(changes) == 3


def test_each_computer_seals_or_does_not_on_its_own() -> None:
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
        unsealed.append(trust.history.unsealed)
    assert unsealed == [False, False, False, True, True, False]
    assert ComputerKeys.from_json(trust.keys.to_json()) == trust.keys
    trust.pair(Pairing(at="now", points={LOCKS: OTHER}))
    assert not any(trust.keys.seals(computer) for computer in Computer)


def test_a_broadcast_makes_keycard_ask_and_many_do_not_make_it_ask_more() -> None:
    listening = BluetoothPollSchedule()
    listening.follow(near=True, alone=False, now=0.0)
    listening.record_poll(0.0, heard=True, alone=False)
    listening.hint(10.0)
    assert listening.due() == 10.0 + SOON
    listening.record_poll(12.0, heard=True, alone=False)
    listening.hint(13.0)
    assert listening.due() > 10.0 + LOOK
    listening.hint(10.0 + LOOK)
    assert listening.due() == 10.0 + LOOK + SOON
