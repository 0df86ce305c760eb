"""A call that a tap took for attention, read without the tap's own means.

Its probabilities are computed as a textbook does, as whole matrices in float64.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from cortexscope.taps import SDPA, fused_attention, is_fusible, read_mask

__all__ = ["Call", "Direct", "direct", "plain_rows", "read_call"]

_ATTENTION = inspect.Signature(
    [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
        for name, default in {
            "query": None,
            "key": None,
            "value": None,
            "attn_mask": None,
            "dropout_p": 0.0,
            "is_causal": False,
            "scale": None,
            "enable_gqa": False,
        }.items()
    ]
)


class Call(NamedTuple):
    """A call of the fused attention, or of a softmax."""

    func: Callable[..., Tensor]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    fused: dict[str, Any] | None
    """The arguments of `scaled_dot_product_attention` by name; None for a softmax."""
    scores: Tensor | None
    """The argument of a softmax."""
    turned: bool
    """Whether scores are [prompt, query, head, key]."""

    def again(self, **changes: Any) -> Tensor:  # noqa: ANN401 - any argument
        """Return what the fused attention gives with other arguments."""
        assert self.fused is not None
        return SDPA(**{**self.fused, **changes})


class Direct(NamedTuple):
    """The rows of one attention, computed plainly, at the tokens: [token, head]."""

    total: Tensor
    """Sum of each row of what the model itself uses."""
    entropy: Tensor
    first_key: Tensor
    visible: Tensor
    outcomes: int
    """Keys, and further outcomes such as a sink, of each row."""


def read_call(
    func: Callable[..., Tensor], args: tuple[Any, ...], kwargs: dict[str, Any], *, turned: bool
) -> Call:
    """Return a call with its arguments by name."""
    if func is SDPA:
        bound = _ATTENTION.bind(*args, **kwargs)
        bound.apply_defaults()
        return Call(func, args, kwargs, dict(bound.arguments), None, turned=False)
    scores = args[0] if args else kwargs.get("input", kwargs.get("self"))
    return Call(func, args, kwargs, None, scores, turned=turned)


def direct(call: Call, result: Tensor, tokens: Tensor) -> Direct:
    """Return the rows of a call.

    Args:
        call: the call.
        result: what the model got for it.
        tokens: which query rows are tokens, [prompt, query].
    """
    if call.fused is None:
        assert call.scores is not None
        used = _four(result, tokens, call)
        plain = torch.softmax(_four(call.scores, tokens, call).double(), -1)
        total = used.double().sum(-1)
    else:
        plain = _four(torch.softmax(_scores(**call.fused), -1), tokens, call)
        total = _four(_totals(call.fused, result), tokens, call).squeeze(-1)
    return _rows(plain, total, tokens)


def plain_rows(matrix: Tensor, tokens: Tensor, *, sink: bool) -> Direct:
    """Return the rows of a matrix of probabilities, [prompt, head, query, key].

    Args:
        matrix: of one layer, as the model returned it.
        tokens: which query rows are tokens.
        sink: whether what a row lacks to 1 went to an outcome that is no key.
    """
    matrix = matrix.double()
    if sink:
        rest = (1 - matrix.sum(-1, keepdim=True)).clamp(min=torch.finfo(torch.float64).tiny)
        matrix = torch.cat([matrix, rest], -1)
    return _rows(matrix, matrix.sum(-1), tokens)


def _rows(matrix: Tensor, total: Tensor, tokens: Tensor) -> Direct:
    # Some models append rows of their own after the last token.
    spare = matrix.shape[2] - tokens.shape[1]
    tokens = functional.pad(tokens, (0, max(spare, 0)), value=False).to(matrix.device)
    rows = matrix.transpose(1, 2)[tokens].cpu()  # [token, head, key]
    seen = rows > 0
    first = seen.to(torch.uint8).argmax(-1, keepdim=True)
    return Direct(
        total=total.transpose(1, 2)[tokens].cpu(),
        entropy=torch.special.entr(rows).sum(-1),
        first_key=rows.gather(-1, first).squeeze(-1),
        visible=seen.sum(-1),
        outcomes=rows.shape[-1],
    )


def _four(x: Tensor, tokens: Tensor, call: Call) -> Tensor:
    """Return [prompt, head, query, key] of whatever layout a model keeps it in."""
    x = x.detach()
    if x.dim() == 3:
        folded: Tensor = x.unflatten(0, (tokens.shape[0], -1))
        return folded
    return x.transpose(1, 2) if call.turned else x


def _scores(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    dropout_p: float,
    is_causal: bool,
    scale: float | None,
    enable_gqa: bool,
) -> Tensor:
    keys = key.detach().double()
    if keys.shape[-3] not in (1, query.shape[-3]):
        keys = keys.repeat_interleave(query.shape[-3] // keys.shape[-3], -3)
    scores = query.detach().double() @ keys.transpose(-1, -2)
    scores = scores * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        ahead = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(ahead, -torch.inf)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -torch.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask.detach().double()
    return scores


def _totals(given: dict[str, Any], result: Tensor) -> Tensor:
    """Return the sum over keys of each row of a fused attention, [..., query, 1].

    Where the kernel gives its log-sum-exp, it is that of the plain scores; elsewhere the plain
    probabilities must give the kernel's own result, and what they miss of it is added to 1.
    """
    query, key, value = (given[name].detach() for name in ("query", "key", "value"))
    scores = _scores(**given)
    values = value.double()
    if values.shape[-3] not in (1, query.shape[-3]):
        values = values.repeat_interleave(query.shape[-3] // values.shape[-3], -3)
    size = values.square().mean().sqrt().clamp(min=1e-30)
    missed = torch.softmax(scores, -1) @ values - result.detach().double()
    missed = missed.abs().amax(-1, keepdim=True) / size
    grouped = bool(given["enable_gqa"])
    if query.dim() == 4 and is_fusible(query, key, value, dropout=0.0, grouped=grouped):
        scale = query.shape[-1] ** -0.5 if given["scale"] is None else given["scale"]
        mask = read_mask(
            given["attn_mask"],
            queries=query.shape[2],
            keys=key.shape[2],
            causal=given["is_causal"],
            like=query,
        )
        fused = fused_attention(query, key, value, mask, scale, (), tokens=None, widen=False)
        missed = torch.maximum(missed, (scores.logsumexp(-1) - fused.lse).expm1().abs()[..., None])
    total: Tensor = 1 + missed
    return total
