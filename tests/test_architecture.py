"""The direction of imports in docs/architecture.md."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from .repository_files import KEYCARD, modules

PACKAGE = "custom_components.keycard"

PLATFORMS = """
    assist binary_sensor button climate condition cover device_tracker event lock number
    logbook select sensor services switch trigger update
"""
# A layer imports the layers below it, none above or beside it.
LAYERS = [
    layer.split()
    for layer in (
        "__init__ config_flow llm repairs",
        "flows",
        "diagnostics registry system_health",
        PLATFORMS,
        "application_credentials blueprint_installer dashboard",
        "entity entity_filter issues",
        "coordinator",
        "drill",
        "notifications",
        "runtime",
        "bluetooth",
        "auth",
        "external providers",
        "helpers",
        "outage",
        "transport",
        "vehicle",
        "cost",
        "const",
    )
]
RANKS = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}

# These import nothing of Home Assistant.
PURE = ("cost/pricing.py", "drill/scenario.py", "outage/", "transport/", "vehicle/")

# What else a part may import of Keycard, where its layer would allow more.
ONLY = {
    "outage/": {"transport.http", "outage"},
    "vehicle/": {"vehicle"},
    "cost/": {"const", "cost"},
}


@cache
def imports_of(file: str) -> list[tuple[str, bool]]:
    """Return the modules that a file imports, and whether at run time."""
    return list(_imports(Path(file)))


def _imports(path: Path) -> Iterator[tuple[str, bool]]:
    folder = path.parent.parts
    tree = modules()[path]
    typing = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        at_run_time = id(node) not in typing
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, at_run_time
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if not node.level:
                yield module, at_run_time
                continue
            base = [PACKAGE, *folder[: len(folder) - node.level + 1]]
            for alias in node.names:
                inner = ".".join([*base, *filter(None, [module])])
                exact = f"{inner}.{alias.name}"
                found = KEYCARD.joinpath(*exact.removeprefix(PACKAGE).split("."))
                is_module = found.is_dir() or found.with_suffix(".py").is_file()
                yield exact if is_module else inner, at_run_time


FILES = [path.relative_to(KEYCARD).as_posix() for path in sorted(KEYCARD.rglob("*.py"))]


def part_of(file: str) -> str:
    """Return the layer's name for a file of the integration."""
    return file.removesuffix(".py").partition("/")[0]


def within(module: str) -> str | None:
    """Return a module's name within Keycard, None for other packages."""
    if module == PACKAGE:
        return "__init__"
    return module.removeprefix(f"{PACKAGE}.") if module.startswith(PACKAGE) else None


def test_every_file_has_its_layer() -> None:
    assert {part_of(file) for file in FILES} == set(RANKS)


@pytest.mark.parametrize("file", FILES)
def test_a_layer_imports_only_those_below(file: str) -> None:
    part = part_of(file)
    for module, _ in imports_of(file):
        if (inner := within(module)) is None:
            continue
        other = inner.partition(".")[0]
        assert other == part or RANKS[other] > RANKS[part], f"{file} imports {inner}"


def test_pure_folders_import_nothing_of_home_assistant() -> None:
    found = {
        file: module
        for file in FILES
        if file.startswith(PURE)
        for module, _ in imports_of(file)
        if module.partition(".")[0] == "homeassistant"
    }
    assert found == {}


def test_restricted_folders_only_import_allowed_modules() -> None:
    found = [
        f"{file} imports {inner}"
        for folder, allowed in ONLY.items()
        for file in FILES
        if file.startswith(folder)
        for module, _ in imports_of(file)
        if (inner := within(module)) is not None
        and not any(f"{inner}.".startswith(f"{name}.") for name in allowed)
    ]
    assert found == []


def test_only_transports_use_the_library_at_run_time() -> None:
    found = {
        file
        for file in FILES
        if not file.startswith("transport/")
        for module, at_run_time in imports_of(file)
        if at_run_time and module.partition(".")[0] == "tesla_fleet_api"
    }
    assert found == set()
