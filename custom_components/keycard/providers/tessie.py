"""Tessie: a service in between, by token.

Its own commands would try again by themselves, up to three times; the Fleet API that
it passes on does not.
"""

from typing import Final

from .service import Service

TESSIE: Final = Service(
    name="Tessie",
    base_url="https://api.tessie.com",
    console="https://my.tessie.com/settings/api",
)
