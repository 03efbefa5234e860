"""Tests of the installed version of tesla-fleet-api."""

import ast
import os
import re

import aiohttp
from packaging.requirements import Requirement
import pytest
import tesla_fleet_api
from tesla_fleet_api.tesla import VehicleFleet
from tesla_fleet_api.tesla.vehicle.bluetooth import VehicleBluetooth
from tesla_fleet_api.tesla.vehicle.commands import Session

from custom_components.keycard.transport.cloud import FleetClient
from custom_components.keycard.transport.library import (
    REQUIRED_MEMBERS,
    missing_members,
)
from custom_components.keycard.transport.rest_vehicle import PRIVATE_MEMBER
from custom_components.keycard.vehicle.commands import Command, command_call
from tests.repository_files import KEYCARD, ROOT, read_json

from ..vehicle.recorded import VIN
from .cloud import DONE, Cloud, saying, token

NAME = "tesla-fleet-api"


def test_library_has_the_expected_version() -> None:
    pins = (ROOT / "requirements_test.txt").read_text()
    pinned = re.search(rf"^{NAME}==(\S+)$", pins, re.MULTILINE)
    assert pinned is not None
    expected = os.environ.get("KEYCARD_LIBRARY", pinned[1])
    assert tesla_fleet_api.__version__ == expected
    listed = read_json(KEYCARD / "manifest.json")["requirements"]
    assert isinstance(listed, list)
    requirements = [Requirement(str(one)) for one in listed]
    (taken,) = (one for one in requirements if one.name == NAME)
    assert taken.specifier.contains(expected)
    # The pinned one is the oldest: the range begins with it.
    assert f">={pinned[1]}" in str(taken.specifier)


# Private members of the library


def test_library_has_every_required_member() -> None:
    assert missing_members() == ()


@pytest.mark.parametrize(
    ("kind", "name"),
    [(VehicleBluetooth, "_resolve_timeout"), (Session, "commit")],
)
def test_missing_member_is_reported(
    monkeypatch: pytest.MonkeyPatch, kind: type, name: str
) -> None:
    monkeypatch.delattr(kind, name)
    assert missing_members() == (f"{kind.__name__}.{name}",)


MODULES = ("bluetooth_vehicle", "proven_vehicle", "signing")


def test_every_used_private_member_is_listed() -> None:
    """Return the private attributes that are used, but not defined here."""
    used: set[str] = set()
    made: set[str] = set()
    for module in MODULES:
        tree = ast.parse((KEYCARD / "transport" / f"{module}.py").read_text())
        for node in ast.walk(tree):
            match node:
                case ast.Attribute(attr=name, ctx=ast.Store()):
                    made.add(name)
                case ast.Attribute(attr=name):
                    used.add(name)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    if any("override" in ast.unparse(d) for d in node.decorator_list):
                        used.add(name)
                    else:
                        made.add(name)
                case ast.AnnAssign(target=ast.Name(id=name)):
                    made.add(name)
                case ast.Assign(targets=[ast.Name(id=name)]):
                    made.add(name)
                case _:
                    pass
    private = {name for name in used - made if re.match(r"_[a-zA-Z]", name)}
    listed = set[str]().union(*REQUIRED_MEMBERS.values())
    # These the library makes and this package sets, too.
    assert private <= listed | {"_expiry"}
    assert {name for name in listed if name.startswith("_")} - private == {
        "_default_timeout",
        "_sessions",
    }


@pytest.mark.usefixtures("socket_enabled")
async def test_a_newer_library_may_lack_the_second_seat_name(
    session: aiohttp.ClientSession,
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its own form is sent then; Tesla's proxy refuses it with the reason."""
    call = command_call(Command.SEAT_HEATER, seat="left", level=2)
    cloud.handler = saying(DONE)
    link = FleetClient(session, cloud.url, token)
    assert hasattr(VehicleFleet(link._api, VIN), PRIVATE_MEMBER)
    assert (await link.command(VIN, call)).done
    monkeypatch.setattr(
        "custom_components.keycard.transport.rest_vehicle.PRIVATE_MEMBER", "_gone"
    )
    assert (await link.command(VIN, call)).done
    bodies = [body for _, _, body in cloud.seen]
    assert bodies == [
        {"heater": 0, "seat_position": 0, "level": 2},
        {"heater": 0, "level": 2},
    ]
