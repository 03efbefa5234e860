"""Strict YAML parsing: errors name the file, the line and the allowed values."""

from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
import re
from typing import Never, override

import yaml


class CaseError(ValueError):
    """Error raised for an invalid case file."""


class _Mapping(dict[Hashable, object]):
    """A mapping with the line numbers of its keys."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}


class _Loader(yaml.SafeLoader):
    """YAML loader that keeps line numbers and rejects duplicate keys."""

    @override
    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Hashable, object]:
        mapping = _Mapping()
        for key_node, value_node in node.value:
            key = str(self.construct_object(key_node, deep=True))
            line = key_node.start_mark.line + 1
            if key in mapping:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} comes twice", key_node.start_mark
                )
            mapping[key] = self.construct_object(value_node, deep=True)
            mapping.lines[key] = line
        return mapping


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> object:
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)


class YamlNode:
    """A value in a YAML file and its position."""

    def __init__(
        self, value: object, file: Path, path: str = "", line: int = 1
    ) -> None:
        self.value = value
        self._file = file
        self._path = path
        self._line = line

    def fail(self, message: str) -> Never:
        """Raise a CaseError for this position."""
        path = f"{self._path}: " if self._path else ""
        error = f"{self._file}:{self._line}: {path}{message}"
        raise CaseError(error)

    def allow_keys(self, *allowed: str) -> None:
        """Raise CaseError unless this is a mapping with allowed keys only."""
        for key, node in self.entries():
            if key not in allowed:
                node.fail(f"unknown key; allowed: {', '.join(allowed)}")

    def entries(self) -> Iterable[tuple[str, YamlNode]]:
        """Return the entries of a mapping."""
        if not isinstance(self.value, _Mapping):
            self.fail("must be a mapping of keys to values")
        mapping = self.value
        return [
            (key, self._inside(mapping[key], f".{key}", line))
            for key, line in mapping.lines.items()
        ]

    def items(self, *, empty: bool = False) -> list[YamlNode]:
        """Return the items of a list."""
        if not isinstance(self.value, list) or not (self.value or empty):
            self.fail("must be a list")
        return [
            self._inside(
                value,
                f"[{index}]",
                min(value.lines.values(), default=self._line)
                if isinstance(value, _Mapping)
                else self._line,
            )
            for index, value in enumerate(self.value)
        ]

    def get(self, key: str) -> YamlNode | None:
        """Return an entry, None if it is missing."""
        return dict(self.entries()).get(key)

    def require(self, key: str) -> YamlNode:
        """Return a required entry."""
        if (node := self.get(key)) is None:
            self.fail(f"{key} is missing")
        return node

    def read[T](self, key: str, reader: Callable[[YamlNode], T]) -> T | None:
        """Parse an entry, None if it is missing."""
        return None if (node := self.get(key)) is None else reader(node)

    def text(self) -> str:
        """Return a non-empty string."""
        if not isinstance(self.value, str) or not self.value.strip():
            self.fail(f"must be a text, not {self.value!r}")
        return self.value

    def flag(self) -> bool:
        """Return a boolean."""
        if not isinstance(self.value, bool):
            self.fail(f"must be true or false, not {self.value!r}")
        return self.value

    def number(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`."""
        if type(self.value) is not int or not low <= self.value <= high:
            self.fail(f"must be a whole number from {low} to {high}")
        return self.value

    def one_of(self, allowed: tuple[str, ...]) -> str:
        """Return one of the allowed strings."""
        if not isinstance(self.value, str) or self.value not in allowed:
            self.fail(f"unknown value {self.value!r}; allowed: {', '.join(allowed)}")
        return self.value

    def duration(self, *, signed: bool = False) -> float:
        """Return the seconds of H:MM or H:MM:SS."""
        pattern = r"([+-]?)(\d{1,4}):([0-5]\d)(?::([0-5]\d))?"
        match = re.fullmatch(pattern, self.value) if isinstance(self.value, str) else ""
        if not match or (match[1] and not signed):
            self.fail(f'must be a time in quotes, "H:MM" or "H:MM:SS": {self.value!r}')
        seconds = int(match[2]) * 3600 + int(match[3]) * 60 + int(match[4] or 0)
        return float(-seconds if match[1] == "-" else seconds)

    def _inside(self, value: object, path: str, line: int) -> YamlNode:
        return YamlNode(value, self._file, f"{self._path}{path}".lstrip("."), line)


def read_yaml(path: Path) -> YamlNode:
    """Load a YAML file with a mapping; raise CaseError if it is invalid."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        message = f"{path}: cannot be read: {err}"
        raise CaseError(message) from err
    try:
        # Builds plain values only, like the SafeLoader that it extends.
        value = yaml.load(text, Loader=_Loader)  # noqa: S506
    except (yaml.YAMLError, ValueError, RecursionError) as err:
        mark = getattr(err, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(err, "problem", None) or str(err)
        message = f"{path}:{line}: not YAML: {problem}"
        raise CaseError(message) from err
    node = YamlNode(value, path)
    node.entries()
    return node
