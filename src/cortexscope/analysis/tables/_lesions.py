"""What runs have of models without parts of them, as the tables of lesions take it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortexscope.analysis._values import clusters_of
from cortexscope.analysis.tables._step import Step
from cortexscope.store import Lesions

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["EFFECTS", "KINDS_OF_PARTS", "Estimated", "LesionStep", "Lesioned", "Valued"]

Floats = NDArray[np.float64]

KINDS_OF_PARTS = ("layers", "attention", "mlp", "heads", "neurons", "experts")
"""What can be taken out of a model."""

EFFECTS = ("surprisal", "kl")
"""What a part is needed for is judged by: the change of bits per byte, or the KL divergence."""

_NONE = (
    "no part of a model was taken out; `cortexscope lesion` does that, and measures what each is "
    "needed for"
)

_PLACE = ["stack", "layer", "index"]


class _Prompts(NamedTuple):
    """What is known of prompts, each an array over them."""

    ids: NDArray[np.str_]
    tasks: NDArray[np.str_]
    clusters: NDArray[np.str_]
    lengths: Floats
    """Tokens."""


class Lesioned(NamedTuple):
    """A model without each part of a kind, one at a time."""

    model: str
    kind: str
    parts: pd.DataFrame
    """A row a part: part, which is its change's text, stack, layer, index."""
    prompts: _Prompts
    bits: Floats
    """By how much bits per byte change, [prompt, part]; NaN where undefined."""
    surprisal: Floats
    """By how much surprisal changes, nats a token, [prompt, part]."""
    kl: Floats
    """Divergence from the intact model, nats a token, [prompt, part]."""
    reason: str | None
    """Why nothing is known; None where something is."""

    def effect(self, name: str) -> Floats:
        """Return the change that one of `EFFECTS` means, [prompt, part]."""
        return self.bits if name == "surprisal" else self.kl

    def place(self, number: int) -> dict[str, object]:
        """Return the cells that say which part it is."""
        return _place(self.model, self.kind, self.parts, number)


class Estimated(NamedTuple):
    """A model's heads or neurons, all of them, by estimate."""

    model: str
    kind: str
    parts: pd.DataFrame
    """A row a unit, as of `Lesioned`."""
    prompts: _Prompts
    surprisal: Floats
    """The estimated change, nats a token, [prompt, unit]; NaN where undefined."""


class Valued(NamedTuple):
    """A metric of a model without each part of a kind, one at a time."""

    model: str
    metric: str
    kind: str
    parts: pd.DataFrame
    """A row a part, as of `Lesioned`."""
    prompts: _Prompts
    base: Floats
    """Of the intact model, over the places that have a value without the part too, [prompt, part];
    NaN where undefined."""
    values: Floats
    """Without the part, [prompt, part]."""
    reasons: list[str | None]
    """Why a prompt has no value without a part, [part]."""

    def place(self, number: int) -> dict[str, object]:
        """Return the cells that say which part it is."""
        return _place(self.model, self.kind, self.parts, number)


class LesionStep(Step):
    """A table of models without parts of them."""

    def concerns(self, of: Analysis) -> bool:
        """Return whether parts were taken out of models."""
        return of.measured.lesioned

    def absent(self, of: Analysis) -> str:
        """Return why there is nothing."""
        return _NONE

    @staticmethod
    def lesioned(of: Analysis) -> tuple[Lesioned, ...]:
        """Return each model and kind of part, prompts and their paraphrases alone."""
        return of.once("lesioned", lambda: tuple(_lesioned(of)))

    @staticmethod
    def estimated(of: Analysis) -> tuple[Estimated, ...]:
        """Return each model and kind of part of which all were estimated."""
        return of.once("estimated", lambda: tuple(_estimated(of)))

    @staticmethod
    def measured(of: Analysis) -> tuple[Valued, ...]:
        """Return each model, metric and kind of part where one was measured without parts."""
        return of.once("lesion values", lambda: tuple(_valued(of)))


def _place(model: str, kind: str, parts: pd.DataFrame, number: int) -> dict[str, object]:
    own = {str(name): cell for name, cell in parts.iloc[number].items()}
    return {"model": model, "kind": kind, **own}


def _read(of: Analysis) -> Lesions:
    def usable(frame: pd.DataFrame) -> pd.DataFrame:
        clusters = clusters_of(of.measured)
        frame = frame.assign(cluster=frame["prompt_id"].map(clusters))
        return of.groups.put(frame[frame["cluster"].notna()])

    return of.once("lesions", lambda: Lesions(*map(usable, of.measured.lesions())))


