"""Cause: what is seen as attention is what moves information between tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from cortexscope.records import Finding, Site
from cortexscope.selfchecks._call import Call
from cortexscope.selfchecks._reading import Alter, Reading, watch
from cortexscope.selfchecks._subject import Subject, Text
from cortexscope.selfchecks._tolerance import Error, does_not_apply, judged

__all__ = ["UNSEEN", "attention_replaced", "tokens_apart"]

UNSEEN = "nothing unseen"
"""The check that fails where tokens reach each other in ways that are not measured."""

_NEEDS = frozenset({"attention.entropy", "final"})
_STATES = _NEEDS | {"hidden"}
_SHARE = 0.05
"""Of what one token changes in the others, as much may be left when attention is cut off: rounding
where experts get other groups of tokens."""


def attention_replaced(subject: Subject, text: Text, sites: Sequence[Site]) -> Finding:
    """Spread the attention of one layer after another evenly, and see whether the output moves."""
    name = "attention replaced"
    if not sites:
        return does_not_apply(name, "The model has no softmax attention.")
    batch = subject.batch([text])
    before = subject.output(subject.forward(batch), batch)
    size = float(before.double().square().mean().sqrt().clamp(min=1e-12))
    errors = []
    for site in sites:
        moved = 0.0
        # Attention that is even already, or on the token itself, is changed by the other one.
        for put in (_even, _own):
            if not moved:
                after = watch(subject, batch, needs=_NEEDS, alter=_at(site, put)).output
                moved = float((after - before).abs().max()) / size
        errors.append(Error(site, -moved))
    found = judged(
        name,
        [error if error.figure else Error(error.site, float("inf")) for error in errors],
        None,
        good="The output changes when the attention of any one layer is replaced.",
        bad="What is seen as attention in this layer does not reach the output.",
    )
    return found.model_copy(update={"figure": -found.figure if found.figure else 0.0})


def _at(site: Site, put: Callable[[Call, Tensor], Tensor | None]) -> Alter:
    def alter(at: Site, call: Call, result: Tensor) -> Tensor | None:
        return put(call, result) if at == site else None

    return alter


def tokens_apart(subject: Subject, text: Text, reading: Reading) -> Finding:
    """Cut all self-attention down to the token itself; then no token may change another one."""
    name = UNSEEN
    blocks = [
        block
        for stack in subject.anatomy.stacks
        for layer, block in enumerate(stack.blocks, start=1)
        if not subject.is_gone(Site(stack.name, layer), "layer", "attention")
    ]
    if not reading.rows:
        return does_not_apply(name, "The model has no softmax attention.")
    seen = sum(site.stack != "cross" for site in reading.rows)
    # Of what transformers knows, the check against its matrices says where attention is unseen.
    if any(block.mixers for block in blocks) or (subject.known and seen < len(blocks)):
        return does_not_apply(name, "Tokens also reach each other without softmax attention.")
    uncut: list[Site] = []

    def alter(site: Site, call: Call, result: Tensor) -> Tensor | None:
        if site.stack == "cross":
            return None
        other = _own(call, result)
        if other is None:
            uncut.append(site)
        return other

    errors = []
    for stack in subject.anatomy.stacks:
        site = Site.final(stack.name)
        other = _with_another_first_token(text, target=stack is not subject.anatomy.stacks[0])
        pair = [subject.batch([one]) for one in (text, other)]
        whole = [watch(subject, one, needs=_STATES).states for one in pair]
        cut = [watch(subject, one, needs=_STATES, alter=alter).states for one in pair]
        if uncut:
            return does_not_apply(name, "Its attention matrices are not of the shape [query, key].")
        # Some embeddings take the neighbours in; those tokens are changed before any block.
        others = (whole[0][Site(stack.name, 0)] == whole[1][Site(stack.name, 0)]).all(-1)
        moved, left = (
            float((one[site] - two[site])[others].abs().max()) if others.any() else 0.0
            for one, two in (whole, cut)
        )
        if not moved:
            return does_not_apply(name, "One token changes nothing in the others.")
        errors.append(Error(site, left / moved))
    return judged(
        name,
        errors,
        _SHARE,
        good="With attention cut off, no token changes another one: all of it was seen.",
        bad="With all seen attention cut off, tokens still change each other: some was not seen.",
    )


def _with_another_first_token(text: Text, *, target: bool) -> Text:
    """Return a text whose first token, or that of its target, is its last one."""
    if target:
        return text._replace(target=(text.target[-1], *text.target[1:]))
    return text._replace(ids=(text.ids[-1], *text.ids[1:]))


def _even(call: Call, result: Tensor) -> Tensor:
    """Return what even attention over the visible keys gives."""
    if call.fused is not None:
        return call.again(query=torch.zeros_like(call.fused["query"]))
    seen = result > 0
    return (seen / seen.sum(-1, keepdim=True).clamp(min=1)).to(result.dtype)


def _own(call: Call, result: Tensor) -> Tensor | None:
    """Return what attention of each token to itself alone gives, None where that is not known."""
    if call.fused is not None:
        queries, keys = call.fused["query"].shape[-2], call.fused["key"].shape[-2]
        if queries != keys:
            return None
        itself = torch.eye(queries, dtype=torch.bool, device=result.device)
        return call.again(attn_mask=itself, is_causal=False)
    queries, keys = result.shape[-2:]
    # One outcome more than keys is a sink.
    if call.turned or keys - queries not in (0, 1):
        return None
    own = torch.eye(queries, keys, dtype=result.dtype, device=result.device)
    return own.expand(result.shape).clone()
