"""Listen to the recurrences of mixers: state spaces, gated linear attention, gated units.

Their formulas differ, but each is known by the parameters that are its mechanism, and what it
makes of them are functions of torch that can be heard. A kernel that computes a whole scan in one
call is not heard; then nothing is said of the layer. A single token after others, as in generation,
is computed by formulas of its own, which lack the axis of tokens.

Axes: B prompts, T tokens, C channels, H heads, N states a channel or head, P features a head,
c chunks of l tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from cortexscope.taps._tokens import Tokens

__all__ = ["MixerNotes", "notes_for"]

_SOFTPLUS = functional.softplus
_EXPS = frozenset({torch.exp, Tensor.exp})
_CLAMPS = frozenset({torch.clamp, Tensor.clamp})
_MATMULS = frozenset({torch.matmul, Tensor.matmul, Tensor.__matmul__})
_CUMSUMS = frozenset({torch.cumsum, Tensor.cumsum})
_SUMS = frozenset({torch.add, Tensor.add, Tensor.__add__})


class MixerNotes:
    """What is heard of one mixer while it runs.

    Args:
        part: the module whose parameters are the mechanism.
        positions: which positions hold tokens.
        state: whether the state is wanted.
    """

    def __init__(self, part: nn.Module, positions: Tokens, *, state: bool) -> None:
        self.positions = positions
        self.prompts, self.length = positions.mask.shape
        self.wants_state = state
        self.step: Float[Tensor, "prompt token"] | None = None
        """Mean step size at each token."""
        self.decay: Float[Tensor, "prompt token"] | None = None
        """Mean factor by which each token multiplies the state."""
        self.begin(part)

    def begin(self, part: nn.Module) -> None:
        """Read the parameters."""

    def hear(self, function: Callable[..., Any], args: tuple[Any, ...], result: Any) -> None:  # noqa: ANN401
        """Take note of a function that was called."""

    def state_norm(self, output: object) -> Float[Tensor, " prompt"] | None:
        """Return the l2 norm of the state after each last token; None if it is not to be seen.

        Args:
            output: of the module.
        """
        return None


class _ChannelScan(MixerNotes):
    """Mamba: every channel has its own step, and N decays; a loop shows all states in turn."""

    def begin(self, part: nn.Module) -> None:
        channels, states = part.get_parameter("A_log").shape
        self._steps = (self.prompts, channels, self.length)
        self._decays = (*self._steps, states)
        self._states = (self.prompts, channels, states)
        self._lasts = self.positions.last.tolist() if self.wants_state else []
        self._norms: list[Tensor | None] = [None] * self.prompts
        self._heard = 0

    def hear(self, function: Callable[..., Any], args: tuple[Any, ...], result: Any) -> None:  # noqa: ANN401
        if function is _SOFTPLUS and self._fits(result, self._steps):
            self.step = result.detach().float().reshape(self._steps).mean(1)
        elif function in _EXPS and self._fits(result, self._decays):
            self.decay = result.detach().float().reshape(self._decays).mean((1, 3))
        elif function in _MATMULS and self._lasts and args[0].shape == self._states:
            for prompt, last in enumerate(self._lasts):
                if last == self._heard:
                    self._norms[prompt] = args[0][prompt].detach().float().norm()
            self._heard += 1

    def _fits(self, result: Tensor, shape: tuple[int, ...]) -> bool:
        """Return whether a result has a shape, or that without the axis of a single token."""
        alone = (*shape[:2], *shape[3:])
        return result.shape == shape or (self.length == 1 and result.shape == alone)

    def state_norm(self, output: object) -> Float[Tensor, " prompt"] | None:
        found = [norm for norm in self._norms if norm is not None]
        whole = self._heard == self.length and len(found) == self.prompts
        return torch.stack(found) if whole else None


class _HeadScan(MixerNotes):
    """Mamba-2 and the gated delta rule: one step a head, and the decay is exp(-exp(A_log) step).

    They work in chunks, so that the state after a token is computed once more, from what the scan
    is heard to read: exactly, and with no factor above 1.
    """

    _KEYS = "bclhn,bcshn->bclsh"
    """Mamba-2's product of outputs C with inputs B."""
    _VALUES = "bclsh,bcshp->bclhp"
    """And that of their scores with the values, which are scaled by the step."""

    def begin(self, part: nn.Module) -> None:
        self._rate = part.get_parameter("A_log").detach().float().exp()
        self._shape = (self.prompts, self.length, len(self._rate))
        self._one = self.length == 1
        self._steps: Tensor | None = None
        self._keys: Tensor | None = None
        self._state: Tensor | None = None
        self._rest: Tensor | None = None
        self._norm: Tensor | None = None
        self._delta = _DeltaRule(self.positions) if self.wants_state else None

    def hear(self, function: Callable[..., Any], args: tuple[Any, ...], result: Any) -> None:  # noqa: ANN401
        whole = function is _SOFTPLUS and result.shape == self._shape
        if whole or (function in _CLAMPS and args[0] is self._steps):
            self._take(result)
        elif self._one and function is _SOFTPLUS and result.shape[:2] == self._shape[::2]:
            # [B, H, P], the same for all features of a head.
            self._take(result[:, None, :, 0])
        elif self._delta is None:
            return
        elif function is torch.einsum and args[0] == self._KEYS:
            self._keys = args[2].detach()
        elif function is torch.einsum and args[0] == self._VALUES:
            self._read(args[2].detach())
        elif function is torch.cat and self._state is not None:
            self._begun(args[0])
        elif self._one and function is torch.bmm and len(args[0]) == math.prod(self._shape):
            # [B x H, P, N].
            self._norm = args[0].detach().float().reshape(self.prompts, -1).norm(dim=-1)
        else:
            self._delta.hear(function, args, result)

    def _take(self, steps: Tensor) -> None:
        # The tensor itself is kept, so that what is made of it can be told.
        self._steps = steps
        taken = steps.detach().float()
        self.step = taken.mean(-1)
        self.decay = torch.exp(-self._rate.to(taken.device) * taken).mean(-1)

    def _read(self, values: Tensor) -> None:
        """Add up exp(-rate (time from t to the last token)) value_t x key_t over the tokens t.

        Args:
            values: scaled by the steps, [B, c, l, H, P].
        """
        keys, steps = self._keys, self._steps
        if keys is None or steps is None:
            return
        keys, values = (x.flatten(1, 2)[:, : self.length] for x in (keys, values))
        positions = self.positions.to(values.device)
        time = (self._rate.to(values.device) * steps.detach().float()).double().cumsum(1)
        last = positions.last[:, None, None]
        whole = time.gather(1, last.expand(-1, 1, time.shape[2]))
        left = torch.exp(time - whole).float().masked_fill(~positions.mask[..., None], 0)
        # Columns behind the last token, and before the first, are padding.
        kept = torch.where(left[..., None] > 0, values * left[..., None], 0)
        self._state = kept.permute(0, 2, 3, 1) @ keys.transpose(1, 2)  # [B, H, P, N]
        self._rest = torch.exp(-whole[:, 0]).float()[..., None, None]

    def _begun(self, states: Sequence[Tensor]) -> None:
        """Add what is left of the state before the first token, the first of those in a row."""
        if self._state is not None and self._rest is not None and states[0].dim() == 5:
            state = self._state + self._rest * states[0][:, 0].detach().float()
            self._norm = state.flatten(1).norm(dim=-1)
            self._state = None

    def state_norm(self, output: object) -> Float[Tensor, " prompt"] | None:
        return self._norm if self._delta is None or self._norm is not None else self._delta.norm()


