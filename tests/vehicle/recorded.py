"""Recorded responses of the Fleet API."""

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent.parent / "fixtures" / "fleet_api"

MODEL_3 = "vehicle_data_model3.json"
PRODUCTS = "products.json"
VIN = "LRWXF7EK4KC700000"
SLEEPER = "LRW3F7EK4NC700000"


def recorded(name: str) -> dict[str, Any]:
    """Return a recorded response."""
    answer: dict[str, Any] = json.loads((_FOLDER / name).read_text())
    return answer
