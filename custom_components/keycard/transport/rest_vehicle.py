"""Unsigned commands in the formats of Tesla and its proxy."""

from typing import Any, override

from tesla_fleet_api.const import Method
from tesla_fleet_api.tesla import TeslaFleetApi, VehicleFleet

# The private member of the library that is used; a newer version may lack it.
PRIVATE_MEMBER = "_request"


class RestVehicle(VehicleFleet[TeslaFleetApi]):
    """Vehicle that receives unsigned commands.

    `tesla_proxy` is whether Tesla's `tesla-http-proxy` answers. For seat coolers and
    cabin overheat protection it expects the numbers of the signed protocol, which are
    one higher, and it switches the steering wheel heater only on and off.
    """

    def __init__(
        self, parent: TeslaFleetApi, vin: str, *, tesla_proxy: bool = False
    ) -> None:
        """Initialize the vehicle."""
        super().__init__(parent, vin)
        self._tesla_proxy = tesla_proxy
        self._offset = 1 if tesla_proxy else 0

    @override
    async def remote_seat_heater_request(
        self, seat_position: int, seat_heater_level: int
    ) -> dict[str, Any]:
        """Send the seat under the names that Tesla and its proxy expect."""
        if not hasattr(self, PRIVATE_MEMBER):
            return await super().remote_seat_heater_request(
                seat_position, seat_heater_level
            )
        return await self._request(
            Method.POST,
            f"api/1/vehicles/{self.vin}/command/remote_seat_heater_request",
            json={
                "heater": seat_position,
                "seat_position": seat_position,
                "level": seat_heater_level,
            },
        )

    @override
    async def remote_seat_cooler_request(
        self, seat_position: int, seat_cooler_level: int
    ) -> dict[str, Any]:
        """Send the level in the numbering of the server."""
        return await super().remote_seat_cooler_request(
            seat_position, seat_cooler_level + self._offset
        )

    @override
    async def set_cop_temp(self, cop_temp: int) -> dict[str, Any]:
        """Send the temperature in the numbering of the server."""
        return await super().set_cop_temp(cop_temp + self._offset)

    @override
    async def remote_steering_wheel_heat_level_request(
        self, level: int
    ) -> dict[str, Any]:
        """Send the level; Tesla's proxy only supports switching off."""
        if self._tesla_proxy and level == 0:
            return await self.remote_steering_wheel_heater_request(on=False)
        return await super().remote_steering_wheel_heat_level_request(level)
