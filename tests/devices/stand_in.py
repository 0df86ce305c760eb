"""A device that stands in for a GPU: its tensors say `cuda:0` and lie in memory.

Whatever is asked of such tensors is done on the CPU, but as a GPU would have it: tensors of two
devices do not mix, none gives its memory to numpy, and attention runs by the GPU's kernels, which
are played by a plain softmax and lay out their results as the real ones do. So all code runs that
asks where a tensor is, and what it forgets to bring along is an error here as it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

__all__ = ["DEVICE", "Away", "StandIn", "stand_in"]

DEVICE = torch.device("cuda:0")
CPU = torch.device("cpu")
aten = torch.ops.aten

_MIXING = {
    aten.index.Tensor,
    aten.index_put_.default,
    aten._index_put_impl_.default,
}
"""What takes indices in memory too, of a tensor of the device."""


class Away(Tensor):
    """A tensor of the device; what it holds lies in memory."""

    held: Tensor

    __torch_function__: Any = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: Tensor) -> Away:
        made: Away = Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=DEVICE,
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        return _run(func, args, kwargs or {})

    # What torch has no operator for, or asks the GPU's driver for first.
    def __getitem__(self, place: Any) -> Any:
        return Away(self.held[_held(place)])

    def __setitem__(self, place: Any, value: Any) -> None:
        self.held[_held(place)] = _held(value)

    def copy_(self, other: Any, non_blocking: bool = False) -> Away:
        self.held.copy_(_held(other))
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Away:
        made: Away = memo.setdefault(id(self), Away(self.held.clone()))
        return made

    def __bool__(self) -> bool:
        return bool(self.held)

    def __int__(self) -> int:
        return int(self.held)

    def __float__(self) -> float:
        return float(self.held)

    def __index__(self) -> int:
        return int(self.held)

    def __invert__(self) -> Tensor:
        return torch.bitwise_not(self)

    def contiguous(self, *_: Any, **__: Any) -> Tensor:
        return (
            self
            if self.is_contiguous()
            else torch.clone(self, memory_format=torch.contiguous_format)
        )

    def data_ptr(self) -> int:
        return self.held.data_ptr()

    def nonzero(self, *, as_tuple: bool = False) -> Any:
        found = tuple(Away(places) for places in torch.nonzero(self.held, as_tuple=True))
        return found if as_tuple else torch.stack(found, -1)

    def tolist(self) -> Any:
        return self.held.tolist()

    def numpy(self, *, force: bool = False) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy.")


class StandIn(TorchDispatchMode):
    """Makes tensors of the device where they are asked for; keeps which kernels were called."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kernels: list[str] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in _KERNELS:
            self.kernels.append(func.overloadpacket.__name__)
        return _run(func, args, kwargs or {})


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """Let `cuda:0` be there inside of the block, as tensors go, and give what was called."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "_lazy_init", lambda: None)
        # It is the current one.
        patch.setattr(torch.cuda, "_exchange_device", lambda number: number)
        patch.setattr(torch.cuda, "_maybe_exchange_device", lambda number: number)
        # A parameter that is moved becomes a tensor of the device, rather than to point to one.
        patch.setattr(torch.__future__, "_overwrite_module_params_on_conversion", True)
        # An old one, for which torch takes its general ways.
        patch.setattr(torch.cuda, "get_device_capability", lambda device=None: (7, 0))
        before = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)
        try:
            with StandIn() as mode:
                yield mode
        finally:
            torch._C._set_only_lift_cpu_tensors(before)


def _run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    asked = kwargs.get("device")
    given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Away)]
    if func is aten.copy_.default:
        _held(args[0]).copy_(*_held(args[1:]))
        return args[0]
    if func not in _MIXING or not isinstance(args[0], Away):
        _check(func, (args, kwargs))
    if asked is not None:
        kwargs = {**kwargs, "device": CPU}
    result = _KERNELS.get(func, func)(*_held(args), **_held(kwargs))
    if asked == CPU or (asked is None and not given):
        return result
    # What was changed in place is the tensor that was given.
    known = {id(x.held): x for x in given}

    def away(found: Any) -> Any:
        return (
            (known[id(found)] if id(found) in known else Away(found))
            if isinstance(found, Tensor)
            else found
        )

    return tree_map(away, result)


def _check(func: Any, given: Any) -> None:
    """Raise where tensors of two devices meet; a single number may be anywhere."""
    tensors = [x for x in tree_leaves(given) if isinstance(x, Tensor)]
    away = [isinstance(x, Away) for x in tensors]
    if any(away) and any(x.dim() for x, far in zip(tensors, away, strict=True) if not far):
        raise RuntimeError(
            f"Expected all tensors to be on the same device, and of {func} some are not."
        )


def _held(given: Any) -> Any:
    return tree_map(lambda x: x.held if isinstance(x, Away) else x, given)


def _plain(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    causal: bool,
    scale: float | None,
) -> tuple[Tensor, Tensor]:
    groups = query.shape[1] // key.shape[1]
    key, value = (x.float().repeat_interleave(groups, 1) for x in (key, value))
    scores = query.float() @ key.mT * (scale if scale is not None else query.shape[-1] ** -0.5)
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores).triu(1) > 0, -torch.inf)
    if bias is not None:
        scores = scores + bias.float()
    # A row that sees nothing is nothing.
    weights = scores.softmax(-1).nan_to_num(0.0)
    return (weights @ value).to(query.dtype), scores.logsumexp(-1)


def _flash(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    dropout: float = 0.0,
    causal: bool = False,
    return_debug_mask: bool = False,
    *,
    scale: float | None = None,
) -> tuple[Any, ...]:
    output, lse = _plain(query, key, value, None, causal, scale)
    nothing = torch.zeros(())
    return output, lse, None, None, query.shape[2], key.shape[2], nothing, nothing, nothing


def _efficient(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    compute_log_sumexp: bool,
    dropout: float = 0.0,
    causal: bool = False,
    *,
    scale: float | None = None,
) -> tuple[Any, ...]:
    output, lse = _plain(query, key, value, bias, causal, scale)
    padded = functional.pad(lse, (0, -lse.shape[-1] % 32), value=torch.inf)
    return output, padded, torch.zeros(()), torch.zeros(())


def _choice(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None, *_: Any, **__: Any
) -> int:
    """Return flash for halves without a mask, else memory-efficient, as torch does on a GPU."""
    return 1 if query.dtype != torch.float32 and bias is None else 2


def _histogram(values: Tensor, *places: Any, **options: Any) -> Tensor:
    """Count whole numbers too, which torch does on a GPU alone."""
    return torch.histc(values.float(), *places, **options).to(values.dtype)


_KERNELS: dict[Any, Callable[..., Any]] = {
    aten._scaled_dot_product_flash_attention.default: _flash,
    aten._scaled_dot_product_efficient_attention.default: _efficient,
    aten._fused_sdp_choice.default: _choice,
    aten.histc.default: _histogram,
}