class _DeltaRule:
    """The state of a gated delta rule after each last token, heard of a scan over chunks.

    In every chunk the scan multiplies, in this order: what reads the state with the state at the
    chunk's start, the queries with the same, scores with the values that the chunk writes, and
    the decayed keys with the same. Two and two share a tensor, by which they are known. A single
    token after others is no chunk: the state is the only sum that is made of two of its shape.
    """

    def __init__(self, positions: Tokens) -> None:
        self._lasts = positions.last.tolist()
        self._norms: list[Tensor | None] = [None] * len(self._lasts)
        self._one = positions.mask.shape[1] == 1
        self._time: Tensor | None = None
        """Logarithm of the decay since the chunk's start, [B, H, c, l]."""
        self._keys: Tensor | None = None
        """[B, H, c, l, N]."""
        self._factors: list[Tensor] = []
        self._chunk = 0

    def hear(self, function: Callable[..., Any], args: tuple[Any, ...], result: Any) -> None:  # noqa: ANN401
        if function in _CUMSUMS and result.dim() == 4:
            self._time = result.detach()
        elif self._one and function in _SUMS and self._time is None and _alike(args, result):
            # Of a single token: what is left of the state, and what the token writes.
            self._norms = [*result.detach().float().flatten(1).norm(dim=-1)]
        elif function in _MATMULS and self._time is not None:
            if args[1].dim() == 5 and self._keys is None:
                self._keys = args[1].detach().mT
            elif args[1].dim() == 4 and self._keys is not None:
                self._factors.append(args[1])
                if len(self._factors) == 4:
                    self._through(*self._factors)
                    self._factors = []

    def _through(self, start: Tensor, again: Tensor, written: Tensor, once_more: Tensor) -> None:
        time, keys = self._time, self._keys
        if time is None or keys is None or start is not again or written is not once_more:
            return
        size = time.shape[-1]
        for prompt, last in enumerate(self._lasts):
            if last // size != self._chunk:
                continue
            end = last % size + 1
            passed = time[prompt, :, self._chunk, :end, None].double()  # [H, l, 1]
            old = passed[:, -1:].exp().float() * start[prompt].detach()
            left = (passed[:, -1:] - passed).exp().float() * keys[prompt, :, self._chunk, :end]
            state = old + left.mT @ written[prompt, :, :end].detach()
            self._norms[prompt] = state.norm()
        self._chunk += 1

    def norm(self) -> Float[Tensor, " prompt"] | None:
        """Return the norms, None if not all chunks were heard."""
        found = [norm for norm in self._norms if norm is not None]
        return torch.stack(found) if found and len(found) == len(self._norms) else None


