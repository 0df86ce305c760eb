"""The ways of nnsight and TransformerLens, run by `peers.py` inside the peers' own environment.

`nnsight`: a trace of the backbone with eager attention, every value reduced inside the trace, only
the reduced ones saved.
`transformer_lens`: `run_with_cache` with a filter on names, and the statistics of what it caches.
`transformer_lens_hooks`: `run_with_hooks`, each value reduced in its hook.
No way pays for the unembedding of more than one token, as cortexscope and the bare pass do not.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from overhead import (
    CPU,
    THREE,
    Inputs,
    Reader,
    bare,
    entropy,
    memory,
    near_zero,
    norm,
    seconds,
    three_statistics,
    tokens,
    touch,
)
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

WAYS = ("bare", "nnsight", "transformer_lens", "transformer_lens_hooks")


def prepare(way: str, folder: Path, device: torch.device = CPU) -> Reader:
    """Return a function that reads a batch once in the given way, with a model of its own."""
    attention = "sdpa" if way == "bare" else "eager"
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation=attention
    )
    model = model.eval().to(device)
    touch(model.base_model)
    if way == "bare":
        return bare(model.base_model)
    if way == "nnsight":
        return nnsight_trace(model.base_model)
    from transformer_lens.model_bridge import TransformerBridge

    bridge = TransformerBridge.boot_transformers(
        str(folder), hf_model=model, tokenizer=AutoTokenizer.from_pretrained(folder)
    )
    return lens_cache(bridge) if way == "transformer_lens" else lens_hooks(bridge)


def nnsight_trace(backbone: Any) -> Reader:
    """Return the trace, which is the only way nnsight has."""
    from nnsight import NNsight

    traced = NNsight(backbone)

    @torch.inference_mode()
    def read(inputs: Inputs) -> dict[str, Tensor]:
        with traced.trace(**inputs, use_cache=False):
            states = traced.layers[0].input
            entropies, norms, shares = [], [norm(states)], [near_zero(states)]
            for block in traced.layers:
                entropies.append(entropy(block.self_attn.output[1]))
                states = block.output
                norms.append(norm(states))
                shares.append(near_zero(states))
            entropies = torch.stack(entropies).save()
            norms = torch.stack(norms).save()
            shares = torch.stack(shares).save()
        return dict(zip(THREE, (entropies, norms, shares), strict=True))

    return read


def hook_names(bridge: Any) -> tuple[list[str], list[str]]:
    """Return the names of the attention patterns and of the residual stream, 0..L."""
    layers = range(bridge.cfg.n_layers)
    patterns = [f"blocks.{layer}.attn.hook_pattern" for layer in layers]
    states = [f"blocks.{layer}.hook_resid_post" for layer in layers]
    return patterns, ["blocks.0.hook_resid_pre", *states]


def lens_cache(bridge: Any) -> Reader:
    """Return TransformerLens' usual way: cache what is needed, then make the statistics."""
    patterns, states = hook_names(bridge)

    @torch.inference_mode()
    def read(inputs: Inputs) -> dict[str, Tensor]:
        _, cache = bridge.run_with_cache(
            inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            names_filter=[*patterns, *states],
            return_type=None,
            use_cache=False,
            logits_to_keep=1,
        )
        return three_statistics((cache[name] for name in patterns), [cache[n] for n in states])

    return read


def lens_hooks(bridge: Any) -> Reader:
    """Return TransformerLens' leaner way: hooks that keep only the statistics."""
    patterns, states = hook_names(bridge)

    @torch.inference_mode()
    def read(inputs: Inputs) -> dict[str, Tensor]:
        kept: dict[str, list[Tensor]] = defaultdict(list)

        def keep(*made: tuple[str, Callable[[Tensor], Tensor]]) -> Callable[..., None]:
            def hook(value: Tensor, hook: Any) -> None:
                for name, statistic in made:
                    kept[name].append(statistic(value))

            return hook

        of_states = keep((THREE[1], norm), (THREE[2], near_zero))
        bridge.run_with_hooks(
            inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            fwd_hooks=[
                *((name, keep((THREE[0], entropy))) for name in patterns),
                *((name, of_states) for name in states),
            ],
            return_type=None,
            use_cache=False,
            logits_to_keep=1,
        )
        return {name: torch.stack(kept[name]) for name in THREE}

    return read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="a folder")
    parser.add_argument("--length", type=int, required=True)
    parser.add_argument("--ways", nargs="+", default=list(WAYS))
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--numbers", type=Path, help="write the statistics to this file")
    asked.add_argument("--repeats", type=int, help="print the times")
    asked.add_argument("--memory", action="store_true", help="print the peak memory of one way")
    options = parser.parse_args()
    transformers_logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    readers = {way: prepare(way, options.model) for way in options.ways}
    if options.numbers:
        inputs = tokens(options.length)
        torch.save({way: read(inputs) for way, read in readers.items()}, options.numbers)
    elif options.repeats:
        print(json.dumps(seconds(readers, options.length, options.repeats)))
    else:
        (read,) = readers.values()
        print(json.dumps(memory(read, options.length)))


if __name__ == "__main__":
    main()
