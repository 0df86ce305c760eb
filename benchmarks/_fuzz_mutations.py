"""Damage to files of others: to a value of their structure, to their bytes, to their archive."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

__all__ = ["mutate"]

_NESTED = "NESTED"
_VALUES: tuple[Any, ...] = (
    0,
    -1,
    1,
    3,
    10**9,
    2**40,
    2**63,
    10**400,
    1.5,
    float("nan"),
    float("inf"),
    None,
    True,
    "",
    "x",
    "\x1b[31mred\x07",
    "\ud800",
    "../../outside",
    "9" * 5000,
    "é" * 70000,
    [],
    {},
    [None],
    [[]],
    {"": None},
    [1, "x", None],
    _NESTED,
)
_DEEP = 3000


def mutate(path: Path, rng: random.Random) -> str:
    """Damage a file in one to three places; return how, in words."""
    content = path.read_bytes()
    done = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content, said = _once(path, content, rng)
        done.append(said)
    path.write_bytes(content)
    return f"{path.name}: {', '.join(done)}"


def _once(path: Path, content: bytes, rng: random.Random) -> tuple[bytes, str]:
    structured = rng.random() < 0.75
    if structured and content[:4] == b"PK\x03\x04":
        return _archive(content, rng)
    if structured and content[:4] == b"GGUF":
        return _number(content, rng)
    if structured and path.suffix == ".safetensors" and len(content) > 8:
        return _header(content, rng)
    if structured and path.suffix in (".json", ".jsonl"):
        found = _json(content, rng)
        if found is not None:
            return found
    return _bytes(content, rng)


def _json(content: bytes, rng: random.Random) -> tuple[bytes, str] | None:
    """Damage one value or key of a JSON text, or of one line of several."""
    text = content.decode("utf-8", "replace")
    lines = text.split("\n")
    for number in (None, rng.randrange(len(lines))):
        try:
            tree = json.loads(text if number is None else lines[number])
        except (ValueError, RecursionError):
            continue
        tree, said = _tree(tree, rng)
        made = json.dumps(tree).replace(f'"{_NESTED}"', "[" * _DEEP + "]" * _DEEP)
        if number is not None:
            lines[number] = made
            made = "\n".join(lines)
        return made.encode("utf-8", "surrogatepass"), said
    return None


def _tree(tree: Any, rng: random.Random) -> tuple[Any, str]:
    places = list(_places(tree))
    if not places or rng.random() < 0.02:
        value = rng.choice(_VALUES)
        return value, f"all = {value!r:.40}"
    # One of the upper levels as often as one of the many leaves below.
    depth = rng.choice(sorted({depth for depth, _, _ in places}))
    _, holder, key = rng.choice([place for place in places if place[0] == depth])
    what = rng.random()
    if what < 0.15:
        del holder[key]
        return tree, f"{key!r:.40} dropped"
    if what < 0.2 and isinstance(holder, dict):
        holder["unknown"] = holder.pop(key)
        return tree, f"{key!r:.40} renamed"
    if what < 0.25 and isinstance(holder, list):
        holder.append(holder[key])
        return tree, f"{key!r:.40} doubled"
    value = rng.choice(_VALUES)
    if what > 0.9 and isinstance(holder[key], int):
        value = holder[key] * rng.choice((-1, 2, 10**6)) + rng.choice((-1, 0, 1))
    holder[key] = value
    return tree, f"{key!r:.40} = {value!r:.40}"


def _places(tree: Any, depth: int = 0) -> Any:
    if not isinstance(tree, dict | list):
        return
    for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
        yield depth, tree, key
        yield from _places(value, depth + 1)


def _header(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    size = struct.unpack("<Q", content[:8])[0]
    if rng.random() < 0.2:
        size = rng.choice((0, size - 1, size + 1, 2**31, 2**63))
        return struct.pack("<Q", size % 2**64) + content[8:], f"header of {size} bytes"
    found = _json(content[8 : 8 + size], rng)
    if found is None:
        return _bytes(content, rng)
    return struct.pack("<Q", len(found[0])) + found[0] + content[8 + size :], found[1]


def _number(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Write another number over one in the tables of a GGUF file."""
    width = rng.choice((4, 8))
    tables = max(min(len(content), content.rfind(b".weight") + 64) - width, 1)
    place = rng.choice((rng.randrange(tables), rng.randrange(min(tables, 400)), 8, 16))
    value = rng.choice((0, 1, 7, 255, 10**9, 2**31, 2**32 - 1, 2**40, 2**63, 2**64 - 1))
    made = (value % 2 ** (8 * width)).to_bytes(width, "little")
    return content[:place] + made + content[place + width :], f"{value} at byte {place}"


def _archive(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    starts = [at for at in range(len(content) - 46) if content[at : at + 2] == b"PK"]
    if not starts:
        # It is cut short already.
        return _bytes(content, rng)
    if rng.random() < 0.25:
        # Of the central directory or a member's head: a version, a method, a size, an offset.
        place = rng.choice(starts) + rng.randrange(4, 46)
        made = rng.choice((b"\x00\x00", b"\xff\xff", b"\x63\x00", b"\x09\x00", b"\x01\x00"))
        return content[:place] + made + content[place + 2 :], f"{made.hex()} at byte {place}"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(part.filename, archive.read(part)) for part in archive.infolist()]
    except Exception:
        return _bytes(content, rng)
    if not members:
        return _bytes(content, rng)
    number = rng.randrange(len(members))
    name, held = members[number]
    what = rng.random()
    if what < 0.1:
        del members[number]
        said = "dropped"
    elif what < 0.25:
        odd = rng.choice((f"../{name}", f"/{name}", f"a\\{name}", f"{name}\x1b", "x" * 300, ""))
        members[number] = (odd, held)
        said = f"named {odd!r:.40}"
    else:
        made, said = _once(Path(name), held, rng)
        members[number] = (name, made)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for one, data in members:
            archive.writestr(zipfile.ZipInfo(one), data)
    return written.getvalue(), f"{name} {said}"


def _bytes(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    place = rng.randrange(len(content) + 1)
    what = rng.randrange(6)
    if what == 0:
        return content[:place], f"cut at {place}"
    if what == 1:
        made = bytes(rng.randrange(256) for _ in range(rng.choice((1, 2, 8))))
        return content[:place] + made + content[place:], f"{made.hex()} put in at {place}"
    if what == 2:
        end = min(len(content), place + rng.choice((1, 8, 64, 1024)))
        return content[:place] + content[end:], f"{place} to {end} left out"
    if what == 3:
        end = min(len(content), place + rng.choice((8, 64, 1024)))
        return content[:end] + content[place:end] + content[end:], f"{place} to {end} twice"
    if what == 4:
        made = rng.choice((b"\xff\xfe", b"\x00", b'"', b"\n", b"{", b"[" * _DEEP, b"\x1b[2J", b","))
        return content[:place] + made + content[place:], f"{made[:8]!r} put in at {place}"
    flipped = bytes([content[place] ^ 1 << rng.randrange(8)]) if place < len(content) else b""
    return content[:place] + flipped + content[place + 1 :], f"a bit of {place} flipped"