def _alike(args: tuple[Any, ...], result: Tensor) -> bool:
    """Return whether two tensors [B, H, N, P] were added."""
    shapes = [term.shape for term in args[:2] if isinstance(term, Tensor)]
    return result.dim() == 4 and shapes == [result.shape, result.shape]


class _WeightedMean(MixerNotes):
    """RWKV: a running mean whose weights fade by a factor a channel, the same at every token.

    Its state are two sums, of which only the quotient matters, so that they have no size.
    """

    def begin(self, part: nn.Module) -> None:
        rate = part.get_parameter("time_decay").detach().float().exp()
        mask = self.positions.mask
        self.decay = torch.exp(-rate).mean().to(mask.device).expand(mask.shape)


class _GatedUnit(MixerNotes):
    """Griffin's: a gate a channel at every token, with no step; what it gives are its states."""

    def begin(self, part: nn.Module) -> None:
        self._shape = (self.prompts, self.length, part.get_parameter("recurrent_param").numel())

    def hear(self, function: Callable[..., Any], args: tuple[Any, ...], result: Any) -> None:  # noqa: ANN401
        # The first is the gate, another is its square.
        if function in _EXPS and self.decay is None and result.shape == self._shape:
            self.decay = result.detach().float().mean(-1)

    def state_norm(self, output: object) -> Float[Tensor, " prompt"] | None:
        if not isinstance(output, Tensor) or output.shape != self._shape:
            return None
        last = self.positions.to(output.device).last
        states = output.detach()[torch.arange(self.prompts, device=output.device), last]
        norms: Tensor = states.float().norm(dim=-1)
        return norms


def notes_for(part: nn.Module) -> type[MixerNotes] | None:
    """Return what listens to a module with these parameters of its own, None if it is no mixer."""
    log_rates = part._parameters.get("A_log")
    if log_rates is not None:
        return {1: _HeadScan, 2: _ChannelScan}.get(log_rates.dim())
    if "time_decay" in part._parameters and "time_first" in part._parameters:
        return _WeightedMean
    return _GatedUnit if "recurrent_param" in part._parameters else None
