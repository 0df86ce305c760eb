"""Measuring inside a user's own loop."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from batches import padded, prompts
from families import tiny_model
from reference import METRICS

from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.measure import attach
from cortexscope.store import MEASUREMENTS


def test_the_frame_has_the_columns_of_a_run() -> None:
    model = tiny_model("llama")
    with attach(model, label="mine", metrics=["residual_norm"]) as probe, torch.no_grad():
        probe.name(["a", "b"], task="letters")
        model(**padded(prompts([5, 3])))
        model(**padded(prompts([4])))
    frame = probe.frame()
    assert list(frame.columns) == MEASUREMENTS.names
    assert frame.drop_duplicates("prompt_id")["prompt_id"].tolist() == ["a", "b", "1-0"]
    assert frame["model"].unique().tolist() == ["mine"]
    assert frame.loc[frame["prompt_id"] == "a", "task"].tolist() == ["letters"] * 4
    assert frame.drop_duplicates("prompt_id")["n_tokens"].tolist() == [5, 3, 4]
    polars = probe.frame_polars()
    assert polars["value"].to_list() == frame["value"].tolist()


def test_passes_outside_the_block_are_not_measured() -> None:
    model = tiny_model("gpt2")
    probe = attach(model)
    model(**padded(prompts([4])))
    with probe:
        model(**padded(prompts([4])))
    model(**padded(prompts([4])))
    assert set(probe.frame()["prompt_id"]) == {"0-0"}


def test_generation_measures_every_pass() -> None:
    model = tiny_model("llama")
    with attach(model, metrics=["attention_entropy_normalized", "residual_norm"]) as probe:
        model.generate(**padded(prompts([6])), max_new_tokens=3, do_sample=False)
    frame: pd.DataFrame = probe.frame()
    assert frame.drop_duplicates("prompt_id")["n_tokens"].tolist() == [6, 1, 1]
    # A single new token sees all the earlier ones, so its entropy has a ceiling.
    last = frame[(frame["prompt_id"] == "2-0") & (frame["metric"] != "residual_norm")]
    assert last["value"].between(0, 1).all()


def test_a_plain_module_is_measured() -> None:
    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project = torch.nn.Linear(16, 48)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            q, k, v = (
                part.unflatten(-1, (4, 4)).transpose(1, 2) for part in self.project(x).chunk(3, -1)
            )
            mixed: torch.Tensor = torch.nn.functional.scaled_dot_product_attention(
                q, k, v, is_causal=True
            )
            return torch.stack([x, mixed.transpose(1, 2).flatten(-2)]).sum(0)

    class Own(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = torch.nn.Embedding(50, 16)
            self.layers = torch.nn.ModuleList([Block(), Block()])

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            x: torch.Tensor = self.embed(tokens)
            for layer in self.layers:
                x = layer(x)
            return x

    torch.manual_seed(0)
    own = Own()
    panel = [name for name in METRICS if "expert" not in name and "router" not in name]
    with attach(own, metrics=panel) as probe:
        own(torch.randint(0, 50, (2, 40)))
    frame = probe.frame()
    assert frame["model"].unique().tolist() == ["Own"]
    assert frame["value"].notna().all()
    assert frame["layer"].max() == 2


def test_wrong_use_is_answered() -> None:
    with pytest.raises(UnknownNameError, match="residual_norm"):
        attach(tiny_model("llama"), metrics=["residual_nrm"])
    model = tiny_model("llama")
    with attach(model) as probe:
        probe.name(["a", "b"])
        with pytest.raises(UsageError, match="2 prompts were named and 1 went"):
            model(**padded(prompts([4])))
