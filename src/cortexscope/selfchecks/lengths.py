"""Lengths: what a text is read as does not depend on how long the one beside it is."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from cortexscope.records import Finding, Site
from cortexscope.selfchecks._subject import Subject, Text
from cortexscope.selfchecks._tolerance import (
    Error,
    apart,
    does_not_apply,
    judged,
    tolerance_of,
)

__all__ = ["longer_beside"]

_FAR = 1 << 15
"""Where the longer text ends, if the model has no limit of its own."""


def longer_beside(subject: Subject, texts: Sequence[Text], context: int | None) -> Finding:
    """Compare a text alone with itself beside one whose positions are as high as may be.

    The other one is as short, and the model is told that it stands at the end of a long text.
    Where the model reads texts above a border otherwise, which never go together with shorter
    ones, it ends at the border.

    Args:
        subject: the model.
        texts: of which one is read.
        context: the longest input that the model takes, None where it has no limit.
    """
    name = "longer beside"
    if "position_ids" not in subject.parameters or len(subject.anatomy.stacks) > 1:
        return does_not_apply(name, "The model cannot be told positions.")
    borders = subject.switches.rule.borders
    end = min([context or _FAR, *borders])
    text = min(texts, key=lambda text: abs(len(text.ids) - 7))
    length = len(text.ids)
    if 2 * length > end:
        return does_not_apply(name, "No text is so short that a longer one fits.")
    places = torch.arange(length, device=subject.device)
    try:
        alone, both = (
            subject.output(
                subject.forward(batch, places=torch.stack([places, places + end - length][:rows])),
                batch,
            )
            for rows, batch in ((n, subject.batch([text] * n)) for n in (1, 2))
        )
    except (RuntimeError, IndexError, ValueError) as error:
        return does_not_apply(name, f"It does not run when it is told positions ({error}).")
    size = float(alone.double().square().mean().sqrt().clamp(min=1e-12))
    figure = apart(both[: len(alone)], alone, floor=size)
    beyond = f" Texts of more than {end} tokens are read otherwise, so they go apart."
    return judged(
        name,
        [Error(Site.final(subject.anatomy.stacks[-1].name), figure)],
        tolerance_of(subject.dtype),
        good="A text is read alike alone and beside a longer one." + (beyond if borders else ""),
        bad="The model reads a text otherwise beside a longer one, so that what is measured "
        "depends on the batch; --batch-tokens 1 reads one by one.",
    )
