"""The fused attention kernels of torch that give the log-sum-exp, and which of them to call.

They run beside the model's own attention, which is left as it is. Each has its own conditions and
its own form of the result; `attend` hides both. What a kernel gives is compared with a plain
softmax before it is trusted, once for each kind of tensors.

Axes: B prompts, H query heads, G key heads (H is a multiple of G), Q queries, K keys, D features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cortexscope.taps._mask import Mask

__all__ = ["KERNELS", "Kernel", "attend", "choose", "example"]

_HALF = frozenset({torch.float16, torch.bfloat16})
_FLOAT = frozenset({torch.float32})

Run = Callable[[Tensor, Tensor, Tensor, Tensor | None, bool, float], tuple[Tensor, Tensor]]
"""Takes queries, keys, values, an additive mask, whether it is causal, and the scale; returns the
output and the log-sum-exp, as the kernel lays them out."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel, and what it can take."""

    name: str
    device: str
    """Type of the device."""
    dtypes: frozenset[torch.dtype]
    run: Run
    enabled: Callable[[], bool]
    """Whether torch may use it; a user can say no."""
    masked: bool = False
    """Takes an additive mask."""
    grouped: bool = False
    """Takes fewer key heads than query heads."""
    square: bool = False
    """Is causal only where there are as many queries as keys."""
    widest: int | None = None
    """Largest number of features, None without limit."""
    features: int = 1
    """Their number must be a multiple of this; zeros are appended."""
    keys: int = 1
    """Rows of a mask must begin at multiples of this many entries, and have all keys in a row;
    where it is 1, any mask does that can be broadcast."""

    def suits(self, query: Tensor, key: Tensor, mask: Mask) -> bool:
        """Return whether it takes tensors like these."""
        heads, groups = query.shape[1], key.shape[1]
        return (
            query.device.type == self.device
            and query.dtype in self.dtypes
            and query.dtype == key.dtype
            and query.device == key.device
            and query.shape[-1] == key.shape[-1]
            and (self.widest is None or query.shape[-1] <= self.widest)
            and query.shape[0] == key.shape[0]
            and heads % groups == 0
            and (mask.bias is None or (self.masked and not mask.causal))
            and not (mask.causal and self.square and query.shape[2] != key.shape[2])
            and self.enabled()
        )


def _cpu_flash(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, causal: bool, scale: float
) -> tuple[Tensor, Tensor]:
    out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, 0.0, causal, attn_mask=bias, scale=scale
    )
    return out, lse


def _cuda_flash(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, causal: bool, scale: float
) -> tuple[Tensor, Tensor]:
    out, lse, *_ = torch.ops.aten._scaled_dot_product_flash_attention(
        query, key, value, 0.0, causal, scale=scale
    )
    return out, lse


def _cuda_efficient(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, causal: bool, scale: float
) -> tuple[Tensor, Tensor]:
    out, lse, *_ = torch.ops.aten._scaled_dot_product_efficient_attention(
        query, key, value, bias, True, 0.0, causal, scale=scale
    )
    return out, lse


def _cuda_cudnn(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, causal: bool, scale: float
) -> tuple[Tensor, Tensor]:
    out, lse, *_ = torch.ops.aten._scaled_dot_product_cudnn_attention(
        query, key, value, bias, True, 0.0, causal, scale=scale
    )
    return out, lse


KERNELS: tuple[Kernel, ...] = (
    Kernel(
        "flash",
        "cpu",
        _HALF | _FLOAT,
        _cpu_flash,
        torch.backends.cuda.flash_sdp_enabled,
        masked=True,
        grouped=True,
    ),
    Kernel(
        "flash",
        "cuda",
        _HALF,
        _cuda_flash,
        torch.backends.cuda.flash_sdp_enabled,
        grouped=True,
        square=True,
        widest=256,
        features=8,
    ),
    Kernel(
        "memory-efficient",
        "cuda",
        _HALF | _FLOAT,
        _cuda_efficient,
        torch.backends.cuda.mem_efficient_sdp_enabled,
        masked=True,
        features=8,
        keys=16,
    ),
    Kernel(
        "cuDNN",
        "cuda",
        _HALF,
        _cuda_cudnn,
        torch.backends.cuda.cudnn_sdp_enabled,
        masked=True,
        square=True,
        widest=128,
        features=8,
        keys=16,
    ),
)
"""The kernels, the best first."""


def choose(
    query: Float[Tensor, "prompt head query feature"],
    key: Float[Tensor, "prompt group key feature"],
    mask: Mask,
) -> Kernel | None:
    """Return the first kernel that takes these tensors and was right on others like them.

    None where there is none; scores are then computed in chunks.
    """
    for kernel in KERNELS:
        if kernel.suits(query, key, mask):
            groups = query.shape[1] // key.shape[1]
            way = "bias" if mask.bias is not None else "causal" if mask.causal else "none"
            if _is_right(kernel, query.device, query.dtype, query.shape[-1], groups, way):
                return kernel
    return None


