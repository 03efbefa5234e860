"""A simulated home with the real host monitor and detector."""

from random import Random

import pytest

from benchmarks.simulated_home import Home
from benchmarks.simulated_network import World


@pytest.fixture(params=[1, 2, 3])
def home(request: pytest.FixtureRequest) -> Home:
    """Return a home without entries; each test runs with several random phases."""
    seed: int = request.param
    return Home(World(random=Random(seed)))
