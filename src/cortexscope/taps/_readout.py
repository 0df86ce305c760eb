"""Turn states into logits by a model's own head, a piece of the vocabulary at a time."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cortexscope.models import Anatomy
from cortexscope.taps._standing import Given, replaced
from cortexscope.taps._unembedding import Unembedding, after, after_of, pieces

__all__ = ["NO_HEAD", "Readout", "ReadoutError"]

NO_HEAD = "the model has no language-model head"

_UNCALLED = "its unembedding is not called behind its backbone"

_ROWS = 1024
"""Most states whose logits are computed together."""
_WHOLE = 1 << 22
"""Most logits at a time of a head that gives those of all tokens at once."""


class ReadoutError(Exception):
    """A model's head cannot be applied to states alone; the message says why."""


class _Caught(Exception):
    """Carries what the unembedding was given."""

    def __init__(self, states: Tensor) -> None:
        super().__init__()
        self.states = states


class Readout:
    """The head of a language model, applied to any states of the width of its backbone's output.

    What comes before the unembedding is computed by the model's own code: its forward pass runs
    with the backbone replaced for the moment by one that returns the states. What comes after it,
    a scale or a soft cap, is read from the configuration and compared once with the model's own
    logits. No hook of the backbone, the unembedding or the model is called.

    Args:
        module: the model.
        anatomy: where its parts are.
    """

    def __init__(self, module: nn.Module, anatomy: Anatomy) -> None:
        from cortexscope.models import known_part

        self._module = module
        known = known_part(module)
        self._root = module if known is None else _around_head(module, anatomy) or known
        self._known = known is not None
        self._path = anatomy.unembedding
        whole = module.get_submodule(anatomy.scope) is self._root
        self._backbones = [s.backbone for s in anatomy.stacks] if whole else [anatomy.scope]
        self._vocabulary: int | None = None
        self._after: Callable[[Tensor], Tensor] | None = None
        self.refusal: str | None = None
        """Why the head cannot be applied, as far as that is known."""
        if anatomy.unembedding is None:
            self.refusal = NO_HEAD
        elif any(module.get_submodule(path) is self._root for path in self._backbones):
            self.refusal = _UNCALLED

    def inputs(self, states: Float[Tensor, "row feature"]) -> Float[Tensor, "row width"]:
        """Return what the unembedding would be given after these states.

        Raises:
            ReadoutError: if the model's head cannot be applied to states, or its logits are not
                understood.
        """
        if self.refusal is not None:
            raise ReadoutError(self.refusal)
        if self._after is None:
            try:
                self._learn(states[:2])
            except ReadoutError as error:
                self.refusal = str(error)
                raise
        return self._before(states)

    @property
    def vocabulary(self) -> int:
        """How many tokens have a logit."""
        assert self._vocabulary is not None
        return self._vocabulary

    @property
    def rows(self) -> int:
        """How many states are best given to `scores` at a time."""
        assert self._vocabulary is not None
        return _ROWS if self._plain() else max(1, _WHOLE // self._vocabulary)

    def scores(self, inputs: Float[Tensor, "row width"]) -> Iterator[tuple[int, Tensor]]:
        """Yield logits [row, token] of neighbouring tokens, and the number of the first one.

        In float32, or in float64 where the model computes in it.
        """
        assert self._vocabulary is not None
        whole = iter([slice(0, self._vocabulary)])
        for piece in pieces(inputs, self._vocabulary) if self._plain() else whole:
            yield piece.start, self._finish(self._raw(inputs, piece))

    def of(self, inputs: Float[Tensor, "row width"], tokens: Int[Tensor, " row"]) -> Tensor:
        """Return the logit of one token a row."""
        if not self._plain():
            places = tokens[:, None]
            return self._finish(self._raw(inputs, slice(None)).gather(1, places))[:, 0]
        return self._finish(self._raw(inputs, tokens))

    def unembedding(self) -> Unembedding:
        """Return the head as data, once `inputs` was called.

        Raises:
            ReadoutError: if it is no plain matrix.
        """
        if not self._plain():
            raise ReadoutError("its unembedding is no plain matrix")
        part = self._unembedding()
        assert isinstance(part, nn.Linear)
        bias, more = part.bias, getattr(self._root, "final_logits_bias", None)
        if more is not None:
            bias = more[0] if bias is None else bias + more[0]
        known = self._after is not torch.Tensor.contiguous
        factor, cap = after_of(getattr(self._root, "config", None)) if known else (1.0, None)
        return Unembedding(part.weight.detach(), bias, factor, cap)

    def _plain(self) -> bool:
        """Return whether the unembedding is one matrix that lies open."""
        part = self._unembedding()
        return (
            type(part) is nn.Linear
            and "forward" not in vars(part)
            and type(part.weight) is nn.Parameter
            and part.weight.is_floating_point()
            and not part.weight.is_meta
        )

    def _unembedding(self) -> nn.Module:
        assert self._path is not None
        return self._module.get_submodule(self._path)

    def _raw(self, inputs: Tensor, which: slice | Tensor) -> Tensor:
        """Return what the unembedding gives, for some tokens or for one a row."""
        part = self._unembedding()
        wide = torch.float64 if inputs.dtype == torch.float64 else torch.float32
        if self._plain():
            assert isinstance(part, nn.Linear)
            inputs = inputs.to(part.weight.device)
            if isinstance(which, Tensor):
                which = which.to(part.weight.device)
            weight = part.weight[which].to(wide)
            wanted = inputs.to(wide)
            each = isinstance(which, Tensor)
            raw = (wanted * weight).sum(-1) if each else wanted @ weight.T
            raw = raw if part.bias is None else raw + part.bias[which].to(wide)
        else:
            raw = part.forward(inputs)[:, which].to(wide)
        more = getattr(self._root, "final_logits_bias", None)
        return raw if more is None else raw + more[0, which].to(raw)

    def _finish(self, raw: Tensor) -> Tensor:
        return raw if self._after is None else self._after(raw)

    def _learn(self, states: Tensor) -> None:
        """Find out what the model does with the output of its unembedding."""
        # Larger states show a cap that small logits hardly reach.
        probe = torch.cat([states, 8 * states])
        own = self._own(probe)
        self._vocabulary = own.shape[-1]
        inputs = self._before(probe)
        raw = torch.cat([part for _, part in self.scores(inputs)], -1)
        if raw.shape != own.shape:
            raise ReadoutError("its logits are not those of its unembedding")
        config = getattr(self._root, "config", None)
        exact = inputs.dtype in (torch.float32, torch.float64)
        allowed = (1e-4 if exact else 2e-2) * float(own.abs().max())
        for known in (after(config), torch.Tensor.contiguous):
            if not own.isfinite().all() or float((known(raw) - own).abs().max()) <= allowed:
                self._after = known
                return
        raise ReadoutError("what it does after its unembedding is not known")

    def _own(self, states: Tensor) -> Tensor:
        """Return the logits that the model itself gives, [row, token]."""
        assert self._path is not None
        # Called past its hooks, which are not for this.
        with self._instead(states, self._path, self._unembedding().forward):
            output = self._run(len(states))
        logits = getattr(output, "logits", None)
        if logits is None:
            logits = output if isinstance(output, Tensor) else output[0]
        if not isinstance(logits, Tensor) or logits.numel() % len(states):
            raise ReadoutError("its output is not one row of logits a token")
        return logits.detach().reshape(len(states), -1)

    def _before(self, states: Tensor) -> Tensor:
        assert self._path is not None

        def catch(inputs: Tensor, *_: object, **__: object) -> None:
            raise _Caught(inputs)

        with self._instead(states, self._path, catch):
            try:
                self._run(len(states))
            except _Caught as caught:
                return caught.states.reshape(len(states), -1)
        raise ReadoutError(_UNCALLED)

    def _instead(
        self, states: Tensor, path: str, act: Callable[..., Any]
    ) -> AbstractContextManager[None]:
        """Let the backbone return these states, and a function stand for the unembedding."""
        given = Given([states[None]]) if self._known else states[None]
        acts: dict[str, Callable[..., Any]] = dict.fromkeys(self._backbones, lambda *_, **__: given)
        return replaced(self._module, {**acts, path: act})

    def _run(self, rows: int) -> Any:  # noqa: ANN401 - whatever the model returns
        part = self._module.get_submodule(self._backbones[-1])
        device = next((p.device for p in part.parameters() if not p.is_meta), None)
        ids = torch.zeros(1, rows, dtype=torch.long, device=device)
        parameters = list(inspect.signature(self._root.forward).parameters)
        first = "input_ids" if "input_ids" in parameters else parameters[0]
        names = {first, "decoder_input_ids"} & set(parameters)
        try:
            return self._root.forward(**dict.fromkeys(names, ids))
        except _Caught:
            raise
        except Exception as error:
            text = str(error).splitlines()[0] if str(error) else ""
            raise ReadoutError(
                f"its head does not run on states alone ({type(error).__name__}: {text})"
            ) from error


def _around_head(module: nn.Module, anatomy: Anatomy) -> nn.Module | None:
    """Return the smallest whole model that holds the backbones and the unembedding.

    Around it there may be a larger one that also needs images.
    """
    from transformers import PreTrainedModel

    path = anatomy.unembedding or ""
    while path:
        path = path.rpartition(".")[0]
        around = not path or f"{anatomy.scope}.".startswith(f"{path}.")
        if around and isinstance(module.get_submodule(path), PreTrainedModel):
            return module.get_submodule(path)
    return None
