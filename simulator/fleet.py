"""Cars of a simulator with their computers, keys and registered apps."""

from collections.abc import Callable

from .bluetooth import BluetoothEnvironment
from .cloud.accounts import CLIENT, user_id
from .cloud.partner_apps import PartnerApps
from .protocol import (
    CommandFault,
    Confirmation,
    Key,
    PairingState,
    Role,
    VehicleComputers,
    WhitelistError,
)
from .scenarios.conditions import ConditionError
from .scenarios.scenario import CONFIRMATIONS, SIGNING, CarSpec, Home
from .vehicle.car import Car


class Fleet:
    """Cars by name, each with its computers, and their Bluetooth environment."""

    def __init__(self, get_time: Callable[[], float]) -> None:
        self.cars: dict[str, Car] = {}
        self.computers: dict[str, VehicleComputers] = {}
        self.bluetooth = BluetoothEnvironment(self.cars, self.computers, get_time)
        self.apps = PartnerApps()
        self._get_time = get_time

    def car(self, name: str) -> Car:
        """Return a car by name; raise ConditionError if it is unknown."""
        if name not in self.cars:
            message = f"unknown car {name!r}; the cars are: {', '.join(self.cars)}"
            raise ConditionError(message)
        return self.cars[name]

    def set_signing(self, name: str, signing: str) -> None:
        """Set whether commands must be signed: `required`, `allowed` or `off`."""
        if signing not in SIGNING:
            message = f"unknown signing {signing!r}; allowed: {', '.join(SIGNING)}"
            raise ConditionError(message)
        self.car(name).signing = signing

    def set_confirmation(self, name: str, confirmation: str) -> None:
        """Set how a car's locks confirm a command: empty or status."""
        if confirmation not in CONFIRMATIONS:
            message = (
                f"unknown confirmation {confirmation!r};"
                f" allowed: {', '.join(CONFIRMATIONS)}"
            )
            raise ConditionError(message)
        self.car(name)
        self.computers[name].confirmation = Confirmation(confirmation)

    def pair(self, name: str, key: Key, role: Role = Role.FLEET_MANAGER) -> None:
        """Add a key to a car's whitelist, as the pairing link does."""
        self.car(name)
        try:
            self.computers[name].whitelist.add(key, role)
        except WhitelistError as err:
            raise ConditionError(str(err)) from err

    def tap_card(self, name: str) -> PairingState:
        """Tap a keycard on a car's console, which confirms a pending key."""
        self.car(name)
        return self.computers[name].whitelist.tap_card()

    def cancel_pairing(self, name: str) -> PairingState:
        """Press Cancel in the pairing dialog on a car's screen."""
        self.car(name)
        return self.computers[name].whitelist.cancel_pairing()

    def pair_app(self, name: str, client: str = CLIENT) -> None:
        """Pair the key of a registered app with a car."""
        region = self.car(name).region
        if (registration := self.apps.registration(client, region)) is None:
            message = f"the app {client!r} is not registered in {region}"
            raise ConditionError(message)
        self.pair(name, registration.point)

    def inject_fault(self, name: str, fault: str, times: int = 1) -> None:
        """Inject a fault into the next signed commands of a car."""
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
            get_time=self._get_time,
            user_id=user_id(home),
            lively=home.lively,
            index=len(self.cars),
        )
        car.on_change = lambda: self.bluetooth.update_car(car)
        computers = self.computers[spec.name] = VehicleComputers(car, self._get_time)
        computers.confirmation = Confirmation(spec.confirmation)
        return car
