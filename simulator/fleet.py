"""The cars of a simulator, the keys that they obey and what may befall them."""

from collections.abc import Callable

from .bluetooth import BluetoothEnvironment
from .cloud.accounts import CLIENT
from .cloud.partner_apps import PartnerApps
from .protocol import (
    CommandFault,
    Key,
    PairingState,
    Role,
    VehicleComputers,
    WhitelistError,
)
from .scenarios.conditions import ConditionError
from .scenarios.scenario import SIGNING, CarSpec, Home
from .vehicle.car import Car


class Fleet:
    """Cars by name, each with its computers, and the air around them."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.cars: dict[str, Car] = {}
        self.computers: dict[str, VehicleComputers] = {}
        self.bluetooth = BluetoothEnvironment(self.cars, self.computers, now)
        self.apps = PartnerApps()
        self._now = now

    def car(self, name: str) -> Car:
        """Return a car; raise a ConditionError if there is none of this name."""
        if name not in self.cars:
            message = f"unknown car {name!r}; the cars are: {', '.join(self.cars)}"
            raise ConditionError(message)
        return self.cars[name]

    def set_signing(self, name: str, signing: str) -> None:
        """Set whether a car's commands must be signed: required, allowed or off."""
        if signing not in SIGNING:
            message = f"unknown signing {signing!r}; allowed: {', '.join(SIGNING)}"
            raise ConditionError(message)
        self.car(name).signing = signing

    def pair(self, name: str, key: Key, role: Role = Role.FLEET_MANAGER) -> None:
        """Let a car obey a key, as after the owner has followed the pairing link."""
        self.car(name)
        try:
            self.computers[name].whitelist.add(key, role)
        except WhitelistError as err:
            raise ConditionError(str(err)) from err

    def tap_card(self, name: str) -> PairingState:
        """Hold a keycard to a car's console: a key that waits for it gets in."""
        self.car(name)
        return self.computers[name].whitelist.tap_card()

    def cancel_pairing(self, name: str) -> PairingState:
        """Press Cancel on a car's screen, which asks for a card."""
        self.car(name)
        return self.computers[name].whitelist.cancel_pairing()

    def pair_app(self, name: str, client: str = CLIENT) -> None:
        """Let a car obey the key of an app, as its pairing link has it."""
        region = self.car(name).region
        if (registration := self.apps.registration(client, region)) is None:
            message = f"the app {client!r} is not registered in {region}"
            raise ConditionError(message)
        self.pair(name, registration.point)

    def inject_fault(self, name: str, fault: str, times: int = 1) -> None:
        """Let something go wrong with a car's next signed commands."""
        self.car(name)
        try:
            self.computers[name].inject_fault(fault, times)
        except ValueError as err:
            message = f"unknown mishap {fault!r}; allowed: {', '.join(CommandFault)}"
            raise ConditionError(message) from err

    def _build_car(self, spec: CarSpec, home: Home) -> Car:
        car = self.cars[spec.name] = Car(
            spec,
            region=home.region,
            now=self._now,
            lively=home.lively,
            index=len(self.cars),
        )
        car.on_change = lambda: self.bluetooth.update_car(car)
        self.computers[spec.name] = VehicleComputers(car, self._now)
        return car
