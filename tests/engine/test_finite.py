"""Numbers that are not finite: where they begin is said, and what helps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from families import tiny_model
from generated import suite_of, written
from torch import nn
from transformers import PreTrainedModel

from cortexscope.engine import RunRequest, Settings, Silent, run
from cortexscope.errors import ModelError
from cortexscope.models import LoadOptions
from cortexscope.records import Finding
from cortexscope.selfchecks import selfcheck


def spoil(model: PreTrainedModel, layer: int) -> PreTrainedModel:
    with torch.no_grad():
        model.get_submodule(f"model.layers.{layer - 1}").mlp.up_proj.weight[3, 5] = torch.nan
    return model


def swell(model: PreTrainedModel, layer: int) -> PreTrainedModel:
    """Let a block give more than float16 can hold."""
    with torch.no_grad():
        model.get_submodule(f"model.layers.{layer - 1}").mlp.down_proj.weight.mul_(3e4)
    return model


def failed(model: nn.Module) -> list[Finding]:
    return [finding for finding in selfcheck(model) if finding.passed is False]


@pytest.mark.parametrize("layer", [1, 3])
def test_a_weight_that_is_not_finite_is_named(layer: int) -> None:
    (found,) = failed(spoil(tiny_model("llama"), layer))
    assert (found.check, found.stack, found.layer) == ("finite numbers", "decoder", layer)
    assert found.sentence.startswith(
        f"Numbers are not finite from layer {layer} of 3 on: its weight"
    )
    assert f"model.layers.{layer - 1}.mlp.up_proj.weight holds some" in found.sentence


def test_an_overflow_of_float16_is_told_with_what_helps() -> None:
    model = swell(tiny_model("llama"), 2)
    (found,) = failed(model.half())
    assert found.layer == 2
    assert "layer 2 of 3 on: float16 ends at 65,504; load the model in bfloat16" in found.sentence
    assert failed(swell(tiny_model("llama"), 2)) == []


def test_embeddings_and_decoders_of_two_stacks_are_told_apart() -> None:
    model = tiny_model("bert")
    with torch.no_grad():
        model.get_input_embeddings().weight[:] = torch.inf
    (found,) = failed(model)
    assert found.sentence.startswith("Numbers are not finite from the embedding output on")
    pair = tiny_model("t5")
    with torch.no_grad():
        pair.get_decoder().block[1].layer[-1].DenseReluDense.wo.weight[0, 0] = torch.nan
    (found,) = failed(pair)
    assert "layer 2 of 3 of the decoder on" in found.sentence


class Notes(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def request_of(model: PreTrainedModel, path: Path, *, selfcheck: bool) -> RunRequest:
    folder = written(model, path / "model")
    return RunRequest(
        models=(f"tiny={folder}",),
        suite=suite_of(folder, lengths=(12, 5)),
        metrics=("residual_norm", "attention_entropy", "surprisal"),
        out=path / "run",
        settings=Settings(loading=LoadOptions(dtype="auto")),
        selfcheck=selfcheck,
    )


def test_the_quick_check_of_a_run_names_the_layer(tmp_path: Path) -> None:
    request = request_of(swell(tiny_model("llama"), 2).half(), tmp_path, selfcheck=True)
    with pytest.raises(
        ModelError, match=r"'finite numbers' in decoder 2: .*float16 ends at 65,504"
    ):
        run(request)


def test_a_run_without_checks_says_it_and_leaves_those_values_empty(tmp_path: Path) -> None:
    notes = Notes()
    model = spoil(tiny_model("llama"), 2)
    finished = run(request_of(model, tmp_path, selfcheck=False), notes)
    (line,) = (line for line in notes.lines if "finite" in line)
    assert line.startswith("tiny: Numbers are not finite from layer 2 of 3 on: its weight model")
    assert "among the prompts p-0 to p-1" in line
    frame = finished.measurements(metrics=["residual_norm"])
    known = frame.groupby("layer")["value"].count()
    assert known.to_dict() == {0: 2, 1: 2, 2: 0, 3: 0}
    assert frame.loc[frame["value"].isna(), "reason"].str.contains("not finite").all()


def test_a_finite_run_says_nothing(tmp_path: Path) -> None:
    notes = Notes()
    run(request_of(tiny_model("llama"), tmp_path, selfcheck=True), notes)
    assert not [line for line in notes.lines if "finite" in line]
