"""Plugin for pytest: lets the tests run under a Home Assistant newer than they pin.

pytest-homeassistant-custom-component belongs to one version of Home Assistant. What it
wants of that version and what has moved since is put back here, before it is loaded.
"""

# Home Assistant replaces httpx as it is imported, so it comes before all others.
from homeassistant.components import logger
from homeassistant.components.logger import helpers

if not hasattr(logger, "_clear_logger_overwrites"):
    # Since 2026.11 it is only there.
    logger._clear_logger_overwrites = helpers._clear_logger_overwrites
