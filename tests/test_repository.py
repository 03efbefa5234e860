"""Rules of the repository, in addition to those of hassfest and HACS."""

import ast
from importlib.metadata import packages_distributions, requires
import os
from pathlib import Path
import re
import struct
import sys
import tomllib

from awesomeversion import AwesomeVersion
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
import pytest
import yaml

import homeassistant.components
from homeassistant.const import Platform

from .repository_files import (
    KEYCARD,
    ROOT,
    files,
    imports,
    manifest,
    modules,
    package_of,
    read_json,
)

COMPONENTS = Path(homeassistant.components.__file__).parent

TOP_LEVEL = {
    ".ci",
    ".git",
    ".github",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "benchmarks",
    "custom_components",
    "docs",
    "hacs.json",
    "harness",
    "pyproject.toml",
    "requirements_test.txt",
    "script",
    "simulator",
    "tests",
}

# hassfest's schema for the manifest of a custom integration
MANIFEST_REQUIRED = {
    "domain",
    "name",
    "codeowners",
    "config_flow",
    "documentation",
    "integration_type",
    "iot_class",
    "issue_tracker",
    "version",
}
MANIFEST_OPTIONAL = {
    "after_dependencies",
    "bluetooth",
    "dependencies",
    "import_executor",
    "loggers",
    "quality_scale",
    "requirements",
    "single_config_entry",
}

# Components that any integration may import without naming them as dependencies
FREE_COMPONENTS = {
    *Platform,
    "automation",
    "diagnostics",
    "homeassistant",
    "llm",
    "logbook",
    "persistent_notification",
    "repairs",
    "system_health",
    "websocket_api",
    "zone",
    # Imported only in functions that run where they are set up
    "conversation",
    "frontend",
    "mobile_app",
}

# Shortest and longest permitted shorter side, in pixels
BRAND_SIZES = {
    "icon.png": (256, 256),
    "icon@2x.png": (512, 512),
    "logo.png": (128, 256),
    "logo@2x.png": (256, 512),
}

QUALITY_RULES = set(
    re.findall(
        r"[a-z-]+",
        """
    action-setup appropriate-polling brands common-modules config-flow
    config-flow-test-coverage dependency-transparency docs-actions docs-conditions
    docs-high-level-description docs-installation-instructions
    docs-removal-instructions docs-triggers entity-event-setup entity-unique-id
    has-entity-name runtime-data test-before-configure test-before-setup
    unique-config-entry
    action-exceptions config-entry-unloading docs-configuration-parameters
    docs-installation-parameters entity-unavailable integration-owner
    log-when-unavailable parallel-updates reauthentication-flow test-coverage
    devices diagnostics discovery discovery-update-info docs-data-update
    docs-examples docs-known-limitations docs-supported-devices
    docs-supported-functions docs-troubleshooting docs-use-cases dynamic-devices
    entity-category entity-device-class entity-disabled-by-default
    entity-translations exception-translations icon-translations
    reconfiguration-flow repair-issues stale-devices
    async-dependency inject-websession strict-typing
    """,
    )
)


# The repository


def test_the_top_level_has_only_expected_files() -> None:
    assert {path.name for path in ROOT.iterdir()} - TOP_LEVEL == set()
    assert TOP_LEVEL - {path.name for path in ROOT.iterdir()} - {".git"} == set()


def test_no_file_is_left_by_a_tool() -> None:
    left = re.compile(r"__pycache__|\.pyc$|\.orig$|~$|\.DS_Store|_cache/|\.coverage")
    assert [path for path in files() if left.search(path.as_posix())] == []


def test_texts_name_no_unfinished_work_machine_or_registry() -> None:
    unwanted = re.compile(
        r"\b(?:TODO|FIXME)\b"
        r"|(?<![\w./:~-])/(?:home|root|Users|work|workspace)/\w"
        r"|pythonhosted|pypi\.(?:org|io)|\b\w+\.debian\.org"
    )
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in files()
        if path.suffix != ".png" and path != Path(__file__)
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if (match := unwanted.search(line))
    ]
    assert found == []


@pytest.mark.parametrize(
    "name", ["setup", "test", "benchmark", "demo", "replay", "screenshots"]
)
def test_scripts_can_be_started(name: str) -> None:
    script = ROOT / "script" / name
    assert os.access(script, os.X_OK)
    assert script.read_bytes().startswith(b"#!")


