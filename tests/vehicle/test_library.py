"""Which tesla-fleet-api these tests run with: either end of the range that is taken."""

import os
import re

from packaging.requirements import Requirement
import tesla_fleet_api

from tests.tree import KEYCARD, ROOT, read_json

NAME = "tesla-fleet-api"


def test_it_is_the_one_that_is_meant() -> None:
    pins = (ROOT / "requirements_test.txt").read_text()
    pinned = re.search(rf"^{NAME}==(\S+)$", pins, re.MULTILINE)
    assert pinned is not None
    wanted = os.environ.get("KEYCARD_LIBRARY", pinned[1])
    assert tesla_fleet_api.__version__ == wanted
    listed = read_json(KEYCARD / "manifest.json")["requirements"]
    assert isinstance(listed, list)
    requirements = [Requirement(str(one)) for one in listed]
    (taken,) = (one for one in requirements if one.name == NAME)
    assert taken.specifier.contains(wanted)
    # The pinned one is the oldest: the range begins with it.
    assert f">={pinned[1]}" in str(taken.specifier)
