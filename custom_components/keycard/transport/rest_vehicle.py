"""Plain commands, in the forms that Tesla and the proxies before it understand."""

from typing import Any, override

from tesla_fleet_api.const import Method
from tesla_fleet_api.tesla import TeslaFleetApi, VehicleFleet


class RestVehicle(VehicleFleet[TeslaFleetApi]):
    """A vehicle that takes plain commands.

    `tesla_proxy` tells that Tesla's own `tesla-http-proxy` answers. It takes the
    numbers of the signed protocol for seat coolers and cabin overheat protection, which
    are one higher than Tesla's, and has the steering wheel heater on and off only.
    """

    def __init__(
        self, parent: TeslaFleetApi, vin: str, *, tesla_proxy: bool = False
    ) -> None:
        """Prepare the commands of one vehicle."""
        super().__init__(parent, vin)
        self._tesla_proxy = tesla_proxy
        self._offset = 1 if tesla_proxy else 0

    @override
    async def remote_seat_heater_request(
        self, seat_position: int, seat_heater_level: int
    ) -> dict[str, Any]:
        """Name the seat as Tesla does (`heater`), and as its proxy does."""
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
        """Send the level as whoever answers counts it."""
        return await super().remote_seat_cooler_request(
            seat_position, seat_cooler_level + self._offset
        )

    @override
    async def set_cop_temp(self, cop_temp: int) -> dict[str, Any]:
        """Send the temperature as whoever answers counts it."""
        return await super().set_cop_temp(cop_temp + self._offset)

    @override
    async def remote_steering_wheel_heat_level_request(
        self, level: int
    ) -> dict[str, Any]:
        """Switch the heater off where levels are not known; low and high have none."""
        if self._tesla_proxy and level == 0:
            return await self.remote_steering_wheel_heater_request(on=False)
        return await super().remote_steering_wheel_heat_level_request(level)
