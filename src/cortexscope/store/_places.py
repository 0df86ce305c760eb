"""Whether prompts have values at the same layers and heads, or some have lost them."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa

from cortexscope.store._contents import FileFault, parts

__all__ = ["Place", "check_places", "named", "places_of"]

Place = tuple[str, str, int, int]
"""Metric, stack, layer and head; -1 where there is none."""


def places_of(table: pa.Table, metrics: Collection[str]) -> frozenset[Place]:
    """Return where the prompts of a file have values, the same for each.

    A prompt of which a metric has no value in a stack, but a reason, may lack all of its places.

    Args:
        table: of `read_rows`, values of prompts and not of generated tokens.
        metrics: those that every prompt must have rows of.

    Raises:
        FileFault: if a prompt lacks rows of a metric, or values where another one has some.
    """
    import numpy as np

    prompt, prompts = parts(table["prompt_id"])
    metric, words = parts(table["metric"])
    stack, stacks = parts(table["stack"])
    of_prompt, of_metric = np.asarray(prompt), np.asarray(metric).astype(np.int64)
    layer = np.asarray(table["layer"].fill_null(-1)).astype(np.int64) + 1
    head = np.asarray(table["head"].fill_null(-1)).astype(np.int64) + 1
    layers, heads = int(layer.max(initial=0)) + 1, int(head.max(initial=0)) + 1
    has = np.zeros((len(prompts), len(words)), bool)
    has[of_prompt, of_metric] = True
    used = has.any(axis=1)
    for name in metrics:
        lost = used if name not in words else used & ~has[:, words.index(name)]
        if lost.any():
            raise FileFault(f"lacks the prompt {prompts[int(lost.argmax())]!r} of {name!r}")
    kind = of_metric * len(stacks) + np.asarray(stack)
    valued = np.zeros((len(prompts), len(words) * len(stacks)), bool)
    known = np.asarray(table["value"].is_valid())
    valued[of_prompt[known], kind[known]] = True
    counts = valued[of_prompt, kind]
    codes = ((kind * layers + layer) * heads + head)[counts]
    places, inverse = np.unique(codes, return_inverse=True)
    full = np.zeros((len(prompts), len(places)), bool)
    full[of_prompt[counts], inverse] = True
    lost_at = valued[:, places // (layers * heads)] & ~full

    def place(code: int) -> Place:
        rest, head = divmod(code, heads)
        of, layer = divmod(rest, layers)
        return words[of // len(stacks)], stacks[of % len(stacks)], layer - 1, head - 1

    if lost_at.any():
        who, where = np.argwhere(lost_at)[0]
        raise FileFault(f"lacks {named(place(int(places[where])))} of the prompt {prompts[who]!r}")
    return frozenset(map(place, places.tolist()))


def check_places(found: frozenset[Place], every: frozenset[Place]) -> None:
    """Check that a file's prompts have values wherever those of the model's other files have.

    Args:
        found: places of the file.
        every: those of all files.

    Raises:
        FileFault: if some are lost.
    """
    kinds = {(metric, stack) for metric, stack, _, _ in found}
    lost = sorted(place for place in every - found if place[:2] in kinds)
    if lost:
        more = f" and {len(lost) - 1:,} more" if lost[1:] else ""
        raise FileFault(f"lacks {named(lost[0])}{more}, which the model's other files have")


def named(place: Place) -> str:
    """Return a place in words.

    Example:
        >>> named(("attention_entropy", "decoder", 3, 1))
        'attention_entropy in decoder, layer 3, head 1'
    """
    metric, stack, layer, head = place
    told = "" if layer < 0 else f", layer {layer}"
    return f"{metric} in {stack}{told}" + ("" if head < 0 else f", head {head}")
