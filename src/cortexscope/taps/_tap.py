"""One context manager around a model's forward passes that shows metrics what goes on inside."""

from __future__ import annotations

import inspect
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from cortexscope.errors import UnsupportedModelError
from cortexscope.models import Anatomy
from cortexscope.records import Site, Stack
from cortexscope.taps._attention_mode import AttentionMode
from cortexscope.taps._rows import AttentionRows, HiddenStates
from cortexscope.taps._statistics import RowStatistics, Wanted

__all__ = ["Receiver", "Tap"]


@runtime_checkable
class Receiver(Protocol):
    """Takes what a tap sees, in the order in which the model computes it."""

    def begin(self, tokens: Bool[Tensor, "prompt token"]) -> None:
        """A forward pass begins; `tokens` says which positions are not padding."""

    def hidden(self, site: Site, states: HiddenStates) -> None:
        """The states at a site are there; they must not be changed, nor kept."""

    def attention(self, site: Site, rows: AttentionRows) -> None:
        """A layer's attention has run."""

    def end(self) -> None:
        """The forward pass is over."""


class Tap:
    """Watch a model's forward passes while active; leave nothing behind, also after an error.

    Args:
        module: the model.
        anatomy: where its backbone and blocks are.
        stack: name of the stack in all sites.
        needs: what must be seen: `hidden`, `final`, `attention.entropy`, `attention.first_key`.
        receiver: takes what is seen.

    Raises:
        UnsupportedModelError: during a forward pass, if something inside has not the shape that
            a block or an attention has, so that measuring it would not be true.
    """

    def __init__(
        self,
        module: nn.Module,
        anatomy: Anatomy,
        *,
        stack: Stack,
        needs: frozenset[str],
        receiver: Receiver,
    ) -> None:
        self._backbone = module.get_submodule(anatomy.backbone)
        self._blocks = [module.get_submodule(path) for path in anatomy.blocks]
        self._kind = type(module).__name__
        self._stack: Stack = stack
        self._needs = needs
        self._receiver = receiver
        self._signature = inspect.signature(self._backbone.forward)
        self._tokens: Tensor | None = None
        self._layer: int | None = None
        self._done: set[int] = set()
        self._attended: set[int] = set()
        self._mode: AttentionMode | None = None
        self._exits = ExitStack()

    def __enter__(self) -> Tap:
        with ExitStack() as exits:
            for number, block in enumerate(self._blocks, start=1):
                exits.callback(
                    block.register_forward_pre_hook(
                        self._before_block(number), with_kwargs=True
                    ).remove
                )
                exits.callback(block.register_forward_hook(self._after_block(number)).remove)
            backbone = self._backbone
            exits.callback(
                backbone.register_forward_pre_hook(self._before_forward, with_kwargs=True).remove
            )
            exits.callback(backbone.register_forward_hook(self._after_forward).remove)
            exits.callback(self._reset)
            wanted = Wanted(
                entropy="attention.entropy" in self._needs,
                first_key="attention.first_key" in self._needs,
            )
            if wanted.entropy or wanted.first_key:
                self._mode = AttentionMode(
                    wanted, tokens=self._tokens_in_block, receive=self._attention
                )
                exits.enter_context(self._mode)
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exits.close()

    def _reset(self) -> None:
        self._tokens = None
        self._layer = None
        self._done.clear()
        self._attended.clear()
        if self._mode is not None:
            self._mode.forget()

    def _tokens_in_block(self) -> Tensor | None:
        return None if self._layer is None else self._tokens

    def _refuse(self, what: str) -> UnsupportedModelError:
        where = "" if self._layer is None else f" in block {self._layer}"
        return UnsupportedModelError(f"{self._kind} cannot be measured: {what}{where}.")

    def _before_forward(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._reset()
        given = self._signature.bind_partial(*args, **kwargs).arguments
        given = {**given.pop("kwargs", {}), **given}
        self._tokens = self._token_mask(given)
        self._receiver.begin(self._tokens)

    def _token_mask(self, given: dict[str, Any]) -> Tensor:
        inputs = [
            given.get(name)
            for name in ("input_ids", "inputs_embeds", *list(self._signature.parameters)[:1])
        ]
        read = next((x for x in inputs if isinstance(x, Tensor) and x.dim() >= 2), None)
        if read is None:
            raise self._refuse("its input is not a tensor of shape [prompt, token]")
        shape = read.shape[:2]
        mask = given.get("attention_mask")
        if mask is None:
            return torch.ones(shape, dtype=torch.bool, device=read.device)
        if not isinstance(mask, Tensor) or mask.dim() != 2 or mask.shape[1] < shape[1]:
            raise self._refuse(
                "its attention_mask does not have the shape [prompt, token], "
                "so padding cannot be told from tokens"
            )
        # With a cache of earlier tokens the mask is longer than the input.
        return mask[:, -shape[1] :].bool()

    def _before_block(self, number: int) -> Any:  # noqa: ANN401 - the type of a torch hook
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if self._tokens is None:
                return
            if number in self._done:
                raise self._refuse(f"block {number} runs twice in one forward pass")
            if number == 1 and "hidden" in self._needs:
                self._hidden(0, args[0] if args else kwargs.get("hidden_states"))
            self._layer = number

        return hook

    def _after_block(self, number: int) -> Any:  # noqa: ANN401 - the type of a torch hook
        def hook(module: nn.Module, args: tuple[Any, ...], output: object) -> None:
            if self._tokens is None:
                return
            self._done.add(number)
            if "hidden" in self._needs:
                self._hidden(number, output[0] if isinstance(output, tuple) else output)
            self._layer = None

        return hook

    def _after_forward(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401
        if len(self._done) != len(self._blocks):
            raise self._refuse(f"{len(self._done)} of its {len(self._blocks)} blocks have run")
        if "final" in self._needs:
            state = getattr(output, "last_hidden_state", None)
            if state is None:
                state = output[0] if isinstance(output, tuple) else output
            self._hidden(None, state)
        self._reset()
        self._receiver.end()

    def _hidden(self, layer: int | None, states: object) -> None:
        tokens = self._tokens
        if (
            tokens is None
            or not isinstance(states, Tensor)
            or states.dim() != 3
            or states.shape[:2] != tokens.shape
        ):
            raise self._refuse("its hidden states do not have the shape [prompt, token, feature]")
        with torch.no_grad():
            tokens = tokens.to(states.device)
            self._receiver.hidden(Site(self._stack, layer), HiddenStates(states, tokens))

    def _attention(self, rows: RowStatistics, visible: Tensor) -> None:
        layer, tokens = self._layer, self._tokens
        if layer is None or tokens is None:
            return
        some = rows.entropy if rows.entropy is not None else rows.first_key
        if some is None or (some.shape[0], some.shape[2]) != tuple(tokens.shape):
            raise self._refuse("its attention does not have one row a token")
        if layer in self._attended:
            raise self._refuse("attention runs more than once")
        self._attended.add(layer)
        seen = AttentionRows(
            tokens=tokens.to(some.device),
            visible=visible,
            entropy=rows.entropy,
            first_key=rows.first_key,
        )
        self._receiver.attention(Site(self._stack, layer), seen)