def attend(
    kernel: Kernel,
    query: Float[Tensor, "prompt head query feature"],
    key: Float[Tensor, "prompt group key feature"],
    value: Float[Tensor, "prompt group key feature"],
    mask: Mask,
    scale: float,
) -> tuple[Float[Tensor, "prompt head query feature"], Float[Tensor, "prompt head query"]]:
    """Run attention by a kernel that `choose` gave.

    Args:
        kernel: the kernel.
        query: after rotation and norm.
        key: likewise; its heads may be fewer than the query's.
        value: as wide as the keys.
        mask: must have no bias where the kernel takes none.
        scale: of the scores.

    Returns:
        The output, and the natural logarithm of the sum of each row's exponentiated scores.
    """
    heads, queries, width = query.shape[1:]
    if not kernel.grouped and heads != key.shape[1]:
        key, value = (x.repeat_interleave(heads // key.shape[1], 1) for x in (key, value))
    missing = -width % kernel.features
    if missing:
        query, key, value = (functional.pad(x, (0, missing)) for x in (query, key, value))
    query, key, value = (x if x.stride(-1) == 1 else x.contiguous() for x in (query, key, value))
    bias = None
    if mask.bias is not None:
        bias = _aligned(mask.bias.to(query.dtype), kernel.keys)
        if kernel.keys > 1:
            bias = bias.expand(*query.shape[:3], -1)
    output, lse = kernel.run(query, key, value, bias, mask.causal, scale)
    # One kernel fills the queries up to a multiple of 32, one has a last axis of a single entry.
    return output[..., :width], lse.flatten(2)[..., :queries]


def _aligned(bias: Tensor, multiple: int) -> Tensor:
    """Return a mask whose rows begin at multiples of so many entries."""
    missing = -bias.shape[-1] % multiple
    if not missing:
        return bias.contiguous() if multiple > 1 else bias
    return functional.pad(bias, (0, missing))[..., : bias.shape[-1]]


@cache
def _is_right(
    kernel: Kernel, device: torch.device, dtype: torch.dtype, width: int, groups: int, way: str
) -> bool:
    """Return whether a kernel agrees with a plain softmax on a small example.

    Args:
        kernel: what to try.
        device: of the tensors.
        dtype: likewise.
        width: number of features.
        groups: query heads that share a key head.
        way: `bias`, `causal` or `none`, the kind of mask.
    """
    query, key, value, mask = example(device, dtype, width, groups, way)
    scale = 2 * width**-0.5
    # On any device the reference is computed on the CPU, where no product is shortened.
    wide = [x.cpu().float().repeat_interleave(groups, 1) for x in (key, value)]
    scores = query.cpu().float() @ wide[0].mT * scale
    if mask.causal:
        scores.masked_fill_(torch.ones_like(scores).triu(1) > 0, -torch.inf)
    if mask.bias is not None:
        scores += mask.bias.cpu().float()
    near = 1e-4 if dtype in _FLOAT else 2e-2
    try:
        output, lse = attend(kernel, query, key, value, mask, scale)
    except RuntimeError:
        # Such as of a device that the kernel was not built for.
        return False
    return torch.allclose(lse.cpu().float(), scores.logsumexp(-1), rtol=0, atol=1e-3) and (
        torch.allclose(output.cpu().float(), scores.softmax(-1) @ wide[1], rtol=0, atol=near)
    )


def example(
    device: torch.device, dtype: torch.dtype, width: int, groups: int, way: str
) -> tuple[Tensor, Tensor, Tensor, Mask]:
    """Return tensors to try a kernel on; their numbers of queries and keys are odd."""
    generator = torch.Generator().manual_seed(0)
    queries, keys = 45, 45 if way == "causal" else 53

    def normal(*shape: int) -> Tensor:
        drawn = torch.randn(*shape, generator=generator, dtype=torch.float32, device="cpu")
        return drawn.to(device, dtype)

    bias = None
    if way == "bias":
        hidden = normal(2, 1, queries, keys) < 0
        hidden[..., 7] = False
        bias = torch.zeros_like(hidden, dtype=dtype).masked_fill_(hidden, -torch.inf)
    visible = torch.full((1, 1, queries), keys, device=device)
    mask = Mask(way == "causal", bias, graded=False, visible=visible, first=None)
    return (
        normal(2, 2 * groups, queries, width),
        normal(2, 2, keys, width),
        normal(2, 2, keys, width),
        mask,
    )
