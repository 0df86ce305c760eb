"""Experts: what the router says is what its weights give, and the best experts are chosen."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cortexscope.interventions import removed_from
from cortexscope.models import Block
from cortexscope.records import Finding, Site
from cortexscope.selfchecks._plain import Pass
from cortexscope.selfchecks._reading import Reading
from cortexscope.selfchecks._subject import Batch, Subject
from cortexscope.selfchecks._tolerance import (
    Error,
    apart,
    does_not_apply,
    judged,
    tolerance_of,
)

__all__ = ["expert_routing"]

_NAMES = ("expert load", "router scores", "chosen experts")


def expert_routing(subject: Subject, batch: Batch, plain: Pass, reading: Reading) -> list[Finding]:
    """Compare loads, scores and choices with the router's weights."""
    routed = {
        Site(stack.name, layer): block
        for stack in subject.anatomy.stacks
        for layer, block in enumerate(stack.blocks, start=1)
        if block.router is not None and not subject.is_gone(Site(stack.name, layer), "layer", "mlp")
    }
    if not routed:
        return [does_not_apply(name, "The model has no experts.") for name in _NAMES]
    limit = tolerance_of(subject.dtype)
    loads, scores, choices = [], [], []
    for site, block in routed.items():
        route = reading.routes.get(site)
        steps = plain.steps[site.stack]
        if route is None:
            loads.append(Error(site, float("inf")))
            continue
        tokens = batch.tokens_of(site.stack)
        if route.slots is not None:
            load = reading.values.get(("expert_load", site))
            total = None if load is None else load.nansum(-1)
            off = float("inf") if total is None else float((total - 1).abs().max())
            loads.append(Error(site, off))
        if route.probabilities is None:
            continue
        said = route.probabilities[tokens].cpu()
        given = steps[(site.layer or 1) - 1].routed
        if given is not None and given.numel():
            scores.append(Error(site, _from_weights(subject, site, block, given, said)))
        if route.slots is not None and not _corrected(subject.module, block):
            chosen = route.slots[tokens].cpu() > 0
            least = said.masked_fill(~chosen, torch.inf).amin(-1)
            best = said.masked_fill(chosen, -torch.inf).amax(-1)
            choices.append(Error(site, float((best - least).clamp(min=0).max())))
    return [
        _verdict(
            _NAMES[0],
            loads,
            1e-9,
            good="The loads of each prompt sum to one in every layer with experts.",
            bad="Its router was not seen, or the loads of the experts do not sum to one.",
            absent="Its routers do not say which experts they choose.",
        ),
        _verdict(
            _NAMES[1],
            scores,
            limit,
            good="The router's distribution is that of its input and its weights.",
            bad="The router's distribution is not that of its input and its weights.",
            absent="Its routers show no scores of all experts, or hold no plain weights.",
        ),
        _verdict(
            _NAMES[2],
            choices,
            limit,
            good="The chosen experts are those that the router finds most probable.",
            bad="The chosen experts are not those that the router finds most probable.",
            absent="Its routers choose by more than their scores, such as a correction or groups.",
        ),
    ]


def _verdict(
    name: str, errors: list[Error], limit: float, *, good: str, bad: str, absent: str
) -> Finding:
    if not errors:
        return does_not_apply(name, absent)
    return judged(name, errors, limit, good=good, bad=bad)


def _from_weights(subject: Subject, site: Site, block: Block, given: Tensor, said: Tensor) -> float:
    """Return how far the scores are from those of the router's weights, softmax or sigmoids."""
    assert block.router is not None
    router = subject.module.get_submodule(block.router)
    weight, bias = router._parameters.get("weight"), router._parameters.get("bias")
    if weight is None or weight.shape[-1] != given.shape[-1]:
        return 0.0
    logits = given.float() @ weight.detach().float().cpu().T
    if bias is not None:
        logits = logits + bias.detach().float().cpu()
    for one in removed_from(subject.module):
        if one.part == "expert" and one.site == site:
            logits[:, one.index] = -torch.inf
    sigmoids = torch.sigmoid(logits)
    shares = sigmoids / sigmoids.sum(-1, keepdim=True)
    return min(apart(said, torch.softmax(logits, -1)), apart(said, shares))


def _corrected(module: nn.Module, block: Block) -> bool:
    """Return whether something beside the scores decides: a correction, or groups of experts."""
    assert block.router is not None
    router = module.get_submodule(block.router)
    around = module.get_submodule(block.router.rpartition(".")[0])
    names = [name for part in (router, around) for name in (*part._parameters, *part._buffers)]
    grouped = any((getattr(part, "n_group", None) or 1) > 1 for part in (router, around))
    return grouped or any("correction" in name for name in names)
