"""See every attention that runs, whatever architecture it is in.

A torch function mode is told of each call of `scaled_dot_product_attention` and of each softmax.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from cortexscope.taps._direct import (
    direct_rows,
    remembered,
    rows_of_scores,
    small,
    whole_rows,
    whole_rows_of_scores,
)
from cortexscope.taps._functions import MULTI_HEAD, SDPA, SOFTMAXES, seen_inside
from cortexscope.taps._fused import fused_attention, is_fusible, rows_beside
from cortexscope.taps._kernels import choose
from cortexscope.taps._mask import Mask, Masks, first_query, first_tokens, visible_keys
from cortexscope.taps._mixing import MixerNotes
from cortexscope.taps._native import native_rows, takes_native
from cortexscope.taps._place import Place
from cortexscope.taps._routing import RouterNotes
from cortexscope.taps._statistics import Rows, Statistics, Wanted

__all__ = ["AttentionMode"]

_WATCHED = SOFTMAXES | {SDPA, MULTI_HEAD}


class AttentionMode(TorchFunctionMode):
    """While active, hands the row statistics of each attention to `receive`.

    The model gets what it would have got: the fused kernel's output is bit-identical to that of
    the call it stands for, and a softmax is only looked at.

    Args:
        wanted: which statistics to compute.
        place: where the model is, None where calls are no attention and are let through.
        receive: takes the statistics, the number of visible keys of each row, and what gives whole
            rows while the call lasts.
        notes: of the router or the mixer that is running, None where none is.
        hears: whether there are any, so that notes are asked for.
    """

    def __init__(
        self,
        wanted: Wanted,
        *,
        place: Callable[[], Place | None],
        receive: Callable[[Statistics, Tensor, Rows], None],
        notes: Callable[[], RouterNotes | MixerNotes | None],
        hears: bool,
    ) -> None:
        super().__init__()
        self._wanted = wanted
        self._place = place
        self._receive = receive
        self._notes = notes
        self._hears = hears
        self._masks = Masks()
        self._widens: dict[tuple[Any, ...], bool] = {}

    def forget(self) -> None:
        """Drop what is known of masks and shapes, since a new forward pass begins.

        What one pass gives then never depends on the passes before it.
        """
        self._masks.forget()
        self._widens.clear()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function that was called returns
        kwargs = kwargs or {}
        # Of the thousands of calls of a pass, nearly all.
        if func not in _WATCHED and not self._hears:
            return func(*args, **kwargs)
        if func is MULTI_HEAD:
            with seen_inside(self):
                return func(*args, **kwargs)
        if func is SDPA:
            place = self._place()
            if place is not None:
                return self._scaled_dot_product_attention(place, *args, **kwargs)
        result = func(*args, **kwargs)
        if func in SOFTMAXES:
            place = self._place()
            if place is not None:
                self._softmax(place, result, *args, **kwargs)
        notes = self._notes() if self._hears else None
        if notes is not None:
            notes.hear(func, args, result)
        return result

    def _scaled_dot_product_attention(
        self,
        place: Place,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        if query.dim() != 4:
            output = SDPA(
                query,
                key,
                value,
                attn_mask,
                dropout_p,
                is_causal,
                scale=scale,
                enable_gqa=enable_gqa,
            )
            with torch.no_grad():
                self._folded(place, query, key, attn_mask, is_causal, scale)
            return output
        single = place.tokens.shape[1] == 1
        native = takes_native(query, key)
        long = not single and not native and not small(key.shape[2])
        # Whether gradients are wanted is known only outside.
        fusible = long and is_fusible(query, key, value, dropout=dropout_p, grouped=enable_gqa)
        by = query.shape[-1] ** -0.5 if scale is None else scale
        if fusible:
            with torch.no_grad():
                mask = self._masks.of(place, attn_mask, query, key, causal=is_causal)
                if not mask.graded:
                    return self._fused(place, query, key, value, mask, by)
        output = SDPA(
            query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
        )
        with torch.no_grad():
            if long and self._beside(place, query, key, attn_mask, is_causal, by):
                return output
            # With few key heads, transformers hands the queries of a group to the kernel as if
            # they were tokens, where there is only one token.
            query = query.flatten(1, 2)[:, :, None] if single else query
            native = takes_native(query, key) if single else native
            self._direct(place, query, key, attn_mask, is_causal, by, native=native)
        return output

    def _folded(
        self,
        place: Place,
        query: Tensor,
        key: Tensor,
        mask: Tensor | None,
        causal: bool,
        scale: float | None,
    ) -> None:
        """Receive an attention whose prompts and heads are in one axis, or that has one head."""
        prompts, length = place.tokens.shape
        if query.dim() != 3 or query.shape[1] != length or query.shape[0] % prompts:
            return
        query, key = (x.detach().unflatten(0, (prompts, -1)) for x in (query, key))
        if mask is not None and mask.dim() == 3 and mask.shape[0] > 1:
            mask = mask.unflatten(0, (prompts, -1))
        by = query.shape[-1] ** -0.5 if scale is None else scale
        native = takes_native(query, key)
        self._direct(place, query, key, mask, causal, by, native=native)

    def _direct(
        self,
        place: Place,
        query: Tensor,
        key: Tensor,
        mask: Tensor | None,
        causal: bool,
        scale: float,
        *,
        native: bool,
    ) -> None:
        query, key = query.detach(), key.detach()
        read = self._masks.of(place, mask, query, key, causal=causal)
        wanted = self._wanted_of(place)
        whole: Rows = partial(whole_rows, query, key, read, scale)
        if small(key.shape[2]):
            whole = remembered(whole)
        rows: Statistics = {}
        if wanted and native:
            sample = place.sample
            if sample is not None and not sample.fits(query):
                sample = None
            rows, known = native_rows(query, key, read, scale, wanted, sample)
            if known is not None:
                whole = partial(whole_rows, query, key, read, scale, known=known)
        elif wanted:
            rows = direct_rows(whole, read, wanted)
        self._receive(rows, read.visible, whole)

    def _beside(
        self,
        place: Place,
        query: Tensor,
        key: Tensor,
        mask: Tensor | None,
        causal: bool,
        scale: float,
    ) -> bool:
        """Receive what a kernel beside the model's own says; return whether there is one."""
        query, key, wanted = query.detach(), key.detach(), self._wanted_of(place)
        read = self._masks.of(place, mask, query, key, causal=causal)
        kernel = choose(query, key, read) if wanted and not read.graded else None
        if kernel is None:
            return False
        tokens = _tokens(place, query)
        rows = rows_beside(kernel, query, key, read, scale, wanted, tokens=tokens)
        self._receive(rows, read.visible, partial(whole_rows, query, key, read, scale))
        return True

    def _fused(
        self, place: Place, query: Tensor, key: Tensor, value: Tensor, mask: Mask, scale: float
    ) -> Tensor:
        shape = (query.shape, key.shape, query.dtype, mask.causal, mask.bias is None)
        wanted = self._wanted_of(place)
        fused = fused_attention(
            query,
            key,
            value,
            mask,
            scale,
            wanted,
            tokens=_tokens(place, query),
            widen=self._widens.get(shape),
        )
        if fused.widened is not None:
            self._widens[shape] = fused.widened
        whole = partial(whole_rows, query, key, mask, scale)
        self._receive(fused.rows, mask.visible, whole)
        return fused.output

    def _wanted_of(self, place: Place) -> Wanted:
        """Return what is wanted of an attention, and can be told of it."""
        return tuple(row for row in self._wanted if row.applies(place))

    def _softmax(
        self,
        place: Place,
        probabilities: Tensor,
        input: Tensor,
        dim: int | None = None,
        *_: object,
        **__: object,
    ) -> None:
        if dim not in (-1, input.dim() - 1):
            return
        scores, probabilities = input.detach(), probabilities.detach()
        prompts, length = place.tokens.shape
        if scores.dim() == 3 and scores.shape[1] == length and not scores.shape[0] % prompts:
            # One head whose rows are shorter than the text may be scores of something else.
            if scores.shape[0] == prompts and scores.shape[2] < length and not place.cross:
                return
            # Some models keep prompts and heads in one axis.
            scores = scores.unflatten(0, (prompts, -1))
            probabilities = probabilities.unflatten(0, (prompts, -1))
        elif scores.dim() == 4 and place.head_after_query:
            scores, probabilities = scores.transpose(1, 2), probabilities.transpose(1, 2)
        if scores.dim() == 4:
            with torch.no_grad():
                self._of_scores(place, scores, probabilities)

    def _of_scores(self, place: Place, scores: Tensor, probabilities: Tensor) -> None:
        keys = scores.shape[3] - place.sink
        so_far = place.positions(keys)
        so_far = None if so_far is None else so_far.to(scores.device)
        first = None
        if so_far is None:
            first = visible_keys(scores[:, :, -1:]).to(torch.uint8).argmax(-1)
        shift = first_query(so_far, scores.shape[2], keys)
        start = first_tokens(so_far, keys, first)
        wanted, sink = self._wanted_of(place), place.sink
        rows, visible = rows_of_scores(
            scores, probabilities, wanted, shift=shift, start=start, sink=sink
        )
        whole = partial(
            whole_rows_of_scores, scores, probabilities, shift=shift, start=start, sink=sink
        )
        self._receive(rows, visible, whole)


def _tokens(place: Place, query: Tensor) -> Tensor | None:
    """Return which queries are tokens; None for a shape that the tap refuses in a moment."""
    fits = place.tokens.shape == (query.shape[0], query.shape[2])
    return place.tokens.to(query.device) if fits else None
