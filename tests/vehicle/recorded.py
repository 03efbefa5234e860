"""Recorded messages of the Fleet API, vehicles and proxies."""

import json
from pathlib import Path
from typing import Any

_FIXTURES = Path(__file__).parent.parent / "fixtures"
_FOLDER = _FIXTURES / "fleet_api"

MODEL_3 = "vehicle_data_model3.json"
PRODUCTS = "products.json"
VIN = "LRWXF7EK4KC700000"
SLEEPER = "LRW3F7EK4NC700000"


def recorded(name: str) -> dict[str, Any]:
    """Return a recorded response."""
    answer: dict[str, Any] = json.loads((_FOLDER / name).read_text())
    return answer


def recorded_message(name: str) -> Any:
    """Return what a vehicle or a proxy sent."""
    return json.loads((_FIXTURES / "vehicles" / f"{name}.json").read_text())
