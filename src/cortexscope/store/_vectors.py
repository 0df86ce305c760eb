"""What is kept of each prompt for values over many prompts: one vector a layer, by pool."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cortexscope.errors import CorruptRunError
from cortexscope.files import whole_file
from cortexscope.records import Site

__all__ = ["Vectors", "read_vectors", "write_vectors"]

Pools = Mapping[str, Mapping[Site, Mapping[str, Any]]]
"""Tensors of torch, which reading a run folder does not need otherwise."""


class Vectors(NamedTuple):
    """The vectors of some prompts."""

    pools: Pools
    """By pool, site and name, each [prompt, ...]."""
    prompts: Sequence[tuple[str | None, str | None]]
    """Id and task of each prompt."""


def write_vectors(path: Path, vectors: Vectors) -> None:
    """Write vectors as safetensors, whole or not at all.

    The tensors are called `pool/stack/layer/name`; the metadata lists the prompts as JSON.
    """
    from safetensors.torch import save_file

    tensors = {
        f"{pool}/{site.stack}/{site.layer}/{name}": value.cpu().contiguous()
        for pool, sites in vectors.pools.items()
        for site, sums in sites.items()
        for name, value in sums.items()
    }
    with whole_file(path) as part:
        save_file(
            {name: value.clone() for name, value in tensors.items()},
            part,
            metadata={"prompts": json.dumps([list(row) for row in vectors.prompts])},
        )


def read_vectors(path: Path) -> Vectors:
    """Read vectors that `write_vectors` wrote.

    Raises:
        CorruptRunError: if the file is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    pools: dict[str, dict[Site, dict[str, Any]]] = {}
    try:
        with safe_open(path, framework="pt") as file:
            prompts = [tuple(row) for row in json.loads(file.metadata()["prompts"])]
            for key in file.keys():  # noqa: SIM118 - not a dictionary
                pool, stack, layer, name = key.split("/")
                sums = pools.setdefault(pool, {}).setdefault(Site(stack, int(layer)), {})
                sums[name] = file.get_tensor(key)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise CorruptRunError(
            f"{path} is missing or damaged; delete it and the file of the same name in "
            "measurements, and run again with --resume."
        ) from error
    ordered = {pool: dict(sorted(sites.items())) for pool, sites in pools.items()}
    return Vectors(ordered, prompts)
