"""What a Xet client stored in its `local://` CAS: files found by SHA-256 in the shards, and rebuilt by hf_xet."""

import hashlib
import shutil
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["rebuild", "stored_bytes"]

_HEADER = 48
_ENTRY = 48
_WITH_VERIFICATION = 1 << 31
_WITH_SHA256 = 1 << 30


def stored_bytes(cas: Path) -> int:
    """Bytes of chunks that were ever uploaded."""
    return sum(path.stat().st_size for path in cas.glob("xet/xorbs/xorbs/*") if path.suffix != ".tagset")


def rebuild(cas: Path, sha256: str, size: int) -> bytes | None:
    """The content of an uploaded file, or None if the CAS has no such file.

    The client that uploads may still hold its exclusive lock, so a copy of the CAS is read.
    """
    found = next(
        (xet for path in sorted(cas.glob("xet/xorbs/shards/*.mdb")) for xet, sha in _files(path) if sha == sha256), None
    )
    if found is None:
        return None
    import hf_xet

    with tempfile.TemporaryDirectory() as folder:
        copy, out = Path(folder) / "cas", Path(folder) / "out"
        shutil.copytree(cas, copy)
        with hf_xet.XetSession().new_file_download_group(endpoint=f"local://{copy}") as group:
            group.start_download_file(hf_xet.XetFileInfo(found, size), str(out))
        data = out.read_bytes()
    return data if hashlib.sha256(data).hexdigest() == sha256 else None


def _files(shard: Path) -> Iterator[tuple[str, str | None]]:
    """(Xet hash, SHA-256) of every file that a shard describes (hf_xet's MDB shard format, version 2)."""
    data = shard.read_bytes()
    at = _HEADER
    while data[at : at + 32] != b"\xff" * 32:
        xet_hash = _hex(data[at : at + 32])
        flags, entries = struct.unpack("<II", data[at + 32 : at + 40])
        at += _HEADER + _ENTRY * entries
        if flags & _WITH_VERIFICATION:
            at += _ENTRY * entries
        sha256 = None
        if flags & _WITH_SHA256:
            sha256 = _hex(data[at : at + 32])
            at += _ENTRY
        yield xet_hash, sha256


def _hex(raw: bytes) -> str:
    """Hashes are kept as four little-endian words."""
    return "".join(f"{word:016x}" for word in struct.unpack("<4Q", raw))
