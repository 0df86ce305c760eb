"""What is kept of each prompt for values over many prompts: one vector a layer, by pool."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from cortexscope.errors import CorruptRunError
from cortexscope.files import whole_file
from cortexscope.records import Site, in_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LayerMeans", "Vectors", "layer_means", "read_vectors", "write_vectors"]

_SCALE = "scale"
"""Of the vectors that are kept in half precision, a number a prompt."""

_CHECKSUMS = "crc32"
"""Of the other tensors with their names, in the order of these, and last of the prompts."""

Pools = Mapping[str, Mapping[Site, Mapping[str, Any]]]
"""Tensors of torch, which reading a run folder does not need otherwise."""


class Vectors(NamedTuple):
    """The vectors of some prompts."""

    pools: Pools
    """By pool, site and name, each [prompt, ...]."""
    prompts: Sequence[tuple[str | None, str | None]]
    """Id and task of each prompt."""


def write_vectors(path: Path, vectors: Vectors, *, halved: bool = False) -> None:
    """Write vectors as safetensors, whole or not at all.

    The tensors are called `pool/stack/layer/name`; the metadata lists the prompts as JSON. One more
    tensor, `crc32`, tells whether all is read as it was written.

    Args:
        path: of the file.
        vectors: what it holds.
        halved: the vectors in half precision: a `vector` in float16 times its prompt's `scale`.
    """
    import torch
    from safetensors.torch import save

    tensors = {
        f"{pool}/{site.stack}/{site.layer}/{name}": value.cpu().contiguous()
        for pool, sites in vectors.pools.items()
        for site, sums in sites.items()
        for name, value in (_halved(sums) if halved else sums).items()
    }
    tensors = {name: value.clone() for name, value in tensors.items()}
    prompts = json.dumps([list(row) for row in vectors.prompts])
    # No entry of the metadata: several are written in another order each time.
    sums = [_checksum(name, tensors[name]) for name in sorted(tensors)]
    tensors[_CHECKSUMS] = torch.tensor([*sums, zlib.crc32(prompts.encode())])
    content = save(tensors, metadata={"prompts": prompts})
    # Written here, where a full disk is an error of the operating system with its number.
    with whole_file(path, deep=False) as part:
        part.write_bytes(content)


def _checksum(name: str, values: Any) -> int:  # noqa: ANN401 - a tensor of either framework
    import numpy as np

    return zlib.crc32(np.ascontiguousarray(values).data, zlib.crc32(name.encode()))


def _halved(sums: Mapping[str, Any]) -> dict[str, Any]:
    """Return the vectors of a layer in float16, and the power of two that each is to be taken by.

    A prompt's largest feature comes close to the largest number of float16, so that neither do
    massive activations overflow nor do features lose digits that are 2^28 times smaller.
    """
    import torch

    vector = sums["vector"]
    largest = torch.where(vector.isfinite(), vector, 0).abs().amax(-1)
    # The largest is below 2^15 then; scales stay normal numbers.
    scale = torch.exp2((torch.frexp(largest).exponent - 15).clamp(min=-126).float())
    scale = torch.where(largest > 0, scale, 1.0)
    return {**sums, "vector": (vector / scale[:, None]).half(), _SCALE: scale}


def read_vectors(
    path: Path,
    *,
    only: Collection[str] | None = None,
    framework: Literal["pt", "numpy"] = "pt",
) -> Vectors:
    """Read vectors that `write_vectors` wrote, as float32 whatever they are kept in.

    Args:
        path: the file.
        only: these pools, all where None.
        framework: whether as tensors of torch or as arrays of numpy.

    Raises:
        CorruptRunError: if the file is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    pools: dict[str, dict[Site, dict[str, Any]]] = {}
    try:
        with safe_open(path, framework=framework) as file:
            told = file.metadata()["prompts"]
            prompts = [tuple(row) for row in json.loads(told)]
            names = sorted(set(file.keys()) - {_CHECKSUMS})
            # Runs of schemas before 8 have none.
            noted = file.get_tensor(_CHECKSUMS).tolist() if len(names) < len(file.keys()) else None
            if noted is not None and noted[-1] != zlib.crc32(told.encode()):
                raise ValueError("not the prompts that were written")
            for number, key in enumerate(names):
                pool, stack, layer, name = key.split("/")
                if only is not None and pool not in only:
                    continue
                sums = pools.setdefault(pool, {}).setdefault(Site(stack, int(layer)), {})
                sums[name] = file.get_tensor(key)
                if len(sums[name]) != len(prompts):
                    raise ValueError("not of as many prompts")
                if noted is not None and noted[number] != _checksum(key, sums[name]):
                    raise ValueError("not the bytes that were written")
            for sums in (sums for sites in pools.values() for sums in sites.values()):
                if _SCALE in sums:
                    sums["vector"] = sums["vector"] * sums.pop(_SCALE)[:, None]
    except (OSError, LookupError, ValueError, TypeError, SafetensorError) as error:
        raise CorruptRunError(
            f"{path} is missing or damaged; `cortexscope run` with --resume, asked for the same, "
            "measures that again."
        ) from error
    ordered = {pool: dict(sorted(sites.items())) for pool, sites in pools.items()}
    return Vectors(ordered, prompts)


class LayerMeans(NamedTuple):
    """What a layer gives for each prompt, as mean of its tokens after the first or of its only one.

    Of hidden states or of the activations of neurons.
    """

    stack: str
    """The model's first stack."""
    layers: tuple[int, ...]
    """Their numbers, 0 for the embedding output."""
    prompts: tuple[str, ...]
    """Their ids."""
    vectors: tuple[NDArray[np.float32], ...]
    """Of each layer, [prompt, feature]; NaN where one is not finite."""


def layer_means(parts: Sequence[Vectors], pool: str, *, folder: Path) -> LayerMeans | None:
    """Return what parts hold of a pool, None if there is nothing.

    Args:
        parts: of one model, as arrays of numpy, whose prompts are joined in their order.
        pool: its name, such as `mean_state`.
        folder: where they were read.

    Raises:
        CorruptRunError: if prompts have different layers.
    """
    import numpy as np

    pools = [part.pools.get(pool, {}) for part in parts]
    if not pools or not all(pools):
        return None
    stack, *_ = in_order({site.stack for own in pools for site in own})
    sites = [site for site in pools[0] if site.stack == stack]
    try:
        joined = [np.concatenate([own[site]["vector"] for own in pools]) for site in sites]
    except (KeyError, ValueError) as error:
        raise CorruptRunError(
            f"{folder} holds vectors of different shapes; run again into another folder."
        ) from error
    names = tuple(str(name) for part in parts for name, _ in part.prompts)
    return LayerMeans(stack, tuple(int(site.layer or 0) for site in sites), names, tuple(joined))
