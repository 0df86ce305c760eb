"""What the tables of a GGUF file claim is refused by its field, before anything is made of it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from cortexscope.errors import ModelFileError
from cortexscope.models import open_model
from cortexscope.models._gguf_claims import check_gguf

ARRAY, TEXT, UINT32, BYTE = 9, 8, 4, 0


def text(name: str) -> bytes:
    return struct.pack("<Q", len(name)) + name.encode()


def field(name: str, kind: int, value: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + value


def array(kind: int, count: int, items: bytes = b"") -> bytes:
    return struct.pack("<IQ", kind, count) + items


def tensor(name: str, shape: tuple[int, ...], offset: int = 0, kind: int = 0) -> bytes:
    sizes = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + sizes + struct.pack("<IQ", kind, offset)


def gguf(
    fields: tuple[bytes, ...] = (),
    tensors: tuple[bytes, ...] = (),
    *,
    counts: tuple[int, int] | None = None,
    data: int = 0,
) -> bytes:
    head = struct.pack("<4sIQQ", b"GGUF", 3, *(counts or (len(tensors), len(fields))))
    tables = head + b"".join((*fields, *tensors))
    return tables + bytes(-len(tables) % 32 + data)


BLOCKS = field("llama.block_count", UINT32, struct.pack("<I", 10**9))
LLAMA = field("general.architecture", TEXT, text("llama"))
NESTED = array(ARRAY, 1) * 40
NINE = tensor("blk.0.a", (8,))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gguf((field("a", ARRAY, array(BYTE, 2**40)),))[:49], "a claims 1,099,511,627,776"),
        (gguf((BLOCKS,), (NINE,), data=64), r"llama.block_count claims 1,000,000,000 blocks"),
        (gguf(tensors=(NINE,), data=64), "tensors of 1 blocks and no field block_count"),
        (
            gguf((LLAMA, field("a.block_count", UINT32, struct.pack("<I", 1))), (NINE,), data=64),
            "tensors of 1 blocks and no field llama.block_count",
        ),
        (gguf((BLOCKS,), (tensor("enc", (8,)),), data=64), "llama.block_count claims"),
        (gguf(counts=(2**63, 0)), "tensor_count claims 9,223"),
        (gguf(counts=(0, 2**40)), "kv_count claims 1,099"),
        (gguf((struct.pack("<Q20x", 2**62),)), "the length of a field's name claims"),
        (gguf((field("s", TEXT, struct.pack("<Q", 2**33)),)), "the length of s claims"),
        (gguf((field("s", ARRAY, array(TEXT, 2**30)),)), "s claims 1,073,741,824 of at least 8"),
        (gguf((field("n", ARRAY, NESTED),)), "n is of no type that a field can have"),
        (gguf((field("n", 77, b""),)), r"n is of no type that a field can have \(77\)"),
        (
            gguf((field("b", ARRAY, array(BYTE, 5_000_000, bytes(5_000_000))),)),
            "with b, its fields claim 5,000,000 items",
        ),
        (gguf((field("a", BYTE, b"1"),) * 2), "'a' comes twice"),
        (gguf((field("general.alignment", UINT32, b"\7\0\0\0"),), (NINE,)), "alignment is 7"),
        (gguf(tensors=(NINE, NINE), data=64), "'blk.0.a' comes twice"),
        (gguf(tensors=(tensor("t", (8,), offset=2**40),), data=64), "'t' claims 32 bytes from"),
        (gguf(tensors=(tensor("t", (2**40, 2**40)),), data=64), "'t' claims 4,835,703"),
        (gguf(tensors=(tensor("t", (8, 0)),), data=64), "'t' has a dimension of no size"),
        (gguf(tensors=(tensor("t", (1,) * 9),), data=64), "'t' claims 9 dimensions"),
        (gguf(tensors=(tensor("t", (8,), kind=9999),), data=64), "'t' is of no known type"),
        (
            gguf(tensors=(tensor("t", (8,)), tensor("u", (8,), offset=16)), data=64),
            "the tensors 't' and 'u' overlap",
        ),
        (gguf(tensors=(text("t").replace(b"t", b"\xff"),), data=64), "a tensor's name is not UTF"),
        (gguf(tensors=(NINE,), data=31), "'blk.0.a' claims 32 bytes"),
        (b"GGUF\x09\0\0\0" + bytes(40), "its version is 9, and 2 and 3 are known"),
    ],
)
def test_a_claim_is_refused_by_the_file_and_its_field(
    content: bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=said) as raised:
        open_model(str(path))
    assert str(raised.value).startswith(f"{path} is damaged")
    assert str(raised.value).endswith("fetch the file again.")


def test_a_whole_file_is_passed_in_either_byte_order(gguf_file: Path, tmp_path: Path) -> None:
    check_gguf(gguf_file)
    path = tmp_path / "big.gguf"
    big = struct.pack(">4sIQQ", b"GGUF", 3, 1, 0)
    big += struct.pack(">Q1sIQIQ", 1, b"t", 1, 8, 0, 0)
    path.write_bytes(big + bytes(-len(big) % 32 + 32))
    check_gguf(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelFileError, match="'t' claims 32 bytes"):
        check_gguf(path)
