"""Teslemetry: a service in between, by sign-in or by token."""

from typing import Final

from .service import Service

TESLEMETRY: Final = Service(
    name="Teslemetry",
    base_url="https://api.teslemetry.com",
    console="https://teslemetry.com/console",
    authorize_url="https://teslemetry.com/connect",
    exchange_url="https://api.teslemetry.com/oauth/token",
)
