"""Readers of the files of the repository."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
import json
from pathlib import Path

ROOT = Path(__file__).parent.parent
KEYCARD = ROOT / "custom_components" / "keycard"

type Json = dict[str, Json] | list[Json] | str | int | float | bool | None


def read_json(path: Path) -> dict[str, Json]:
    """Read a JSON object and refuse duplicate keys."""

    def pairs(items: list[tuple[str, Json]]) -> dict[str, Json]:
        assert len({key for key, _ in items}) == len(items), f"twice in {path}"
        return dict(items)

    value = json.loads(path.read_text(), object_pairs_hook=pairs)
    assert isinstance(value, dict)
    return value


def strings(value: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield the dotted path and the text of every string in a translation."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from strings(item, (*path, key))
    else:
        assert isinstance(value, str), f"{'.'.join(path)} is no text"
        yield ".".join(path), value


def has_path(value: Json, *path: str) -> bool:
    """Return whether nested objects contain a path."""
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return False
        value = value[key]
    return True


def keys_at(value: Json, *path: str) -> set[str]:
    """Return the keys of the object at a path, none without it."""
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return set()
        value = value[key]
    return set(value) if isinstance(value, Mapping) else set()


@cache
def manifest() -> dict[str, Json]:
    """Read the manifest."""
    return read_json(KEYCARD / "manifest.json")


LANGUAGES = sorted(path.stem for path in (KEYCARD / "translations").glob("*.json"))


@cache
def translations(language: str) -> dict[str, Json]:
    """Read the translations of a language."""
    return read_json(KEYCARD / "translations" / f"{language}.json")


def files() -> list[Path]:
    """List every file of the repository."""
    return [
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(ROOT).parts
    ]


@cache
def modules() -> dict[Path, ast.Module]:
    """Parse every module of the integration, by its path within it."""
    return {
        path.relative_to(KEYCARD): ast.parse(path.read_text())
        for path in sorted(KEYCARD.rglob("*.py"))
    }


def imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield what a module of a package imports, by absolute names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parts, *([base] if base else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def package_of(path: Path) -> str:
    """Return the package of a module of the integration."""
    return ".".join(["custom_components", "keycard", *path.parent.parts])


def function_name(node: ast.Call) -> str:
    """Return the last part of the name of the called function."""
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name
        case _:
            return ""


def string_argument(node: ast.Call, name: str) -> str | None:
    """Return a keyword argument of a call if it is a string constant."""
    for keyword in node.keywords:
        if (
            keyword.arg == name
            and isinstance(keyword.value, ast.Constant)
            and isinstance(keyword.value.value, str)
        ):
            return keyword.value.value
    return None


@cache
def calls() -> list[tuple[Path, ast.Call]]:
    """Return every call in the integration with its module."""
    return [
        (path, node)
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]
