"""Reductions of logits by compiled code: one reading of a piece gives all of them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cortexscope.native._library import call, is_there, threads

__all__ = ["LogitSums", "read_logits", "takes_logits"]

_Integer, _Pointer = ctypes.c_int64, ctypes.c_void_p


class _Logits(ctypes.Structure):
    _fields_ = (
        *((name, _Pointer) for name in ("scores", "strides")),
        *((name, _Integer) for name in ("members", "rows", "width", "start", "base")),
        *(
            (name, _Pointer)
            for name in (
                "tokens",
                "marks",
                "best",
                "second",
                "wanted",
                "top",
                "above",
                "mass",
                "moment",
                "apart",
            )
        ),
        ("next", _Integer),
    )


@dataclass(slots=True)
class LogitSums:
    """What rows of logits come to, as far as they were read."""

    best: Float[Tensor, "member row"]
    """The largest logit m."""
    top: Int[Tensor, "member row"]
    """The first token that has it."""
    second: Float[Tensor, "member row"] | None
    """The largest of the others, None where it is not asked for."""
    wanted: Float[Tensor, "member row"]
    """The logit of the token in question."""
    mass: Float[Tensor, "member row"]
    """The sum of exp(s - m), in float64."""
    moment: Float[Tensor, "member row"]
    """The sum of exp(s - m) (s - m), in float64."""
    above: Int[Tensor, "member row"] | None
    """How many tokens but that one lie above a mark, None without marks."""
    apart: Float[Tensor, "member row"] | None
    """The sum of exp(t - n) (t - s), in float64, for the base's logits t and their largest n; None
    without a base."""

    @classmethod
    def none(
        cls, like: Float[Tensor, " row"], members: int, *, second: bool, marks: bool, base: bool
    ) -> LogitSums:
        """Return the sums of nothing, beside logits of one token a row.

        Args:
            like: has their rows, type and device.
            members: how many distributions there are of each row.
            second: whether the second largest is asked for.
            marks: whether tokens are counted.
            base: whether there is a base.
        """
        shape = (members, len(like))
        lowest = like.new_full(shape, -torch.inf)
        nothing = torch.zeros(shape, dtype=torch.float64, device=like.device)
        whole = torch.zeros(shape, dtype=torch.long, device=like.device)
        return cls(
            best=lowest,
            top=whole,
            second=lowest.clone() if second else None,
            wanted=lowest.clone(),
            mass=nothing,
            moment=nothing.clone(),
            above=whole.clone() if marks else None,
            apart=nothing.clone() if base else None,
        )


def takes_logits(scores: Sequence[Tensor]) -> bool:
    """Return whether such logits can be reduced by compiled code."""
    return is_there() and all(
        own.device.type == "cpu" and own.dtype == torch.float32 for own in scores
    )


def read_logits(
    sums: LogitSums,
    start: int,
    scores: Sequence[Float[Tensor, "row token"]],
    tokens: Int[Tensor, " row"],
    *,
    marks: Float[Tensor, "member row"] | None = None,
    base: int | None = None,
) -> None:
    """Add a piece of the vocabulary to what rows of logits come to.

    Args:
        sums: of the pieces before; changed in place.
        start: the number of the piece's first token.
        scores: of each member.
        tokens: the token in question of each row.
        marks: what scores are counted above.
        base: the member that the others are held against.
    """
    pieces = [own if own.stride(-1) == 1 else own.contiguous() for own in scores]
    rows, width = pieces[0].shape
    tokens = tokens.contiguous()
    marks = None if marks is None else marks.contiguous()
    pointers = (_Pointer * len(pieces))(*(own.data_ptr() for own in pieces))
    strides = (_Integer * len(pieces))(*(own.stride(0) for own in pieces))
    job = _Logits(
        scores=ctypes.cast(pointers, _Pointer),
        strides=ctypes.cast(strides, _Pointer),
        members=len(pieces),
        rows=rows,
        width=width,
        start=start,
        base=-1 if base is None else base,
        tokens=tokens.data_ptr(),
        marks=_address(marks),
        best=sums.best.data_ptr(),
        second=_address(sums.second),
        wanted=sums.wanted.data_ptr(),
        top=sums.top.data_ptr(),
        above=_address(sums.above),
        mass=sums.mass.data_ptr(),
        moment=sums.moment.data_ptr(),
        apart=_address(sums.apart),
    )
    call("read_logits", job, threads(len(pieces) * rows * width))


def _address(part: Tensor | None) -> int:
    return 0 if part is None else part.data_ptr()
