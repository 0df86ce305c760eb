"""Where the compiled part comes from, and what happens without it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

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


@pytest.mark.slow
@pytest.mark.skipif(not native.is_there(), reason="cortexscope was built without it")
def test_the_processor_that_torch_is_told_of_decides_which_one_is_taken() -> None:
    code = (
        "import torch; from cortexscope import native; "
        "rows = native.Rows(torch.ones(1, 1, 9)); "
        "print(native.is_there(), float(native.row_sizes(rows, native.SIZES)['sums']))"
    )
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": "default"}
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    ).stdout
    assert said.split() == ["True", "9.0"]
