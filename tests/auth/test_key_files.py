"""Tests of key files: atomic, and readable by their owner only."""

import os
from pathlib import Path
import stat
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
import pytest

from custom_components.keycard.transport.key_pair import (
    UnusableKeyError,
    load_or_create_key,
    public_pem,
)


async def test_key_is_created_once(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = await load_or_create_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public_pem(await load_or_create_key(path)) == public_pem(key)
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("content", [b"", b"\n"])
async def test_empty_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    key = await load_or_create_key(path)
    assert public_pem(await load_or_create_key(path)) == public_pem(key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("function", ["fsync", "fdopen"])
async def test_full_disk_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    path, real = tmp_path / "key", getattr(os, function)

    def full(*args: Any, **kwargs: Any) -> None:
        real(*args, **kwargs)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, function, full)
        with pytest.raises(UnusableKeyError, match="No space left"):
            await load_or_create_key(path)
    assert list(tmp_path.iterdir()) == []
    assert isinstance(await load_or_create_key(path), ec.EllipticCurvePrivateKey)


@pytest.mark.parametrize("kind", ["text", "rsa", "curve", "folder"])
async def test_file_with_content_is_never_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "key"
    if kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("not a key")
    else:
        other = (
            rsa.generate_private_key(65537, 2048)
            if kind == "rsa"
            else ec.generate_private_key(ec.SECP384R1())
        )
        path.write_bytes(
            other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
    before = None if path.is_dir() else path.read_bytes()
    with pytest.raises(UnusableKeyError):
        await load_or_create_key(path)
    assert (None if path.is_dir() else path.read_bytes()) == before


async def test_file_permissions_are_restricted(tmp_path: Path) -> None:
    path = tmp_path / "key"
    await load_or_create_key(path)
    path.chmod(0o644)
    await load_or_create_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
