"""Where the compiled part comes from, and what happens without it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from batches import inputs_for, row_of
from eager import eager
from families import FAMILIES, tiny_model
from measured import measured
from reference import measure

from cortexscope import native
from cortexscope.native import _library


@pytest.fixture
def anew() -> Iterator[None]:
    """Look for the library again, before and after."""
    _library._found.cache_clear()
    yield
    _library._found.cache_clear()


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_where_there_is_a_compiler_it_is_built() -> None:
    if os.environ.get(_library.SWITCH) == "off":
        pytest.skip(f"{_library.SWITCH} is off")
    assert native.is_there()


@pytest.mark.usefixtures("anew")
def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_library.SWITCH, "off")
    assert not native.is_there()
    assert not native.takes_states(torch.zeros(1, 2, 3))
    # Whoever switches it off need not be told.
    assert native.remark() is None


@pytest.mark.usefixtures("anew")
def test_a_library_of_other_sources_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(_library.SWITCH, raising=False)
    monkeypatch.setattr(_library, "_digest", lambda: "other")
    assert not native.is_there()
    said = native.remark()
    assert said is not None
    assert "other sources" in said
    assert "installing cortexscope again" in said


@pytest.mark.usefixtures("anew")
@pytest.mark.parametrize("family", sorted({"llama", "gemma3_text", "bert", "t5", "bloom"}))
def test_without_it_torch_measures_the_same(monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    monkeypatch.setenv(_library.SWITCH, "off")
    row, model = FAMILIES[family], tiny_model(family)
    batch = inputs_for(row, [41, 37, 9])
    for number, got in enumerate(measured(model, batch)):
        wanted = measure(eager(model), row, row_of(batch, number, padding=False))
        assert wanted.check(got, relative=1e-4, absolute=1e-5) == len(got)


NARROWER = {"AVX512": ("avx2", "default"), "AVX2": ("default",)}
"""What a processor can be told to be, of what it is."""

CHECK = """
import torch
from cortexscope import native

values = torch.randn(3, 5, 77, generator=torch.Generator().manual_seed(0))
sizes = native.row_sizes(native.Rows(values), native.SIZES)
torch.testing.assert_close(sizes["norms"], values.norm(dim=-1), rtol=1e-6, atol=0)
torch.testing.assert_close(sizes["largest"], values.abs().amax(-1), rtol=0, atol=0)

query, key = torch.randn(2, 2, 6, 43, 20, generator=torch.Generator().manual_seed(1)).unbind()
found = native.attention_rows(query, key, None, causal=True, scale=0.3, entropy=True, chosen={})
scores = (query.double() @ key.double().mT * 0.3).masked_fill(torch.ones(43, 43).triu(1) > 0, -1e30)
wanted = torch.special.entr(scores.softmax(-1)).sum(-1)
torch.testing.assert_close(found.entropy.double(), wanted, rtol=2e-6, atol=2e-6)
print(native.is_there(), native._library._capability())
"""


@pytest.mark.slow
@pytest.mark.skipif(not native.is_there(), reason="cortexscope was built without it")
@pytest.mark.parametrize("told", sorted({word for words in NARROWER.values() for word in words}))
def test_the_processor_that_torch_is_told_of_decides_which_one_is_taken(told: str) -> None:
    if told not in NARROWER.get(_library._capability(), ()):
        pytest.skip(f"this processor cannot be told to be {told}")
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": told}
    said = subprocess.run(
        [sys.executable, "-c", CHECK], capture_output=True, text=True, env=environment, check=True
    ).stdout
    assert said.split() == ["True", told.upper()]


OLD = 'const char *sources(void) { return "older"; }'


@pytest.mark.usefixtures("anew")
@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_a_library_of_an_older_version_is_told_of_as_such(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(_library.SWITCH, raising=False)
    monkeypatch.setattr(_library, "_HERE", tmp_path)
    assert native.remark() is not None
    (tmp_path / "old.c").write_text(OLD, encoding="utf-8")
    built = tmp_path / "_native.DEFAULT.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", str(tmp_path / "old.c"), "-o", str(built)], check=True
    )
    _library._found.cache_clear()
    said = native.remark()
    assert said is not None
    assert "other sources" in said
    # One that is loaded must stay as it is, and is found again by its name.
    other = tmp_path / "other"
    other.mkdir()
    (other / built.name).write_bytes(b"no library")
    monkeypatch.setattr(_library, "_HERE", other)
    _library._found.cache_clear()
    said = native.remark()
    assert said is not None
    assert "cannot be loaded" in said