def _ordered(of: Analysis, frame: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield what is there of each model and kind of part, in the order of the run's models."""
    for model in of.measured.labels:
        for kind in KINDS_OF_PARTS:
            own = frame[(frame["model"] == model) & (frame["kind"] == kind)]
            if len(own):
                yield model, kind, own


def _prompts(of: Analysis, model: str, frame: pd.DataFrame) -> _Prompts:
    """Return what is known of prompts, in the order of their ids, which index a frame."""
    values = of.read[of.read["model"] == model]
    lengths = values.drop_duplicates("prompt_id").set_index("prompt_id")["n_tokens"]
    lengths.index = lengths.index.astype(str)
    facts = frame.drop_duplicates("prompt_id").set_index("prompt_id").sort_index()
    return _Prompts(
        facts.index.to_numpy(dtype=str),
        facts["task"].to_numpy(dtype=str),
        facts["cluster"].to_numpy(dtype=str),
        lengths.reindex(facts.index).to_numpy(dtype=np.float64),
    )


def _lesioned(of: Analysis) -> Iterator[Lesioned]:
    for model, kind, own in _ordered(of, _read(of).effects):
        grid = _Grid.of(own)
        reasons = own["reason"].dropna().value_counts()
        known = own["kl"].notna().any()
        yield Lesioned(
            model,
            kind,
            grid.named(of, model, kind),
            _prompts(of, model, own),
            grid.spread("bits_per_byte") - grid.spread("bits_per_byte_base"),
            grid.spread("surprisal") - grid.spread("surprisal_base"),
            grid.spread("kl"),
            None if known else str(reasons.index[0]),
        )


def _valued(of: Analysis) -> Iterator[Valued]:
    for model, kind, every in _ordered(of, _read(of).values):
        for metric, own in every.groupby("metric", sort=False):
            grid = _Grid.of(own)
            reasons: list[str | None] = [None] * len(grid.parts)
            for number, reason in zip(grid.place, own["reason"], strict=True):
                reasons[number] = reasons[number] or reason
            yield Valued(
                model,
                str(metric),
                kind,
                grid.named(of, model, kind),
                _prompts(of, model, own),
                grid.spread("value_base"),
                grid.spread("value"),
                reasons,
            )


class _Grid(NamedTuple):
    """Rows of prompts and parts, each row's place in an array [prompt, part]."""

    rows: pd.DataFrame
    parts: pd.DataFrame
    prompts: int
    row: NDArray[np.intp]
    place: NDArray[np.intp]

    @classmethod
    def of(cls, rows: pd.DataFrame) -> _Grid:
        """Return rows with their places: parts in order, prompts by their ids."""
        parts = rows[_PLACE].drop_duplicates().sort_values(_PLACE, ignore_index=True)
        number = {tuple(row): n for n, row in enumerate(parts.fillna(-1).to_numpy().tolist())}
        columns = rows[_PLACE].fillna(-1).to_numpy().tolist()
        place = np.array([number[tuple(row)] for row in columns])
        ids, row = np.unique(rows["prompt_id"].to_numpy(dtype=str), return_inverse=True)
        return cls(rows, parts, len(ids), row, place)

    def spread(self, name: str) -> Floats:
        """Return a column as [prompt, part]; NaN where it is null."""
        found = np.full((self.prompts, len(self.parts)), np.nan)
        found[self.row, self.place] = self.rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
        return found

    def named(self, of: Analysis, model: str, kind: str) -> pd.DataFrame:
        """Return the parts with their names."""
        return _named(self.parts, kind, several=len(of.measured.stacks[model]) > 1)


def _estimated(of: Analysis) -> Iterator[Estimated]:
    import pandas as pd

    for model, kind, own in _ordered(of, _read(of).estimates):
        prompts = _prompts(of, model, own)
        order = {name: n for n, name in enumerate(np.unique(own["prompt_id"].to_numpy(dtype=str)))}
        parts, columns = [], []
        for (stack, layer), rows in own.groupby(["stack", "layer"], sort=True):
            lists = rows["surprisal_change"]
            width = max((len(one) for one in lists.dropna()), default=0)
            block = np.full((len(order), width), np.nan)
            for name, one in zip(rows["prompt_id"], lists, strict=True):
                if one is not None:
                    block[order[name]] = one
            columns.append(block)
            parts += [(stack, layer, index) for index in range(width)]
        places = pd.DataFrame(parts, columns=_PLACE).astype({"layer": "Int16", "index": "Int32"})
        named = _named(places, kind, several=len(of.measured.stacks[model]) > 1)
        yield Estimated(model, kind, named, prompts, np.hstack(columns))


def _named(parts: pd.DataFrame, kind: str, *, several: bool) -> pd.DataFrame:
    """Return parts with what each is called where it is taken out, such as `heads:5.3`."""
    names = []
    for stack, layer, index in parts[_PLACE].astype(object).itertuples(index=False):
        unit = f".{index}" if isinstance(index, int) else ""
        names.append(f"{kind}:{f'{stack}.' if several else ''}{layer}{unit}")
    return parts.assign(part=names)[["part", *_PLACE]]
