"""Padding: the values of a prompt do not depend on what stands beside it, or on which side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from cortexscope.metrics.base.metric import Metric
from cortexscope.records import Finding
from cortexscope.selfchecks._reading import Reading, watch
from cortexscope.selfchecks._subject import Batch, Subject, Text
from cortexscope.selfchecks._tolerance import (
    Error,
    apart,
    does_not_apply,
    floor_of,
    judged,
    tolerance_of,
)

__all__ = ["padding_left", "padding_right"]

_COUNTED = {"near_zero_fraction": 32, "study.max_sparsity": 32, "expert_load": 1}
"""Metrics that count, with the least number of things that are counted a token."""


def padding_right(
    subject: Subject, texts: Sequence[Text], metrics: Sequence[Metric], together: Reading
) -> Finding:
    """Compare each prompt alone with itself in a batch that is padded on the right."""
    name = "padding right"
    if not subject.takes_mask:
        return does_not_apply(name, "The model takes no mask, so it cannot be told of padding.")
    errors: list[Error] = []
    for number, text in enumerate(texts):
        alone = watch(subject, subject.batch([text]), metrics=metrics)
        errors += _compared(alone, 0, together, number, text, floor_of(subject.dtype))
    found = judged(
        name,
        _in_order(errors),
        tolerance_of(subject.dtype),
        good="Every prompt has the same values alone and in a padded batch.",
        bad="{what} is not the same for a prompt alone and in a padded batch, or is wrong in both.",
    )
    if found.passed or not _reads_padding(subject, texts, together):
        return found
    sentence = (
        "The model itself gives a prompt another output in a padded batch, so that what is "
        "measured there depends on the other prompts; --batch-tokens 1 reads one by one."
    )
    return found.model_copy(update={"sentence": sentence})


def _reads_padding(subject: Subject, texts: Sequence[Text], together: Reading) -> bool:
    """Return whether the unwatched model itself gives other outputs in a padded batch."""
    batches = [subject.batch([text]) for text in texts]
    outputs = [subject.output(subject.forward(batch), batch) for batch in batches]
    alone = torch.cat(outputs)
    size = float(alone.double().square().mean().sqrt().clamp(min=1e-12))
    return apart(together.output, alone, floor=size) > tolerance_of(subject.dtype)


def padding_left(subject: Subject, texts: Sequence[Text], metrics: Sequence[Metric]) -> Finding:
    """Compare batches padded on the right and on the left, where the model makes no difference."""
    name = "padding left"
    if not subject.takes_mask:
        return does_not_apply(name, "The model takes no mask, so it cannot be told of padding.")
    limit = tolerance_of(subject.dtype)
    pair = _alike(subject, texts, limit)
    if pair is None:
        return does_not_apply(
            name, "The model itself gives other outputs when padding stands on the left."
        )
    right, left = (watch(subject, batch, metrics=metrics) for batch in pair)
    errors: list[Error] = []
    for number, text in enumerate(texts):
        errors += _compared(right, number, left, number, text, floor_of(subject.dtype))
    told = ", when it is told the positions" if pair[0].told else ""
    return judged(
        name,
        _in_order(errors),
        limit,
        good=f"Every prompt has the same values with padding on its left{told}.",
        bad="{what} is not the same with padding on the right and on the left, or wrong in both.",
    )


def _alike(subject: Subject, texts: Sequence[Text], limit: float) -> tuple[Batch, Batch] | None:
    """Return batches padded on either side that the unwatched model reads alike, if there are."""
    for told in (False, True):
        if told and "position_ids" not in subject.parameters:
            return None
        right, left = (subject.batch(texts, left=side, told=told) for side in (False, True))
        outputs = [subject.output(subject.forward(one), one) for one in (right, left)]
        if not all(out.isfinite().all() for out in outputs):
            continue
        size = float(outputs[0].double().square().mean().sqrt().clamp(min=1e-12))
        if apart(outputs[1], outputs[0], floor=size) <= limit:
            return right, left
    return None


def _in_order(errors: list[Error]) -> list[Error]:
    """Return the numbers of tokens, then the layers from first to last, then whole stacks."""

    def depth(error: Error) -> tuple[int, int]:
        if error.site is None:
            return 0, 0
        return (2, 0) if error.site.layer is None else (1, error.site.layer)

    return sorted(errors, key=depth)


def _compared(
    one: Reading, row: int, other: Reading, place: int, text: Text, floor: float
) -> Iterator[Error]:
    """Yield how far the values of a prompt in two passes lie apart."""
    for stack, counted in one.lengths.items():
        wanted = text.tokens_of(stack)
        counts = (counted[row], other.lengths.get(stack, [-1] * (place + 1))[place])
        wrong = any(count != wanted for count in counts)
        yield Error(None, float("inf") if wrong else 0.0, f"The {stack}'s number of tokens")
    for (metric, site), values in one.values.items():
        beside = other.values.get((metric, site))
        what = f"The value of {metric}"
        if values is None or beside is None:
            yield Error(site, 0.0 if values is beside is None else float("inf"), what)
            continue
        tokens = text.tokens_of(site.stack)
        yield Error(site, _difference(metric, values[row], beside[place], tokens, floor), what)


def _difference(metric: str, one: Tensor, other: Tensor, tokens: int, floor: float) -> float:
    if metric in _COUNTED:
        # Rounding may move an entry over the threshold, or a near tie to another expert.
        step = 2 / (tokens * _COUNTED[metric])
        if one.shape == other.shape and bool(((one - other).abs() <= step).all()):
            return 0.0
    return apart(one, other, floor=floor)
