"""Tiny models that generate, and what their tokens give when all are read at once."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from families import VOCABULARY, tiny_model
from torch import Tensor
from transformers import PreTrainedModel

from cortexscope.engine import Generation, RunRequest, Settings
from cortexscope.interventions import Removed
from cortexscope.measure.observer import Finished, Observer, needs_of
from cortexscope.measure.tabulate import tabulate
from cortexscope.metrics import MetricOptions, make_metrics
from cortexscope.models import Model, find_anatomy
from cortexscope.records import Site
from cortexscope.store import Run, to_frame
from cortexscope.taps import HiddenStates, Predictions, Seen, Tap, Tokens, Unread, Update

__all__ = [
    "KEYS",
    "LENGTHS",
    "folder_of",
    "forced_row",
    "forced_values",
    "small_request",
    "suite_of",
    "texts_of",
    "written",
]

KEYS = ["metric", "stack", "layer", "head", "index"]
"""What tells the values of one prompt and step apart."""

LENGTHS = (12, 10)
"""Words of the prompts, which go through a model together."""


def folder_of(family: str, path: Path, **settings: Any) -> Path:
    """Write a tiny model and a tokenizer whose words are `w3`, `w4`, ..."""
    return written(tiny_model(family, **settings), path)


def written(model: PreTrainedModel, path: Path) -> Path:
    """Write a model and the tokenizer of words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "<s>", "</s>", *(f"w{number}" for number in range(3, VOCABULARY))]
    made = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, unk_token="w3"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    model.save_pretrained(path)
    PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    ).save_pretrained(path)
    return path


def suite_of(path: Path, *, lengths: tuple[int, ...] = LENGTHS) -> Path:
    """Write a suite of random words, prompt `p-0` having as many as the first length says."""
    rng = torch.Generator().manual_seed(3)
    lines = []
    for number, length in enumerate(lengths):
        words = torch.randint(3, VOCABULARY, (length,), generator=rng).tolist()
        text = " ".join(f"w{word}" for word in words)
        lines.append(json.dumps({"task": "reading", "id": f"p-{number}", "text": text}))
    file = path / "suite.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def texts_of(run: Run) -> dict[str, dict[str, Any]]:
    """Return what was generated, by prompt, arrays as lists."""
    rows: list[Any] = run.generations().to_dict("records")
    return {
        row["prompt_id"]: {
            name: value if isinstance(value, str) else value.tolist() for name, value in row.items()
        }
        for row in rows
    }


class _LastToken:
    """Shows an observer the last token of every pass of a decoder, as if it had come alone."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def begin(self) -> None:
        self._observer.begin()

    def stack(self, stack: Any, tokens: Tensor) -> None:
        if stack == "decoder":
            self._positions = Tokens(torch.ones_like(tokens[:, :1]))
            self._positions.ranks = torch.tensor([[tokens.shape[1] - 1]] * len(tokens))
            self._observer.stack(stack, tokens[:, :1])

    def see(self, site: Site, seen: Seen | Unread | Removed) -> None:
        if site.stack != "encoder":
            self._observer.see(
                site, seen if isinstance(seen, Unread | Removed) else self._last(seen)
            )

    def end(self) -> None:
        self._observer.end()

    def _states(self, seen: HiddenStates) -> HiddenStates:
        before = None if seen.before is None else self._states(seen.before)
        return type(seen)(seen._states[:, -1:], self._positions, before=before)

    def _last(self, seen: Any) -> Seen:
        if isinstance(seen, HiddenStates):
            return self._states(seen)
        if isinstance(seen, Update):
            return Update(seen.part, self._states(seen.states), self._states(seen.stream))
        parts = {name: getattr(seen, name) for name in inspect.signature(type(seen)).parameters}
        changes = dict(parts)
        for name, value in parts.items():
            if name == "positions":
                changes["positions"] = self._positions
            elif name in ("probabilities", "visible") and value is not None:
                # Of whole rows, [.., row, key]; of a router, [.., token, expert].
                whole = value.dim() == (4 if name == "visible" else value.dim())
                deep = hasattr(seen, "queries") or name == "probabilities"
                changes[name] = value[..., -1:, :] if deep and whole else value[..., -1:]
            elif name == "slots" and value is not None:
                changes["slots"] = value[:, -1:]
            elif isinstance(value, Mapping):
                changes[name] = {key: rows[..., -1:] for key, rows in value.items()}
            elif name not in ("experts", "start", "state_norm", "lengths"):
                changes[name] = None if value is None else value[..., -1:]
        if isinstance(seen, Predictions) and seen.surprisal is not None:
            # Of the last token itself, given those before.
            changes["surprisal"] = seen.surprisal[:, -2:-1]
            changes["followed"] = torch.ones_like(seen.followed[:, -1:])
        last: Seen = type(seen)(**changes)
        return last


def forced_row(model: Model, names: list[str], **inputs: Tensor) -> pd.Series:
    """Return what metrics say of the last token of one text that is read at once.

    Args:
        model: loaded.
        names: of the metrics.
        inputs: of the model, without padding.
    """
    metrics = make_metrics(names, MetricOptions())
    metrics = [metric for metric in metrics if metric.spec.replication == "prompt"]
    tables = []

    def deliver(finished: Finished) -> None:
        tables.append(
            tabulate(finished.results, model="m", prompts=[("p", "t")], lengths=finished.lengths)
        )

    anatomy = find_anatomy(model.module)
    receiver = _LastToken(Observer(metrics, anatomy, deliver))
    with (
        Tap(model.module, anatomy, needs=needs_of(metrics), receiver=receiver),
        torch.inference_mode(),
    ):
        model.module(**inputs)
    (table,) = tables
    return forced_values(to_frame(table))


def forced_values(frame: pd.DataFrame) -> pd.Series:
    """Return the values of one prompt and pass that are defined, by what tells them apart."""
    known = frame[frame["value"].notna()]
    keys = known[KEYS].astype(object).where(known[KEYS].notna(), -1)
    return known["value"].set_axis(pd.MultiIndex.from_frame(keys)).sort_index()


def small_request(
    folder: Path, out: Path, generate: Generation | None, **changes: Any
) -> RunRequest:
    """Return what asks for a small run of the model and the suite in a folder."""
    small = Settings(generate=generate, batch_tokens=24, shard_batches=1)
    request = RunRequest(
        models=(f"tiny={folder}",),
        suite=folder / "suite.jsonl",
        metrics=("residual_norm", "surprisal"),
        out=out,
        settings=small,
        selfcheck=False,
    )
    return dataclasses.replace(request, **changes)