def test_ci_runs_the_tests_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert len(lines) == 2
    assert lines[1].endswith('/../script/test"')
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("hassfest", "home-assistant/actions/hassfest@"),
        ("hacs", "hacs/action@"),
        ("test", ".ci/run"),
    ],
)
def test_workflows(name: str, step: str) -> None:
    path = ROOT / ".github" / "workflows" / f"{name}.yml"
    workflow = yaml.load(path.read_text(), yaml.BaseLoader)
    assert workflow["permissions"] == {"contents": "read"}
    steps = [
        item.get("uses") or item["run"]
        for job in workflow["jobs"].values()
        for item in job["steps"]
    ]
    assert any(item.startswith(step) for item in steps)
    if name != "test":
        assert workflow["on"]["schedule"]


def test_workflow_actions_are_pinned() -> None:
    # These two are only released from a branch.
    branches = {"hacs/action@main", "home-assistant/actions/hassfest@master"}
    used = {
        item["uses"]
        for path in (ROOT / ".github" / "workflows").glob("*.yml")
        for job in yaml.safe_load(path.read_text())["jobs"].values()
        for item in job["steps"]
        if "uses" in item
    }
    assert branches < used
    for action in used - branches:
        assert re.fullmatch(r"actions/\w+@[0-9a-f]{40}", action)
    # Pins follow the releases.
    bot = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())
    ecosystems = {update["package-ecosystem"] for update in bot["updates"]}
    assert ecosystems == {"github-actions", "pip"}


def test_hacs_json() -> None:
    hacs = read_json(ROOT / "hacs.json")
    assert hacs == {"name": "Keycard", "homeassistant": "2026.10.0"}


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert manifest()["version"] == project["version"]
    assert f"## [{project['version']}]" in (ROOT / "CHANGELOG.md").read_text()


def test_requirements_are_pinned_and_satisfy_the_manifest() -> None:
    lines = (ROOT / "requirements_test.txt").read_text().splitlines()
    pinned = {
        canonicalize_name(requirement.name): requirement.specifier
        for line in lines
        if line and not line.startswith("#")
        for requirement in [Requirement(line)]
    }
    assert all(re.fullmatch(r"==[\d.]+", str(item)) for item in pinned.values())
    required = manifest()["requirements"]
    assert isinstance(required, list)
    for line in required:
        wanted = Requirement(str(line))
        version = str(pinned[canonicalize_name(wanted.name)]).removeprefix("==")
        assert wanted.specifier.contains(version)


# The manifest and its files


def test_manifest_keys_and_their_order() -> None:
    keys = list(manifest())
    assert set(keys) >= MANIFEST_REQUIRED
    assert set(keys) - MANIFEST_REQUIRED - MANIFEST_OPTIONAL == set()
    assert keys == ["domain", "name", *sorted(set(keys) - {"domain", "name"})]


def test_manifest_values() -> None:
    values = manifest()
    assert values["domain"] == KEYCARD.name
    assert values["name"] == "Keycard"
    assert values["config_flow"] is True
    assert values["integration_type"] in {"device", "hub", "service"}
    assert values["iot_class"] in {
        "assumed_state",
        "calculated",
        "cloud_polling",
        "cloud_push",
        "local_polling",
        "local_push",
    }
    for key in ("documentation", "issue_tracker"):
        assert str(values[key]).startswith("https://")
    assert "home-assistant.io/integrations" not in str(values["documentation"])
    assert AwesomeVersion(str(values["version"])).valid
    owners = values["codeowners"]
    assert isinstance(owners, list)
    assert owners
    assert all(str(owner).startswith("@") for owner in owners)


def test_requirements_omit_packages_of_home_assistant() -> None:
    core = {
        canonicalize_name(Requirement(line).name)
        for line in requires("homeassistant") or []
    }
    own_requirements = manifest()["requirements"]
    assert isinstance(own_requirements, list)
    assert {
        canonicalize_name(Requirement(str(line)).name) for line in own_requirements
    } & core == (set())
    assert "tesla-fleet-api>=1.17.3,<2" in own_requirements


def test_requirements_cover_the_imports() -> None:
    own_requirements = manifest()["requirements"]
    assert isinstance(own_requirements, list)
    provided = [*(requires("homeassistant") or []), "homeassistant"]
    # Bluetooth brings its own, and the protocol its message types.
    bluetooth = read_json(COMPONENTS / "bluetooth/manifest.json")["requirements"]
    assert isinstance(bluetooth, list)
    provided += [str(line) for line in bluetooth]
    provided += [one for one in requires("tesla-protocol") or [] if "protobuf" in one]
    named = {
        canonicalize_name(Requirement(line).name)
        for line in [*map(str, own_requirements), *provided]
    }
    providers = packages_distributions()
    missing = {
        name
        for path, tree in modules().items()
        for full in imports(tree, package_of(path))
        if (name := full.split(".")[0]) not in sys.stdlib_module_names
        and not {canonicalize_name(one) for one in providers.get(name, [])} & named
    }
    # Home Assistant replaces voluptuous with a library of another name.
    assert missing == {"custom_components", "voluptuous"}


