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

__all__ = ["EFFECTS", "KINDS_OF_PARTS", "Estimated", "LesionStep", "Lesioned"]

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
        own = {str(name): cell for name, cell in self.parts.iloc[number].items()}
        return {"model": self.model, "kind": self.kind, **own}


class Estimated(NamedTuple):
    """A model's heads or neurons, all of them, by estimate."""

    model: str
    kind: str
    parts: pd.DataFrame
    """A row a unit, as of `Lesioned`."""
    prompts: _Prompts
    surprisal: Floats
    """The estimated change, nats a token, [prompt, unit]; NaN where undefined."""


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
        parts = own[_PLACE].drop_duplicates().sort_values(_PLACE, ignore_index=True)
        several = len(of.measured.stacks[model]) > 1
        number = {tuple(row): n for n, row in enumerate(parts.fillna(-1).to_numpy().tolist())}
        columns = own[_PLACE].fillna(-1).to_numpy().tolist()
        place = np.array([number[tuple(row)] for row in columns])
        row, ids = np.unique(own["prompt_id"].to_numpy(dtype=str), return_inverse=True)

        def spread(values: Floats, place: NDArray[np.intp] = place, ids: NDArray[np.intp] = ids,
                   shape: tuple[int, int] = (len(row), len(parts))) -> Floats:  # fmt: skip
            found = np.full(shape, np.nan)
            found[ids, place] = values
            return found

        def numbers(name: str, own: pd.DataFrame = own) -> Floats:
            return own[name].to_numpy(dtype=np.float64, na_value=np.nan)

        reasons = own["reason"].dropna().value_counts()
        known = own["kl"].notna().any()
        yield Lesioned(
            model,
            kind,
            _named(parts, kind, several=several),
            _prompts(of, model, own),
            spread(numbers("bits_per_byte") - numbers("bits_per_byte_base")),
            spread(numbers("surprisal") - numbers("surprisal_base")),
            spread(numbers("kl")),
            None if known else str(reasons.index[0]),
        )


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
