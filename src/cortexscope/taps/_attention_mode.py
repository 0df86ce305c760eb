"""See every attention that runs, whatever architecture it is in.

A torch function mode is told of each call of `scaled_dot_product_attention` and of each softmax.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from cortexscope.taps._direct import direct_rows, rows_of_scores, small
from cortexscope.taps._fused import fused_attention, is_fusible, sharpened
from cortexscope.taps._mask import Mask, read_mask
from cortexscope.taps._statistics import RowStatistics, Wanted

__all__ = ["AttentionMode"]

_SOFTMAXES = frozenset({torch.softmax, functional.softmax, Tensor.softmax})


class AttentionMode(TorchFunctionMode):
    """While active, hands the row statistics of each attention to `receive`.

    The model gets what it would have got: the fused kernel's output is bit-identical to that of
    the call it stands for, and a softmax is only looked at.

    Args:
        wanted: which statistics to compute.
        tokens: which positions of the batch are no padding, [prompt, token]; None while the
            model is outside of its blocks, where calls are let through.
        receive: takes the statistics and the number of visible keys of each row.
    """

    def __init__(
        self,
        wanted: Wanted,
        *,
        tokens: Callable[[], Tensor | None],
        receive: Callable[[RowStatistics, Tensor], None],
    ) -> None:
        super().__init__()
        self._wanted = wanted
        self._tokens = tokens
        self._receive = receive
        self._masks: dict[tuple[Any, ...], tuple[Tensor | None, Mask]] = {}
        self._widens: dict[tuple[Any, ...], bool] = {}

    def forget(self) -> None:
        """Drop what is known of masks and shapes, since a new forward pass begins.

        What one pass gives then never depends on the passes before it.
        """
        self._masks.clear()
        self._widens.clear()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function that was called returns
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention and self._tokens() is not None:
            return self._scaled_dot_product_attention(*args, **kwargs)
        result = func(*args, **kwargs)
        if func in _SOFTMAXES and self._tokens() is not None:
            self._softmax(result, *args, **kwargs)
        return result

    def _scaled_dot_product_attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        with torch.no_grad():
            mask = self._mask(attn_mask, query, key, causal=is_causal)
            by = query.shape[-1] ** -0.5 if scale is None else scale
            if (
                not small(key.shape[2])
                and not mask.graded
                and is_fusible(query, key, value, dropout=dropout_p, grouped=enable_gqa)
            ):
                return self._fused(query, key, value, mask, by)
        output = functional.scaled_dot_product_attention(
            query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
        )
        with torch.no_grad():
            self._receive(direct_rows(query, key, mask, by, self._wanted), mask.visible)
        return output

    def _fused(self, query: Tensor, key: Tensor, value: Tensor, mask: Mask, scale: float) -> Tensor:
        shape = (query.shape, key.shape, query.dtype, mask.causal, mask.bias is None)
        fused = fused_attention(
            query, key, value, mask, scale, self._wanted, widen=self._widens.get(shape)
        )
        if fused.widened is not None:
            self._widens[shape] = fused.widened
        rows, tokens = fused.rows, self._tokens()
        # With another shape the tap refuses the layer in a moment.
        if tokens is not None and tokens.shape == (query.shape[0], query.shape[2]):
            rows = sharpened(fused, query, key, mask, scale, tokens)
        self._receive(rows, mask.visible)
        return fused.output

    def _mask(self, mask: Tensor | None, query: Tensor, key: Tensor, *, causal: bool) -> Mask:
        queries, keys = query.shape[2], key.shape[2]
        name: tuple[Any, ...] = (queries, keys, causal, query.dtype)
        if mask is not None:
            name += (mask.data_ptr(), mask.shape, mask.stride(), mask.dtype)
        if name not in self._masks:
            # The tensor is kept beside what was read of it, so that its address stays taken.
            self._masks[name] = (
                mask,
                read_mask(mask, queries=queries, keys=keys, causal=causal, like=query),
            )
        return self._masks[name][1]

    def _softmax(
        self,
        probabilities: Tensor,
        input: Tensor,
        dim: int | None = None,
        *_: object,
        **__: object,
    ) -> None:
        tokens = self._tokens()
        if tokens is None or dim not in (-1, input.dim() - 1):
            return
        scores, probabilities = input.detach(), probabilities.detach()
        prompts, length = tokens.shape
        if scores.dim() == 3 and scores.shape[1] == length and not scores.shape[0] % prompts:
            # Some models keep prompts and heads in one axis.
            scores = scores.unflatten(0, (prompts, -1))
            probabilities = probabilities.unflatten(0, (prompts, -1))
        if scores.dim() == 4:
            with torch.no_grad():
                rows, visible = rows_of_scores(scores, probabilities, self._wanted)
            self._receive(rows, visible)