def test_dependencies_exist_and_cover_the_imports() -> None:
    values = manifest()
    named: set[str] = set()
    for key in ("dependencies", "after_dependencies"):
        value = values.get(key, [])
        assert isinstance(value, list)
        named.update(str(item) for item in value)
    assert [name for name in named if not (COMPONENTS / name).is_dir()] == []
    used = {
        name.split(".")[2]
        for path, tree in modules().items()
        for name in imports(tree, package_of(path))
        if name.startswith("homeassistant.components.")
    }
    # The adapter library depends on Bluetooth.
    bluetooth_manifest = read_json(COMPONENTS / "bluetooth_adapters/manifest.json")
    assert bluetooth_manifest["dependencies"] == ["bluetooth"]
    named |= {"bluetooth"} if "bluetooth_adapters" in named else set()
    assert used - named - FREE_COMPONENTS == set()


def test_brand_images() -> None:
    images = {path.name: path.read_bytes() for path in (KEYCARD / "brand").iterdir()}
    assert "icon.png" in images
    for name, data in images.items():
        assert data[:8] == b"\x89PNG\r\n\x1a\n", name
        width, height = struct.unpack(">II", data[16:24])
        low, high = BRAND_SIZES[name.removeprefix("dark_")]
        assert low <= min(width, height) <= high, name
        assert width == height or "logo" in name, name


def test_quality_scale_names_every_rule_and_excuses_none_in_silence() -> None:
    rules = yaml.safe_load((KEYCARD / "quality_scale.yaml").read_text())["rules"]
    assert set(rules) == QUALITY_RULES
    for name, value in rules.items():
        status = value if isinstance(value, str) else value["status"]
        assert status in {"done", "todo", "exempt"}, name
        if status != "done":
            assert value["comment"].strip(), name
    # Two rules contradict the purpose of Keycard, and it has no owner yet.
    assert {name for name, value in rules.items() if "todo" in str(value)} == {
        "entity-unavailable",
        "integration-owner",
        "test-before-setup",
    }


# Structure


@pytest.mark.parametrize(
    ("part", "other"), [("outage", "vehicle"), ("vehicle", "outage")]
)
def test_inner_parts_reach_neither_home_assistant_nor_each_other(
    part: str, other: str
) -> None:
    imported = {
        ".".join([package_of(path), path.stem]).removesuffix(".__init__"): set(
            imports(tree, package_of(path))
        )
        for path, tree in modules().items()
    }
    top = package_of(Path("manifest.json"))
    ahead = [name for name in imported if f"{name}.".startswith(f"{top}.{part}.")]
    assert ahead
    reached = set(ahead)
    while ahead:
        module = ahead.pop()
        for name in imported[module]:
            assert not name.startswith(("homeassistant", f"{top}.{other}.")), module
            # An import is a module or a name within one.
            for inner in {name, name.rpartition(".")[0]} & imported.keys() - reached:
                if inner != top:
                    reached.add(inner)
                    ahead.append(inner)


def test_nothing_in_the_integration_imports_simulator_or_tests() -> None:
    found = [
        f"{path}: {name}"
        for path, tree in modules().items()
        for name in imports(tree, package_of(path))
        if name.split(".")[0] in {"simulator", "tests", "benchmarks"}
    ]
    assert found == []


def test_platforms_say_how_many_updates_run_at_once() -> None:
    names = {platform.value for platform in Platform}
    platforms = {
        path: tree
        for path, tree in modules().items()
        if path.as_posix().removesuffix(".py") in names
    }
    assert platforms
    for path, tree in platforms.items():
        assigned = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        assert "PARALLEL_UPDATES" in assigned, path


# Blueprints


class BlueprintLoader(yaml.SafeLoader):
    """YAML loader with the tags of blueprints."""


def _input(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    return f"input {loader.construct_scalar(node)}"


BlueprintLoader.add_constructor("!input", _input)


def test_blueprints_can_be_imported() -> None:
    paths = sorted((KEYCARD / "blueprints" / "automation").rglob("*.yaml"))
    assert paths
    for path in paths:
        # A safe loader with one more tag.
        content = yaml.load(path.read_text(), BlueprintLoader)
        blueprint = content["blueprint"]
        assert blueprint["domain"] == "automation"
        assert blueprint["name"]
        assert blueprint["description"]
        version = blueprint["homeassistant"]["min_version"]
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        source = blueprint.get("source_url")
        if source is not None:
            assert source.endswith(path.relative_to(ROOT).as_posix())
