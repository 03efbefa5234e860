"""Nobody speaks for the cars: the cloud is watched, and the owner named the cars."""

from collections.abc import Mapping
from typing import Any

from homeassistant.const import CONF_MODEL, CONF_NAME, CONF_REGION

from ..const import CONF_CARS, CONF_KEY, CONF_YEAR
from ..vehicle.keys import Key
from ..vehicle.vehicle import Car
from .provider import Provider, owners_keys


def watch_only(data: Mapping[str, Any], options: Mapping[str, Any]) -> Provider:
    """Return the provider of an entry that only watches."""
    return Provider(
        region=data[CONF_REGION],
        keys=owners_keys(options),
        watched=tuple(
            Car(
                id=car_id,
                name=car[CONF_NAME],
                model=car[CONF_MODEL],
                year=car.get(CONF_YEAR),
                owners_key=Key(car[CONF_KEY]) if CONF_KEY in car else None,
            )
            for car_id, car in options.get(CONF_CARS, {}).items()
        ),
    )
