"""Where memory does not hold a batch its halves are read, as if they had been planned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from generated import folder_of, small_request, suite_of, written
from masked import masked_model
from shortage import Notes, everything, lacking

import cortexscope.engine._plan as plan_module
from cortexscope.engine import Generation, RunRequest, Settings, run
from cortexscope.engine._batches import Batch, Shard, shards_of
from cortexscope.engine.passes import Reader
from cortexscope.errors import ModelError
from cortexscope.measure.memory import ran_out
from cortexscope.store import examine

LENGTHS = (9, 9, 8, 8, 8, 7, 7)
ERRORS = [
    MemoryError(),
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: "
        "you tried to allocate 1099511627776 bytes. Error code 12 (Cannot allocate memory)"
    ),
]


def in_halves(batch: Batch, holds: int) -> list[Batch]:
    if len(batch.items) <= holds:
        return [batch]
    return [part for half in batch.halves() for part in in_halves(half, holds)]


def planned(patch: pytest.MonkeyPatch, *, holds: int) -> None:
    """Let the plan have the halves as its batches."""

    def made(*given: Any, **options: Any) -> list[Shard]:
        return [
            Shard(shard.number, tuple(p for own in shard.batches for p in in_halves(own, holds)))
            for shard in shards_of(*given, **options)
        ]

    patch.setattr(plan_module, "shards_of", made)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = folder_of("llama", tmp_path_factory.mktemp("memory") / "llama")
    suite_of(folder, lengths=LENGTHS)
    return folder


def request(folder: Path, out: Path, generation: Generation | None = None) -> RunRequest:
    """Return a request whose prompts are one batch."""
    asked = small_request(folder, out, generation)
    return replace(asked, settings=replace(asked.settings, batch_tokens=1000))


@pytest.mark.slow
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("holds", [1, 3])
def test_values_are_those_of_the_halves(
    folder: Path, tmp_path: Path, error: BaseException, holds: int
) -> None:
    asked = request(folder, tmp_path / "halved")
    notes = Notes()
    with pytest.MonkeyPatch.context() as patch:
        lacking(patch, error, holds=holds, step=False)
        found = run(asked, notes)
    with pytest.MonkeyPatch.context() as patch:
        planned(patch, holds=holds)
        wanted = run(replace(asked, out=tmp_path / "planned"))
    assert everything(found) == everything(wanted)
    (label,) = found.manifest.halved
    first = found.manifest.halved[label][0]
    assert (first.shard, first.prompts, first.tokens) == (0, len(LENGTHS), max(LENGTHS))
    assert sum("read in halves" in text for text in notes.said) == 1
    assert examine(found.path) == []
    assert found.manifest.status == "complete"


@pytest.mark.slow
@pytest.mark.parametrize("step", [False, True])
def test_a_text_that_is_generated_is_not_doubled(folder: Path, tmp_path: Path, step: bool) -> None:
    drawn = Generation(tokens=3, sample=True, seed=1)
    asked = request(folder, tmp_path / "halved", drawn)
    with pytest.MonkeyPatch.context() as patch:
        lacking(patch, ERRORS[1], holds=2, step=step)
        found = run(asked)
    with pytest.MonkeyPatch.context() as patch:
        planned(patch, holds=2)
        wanted = run(replace(asked, out=tmp_path / "planned"))
    assert everything(found) == everything(wanted)
    assert found.manifest.halved


@pytest.mark.slow
def test_passes_with_hidden_tokens_are_halved_with_their_batch(tmp_path: Path) -> None:
    folder = written(masked_model("bert"), tmp_path / "bert")
    suite = suite_of(folder, lengths=LENGTHS)
    asked = RunRequest(
        models=(str(folder),),
        suite=suite,
        out=tmp_path / "halved",
        metrics=("pseudo_log_likelihood", "residual_norm"),
        settings=Settings(batch_tokens=1000),
        selfcheck=False,
    )
    with pytest.MonkeyPatch.context() as patch:
        lacking(patch, ERRORS[2], holds=2, step=False)
        found = run(asked)
    with pytest.MonkeyPatch.context() as patch:
        planned(patch, holds=2)
        wanted = run(replace(asked, out=tmp_path / "planned"))
    assert everything(found) == everything(wanted)
    assert found.manifest.halved


def test_a_single_prompt_that_does_not_fit_fails_the_model(folder: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        lacking(patch, ERRORS[0], holds=0, step=False)
        with pytest.raises(ModelError, match=r"\(1 of up to 9 tokens\): MemoryError.*batch-tokens"):
            run(request(folder, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_other_errors_are_not_taken_for_it(folder: Path, tmp_path: Path) -> None:
    def broken(self: Reader, **inputs: Any) -> Any:
        raise RuntimeError("shapes differ")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reader, "forward", broken)
        with pytest.raises(ModelError, match=r"\(7 of up to 9 tokens\): RuntimeError: shapes"):
            run(request(folder, tmp_path / "run"))


def test_what_torch_itself_raises_is_known() -> None:
    with pytest.raises(RuntimeError) as found:
        torch.empty(1 << 58, dtype=torch.int8)
    assert ran_out(found.value)
