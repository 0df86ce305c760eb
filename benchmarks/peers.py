"""What the same three statistics cost with other tools, against cortexscope, as JSON.

Entropy of attention, length of the residual stream and share of near-zero entries, of SmolLM2-135M
in float32, by cortexscope, by eager attention with `output_attentions`, and by nnsight and
TransformerLens in an environment of their own, which is made on the first call. `_peers_ways.py`
says how. Each way must give cortexscope's numbers before it is timed. In each environment the
times alternate with its own bare forward pass of the same model, and ratios to it are compared:
no way can be faster than that pass. Nobody's process is tuned; `cortexscope run` tunes its own.

    python benchmarks/peers.py [--venv DIR] [--repeats N] [--lengths 24 256 1024]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from overhead import (
    REPEATS,
    THREE,
    child,
    costs,
    memory_of,
    prepare,
    ratio,
    report,
    seconds,
    tokens,
)
from torch import Tensor

HERE = Path(__file__).resolve().parent
PINNED = ("transformer-lens==4.3.0", "nnsight==0.8.1")
OWN = ("bare", "three", "eager")
PEERS = ("bare", "nnsight", "transformer_lens", "transformer_lens_hooks")
TOLERANCE = 1e-3


def environment(folder: Path) -> Path:
    """Return the interpreter of the peers' environment, made first if it is not there.

    Its other packages have the versions of cortexscope's own tests, so that the models are alike.
    """
    python, done = folder / "bin" / "python", folder / "installed"
    wanted = "\n".join(PINNED)
    if not done.exists() or done.read_text() != wanted:
        print(f"Installing {', '.join(PINNED)} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        pip = [python, "-m", "pip", "install", "--quiet"]
        held = ["--constraint", HERE.parent / "constraints.txt"]
        subprocess.run([*pip, *held, "torch", "transformers", *PINNED], check=True)
        done.write_text(wanted)
    return python


def statistics(probe: Any) -> dict[str, Tensor]:
    """Return the three metrics of a probe, [layer, prompt (, head)]."""
    frame = probe.frame()
    frame["prompt"] = frame["prompt_id"].str.split("-").str[1].astype(int)
    frame = frame.sort_values(["layer", "prompt", "head"])
    return {
        name: torch.tensor(rows["value"].to_numpy()).reshape(
            rows["layer"].nunique(), rows["prompt"].nunique(), -1
        )
        for name, rows in ((name, frame[frame["metric"] == name]) for name in THREE)
    }


def deviation(found: Mapping[str, Tensor], known: Mapping[str, Tensor]) -> dict[str, float]:
    """Return how far numbers are from cortexscope's, as a share of their length."""
    return {
        name: round(float((found[name].double().reshape(of.shape) - of).norm() / of.norm()), 9)
        for name, of in known.items()
    }


def check(length: int, numbers: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Any]:
    """Return the deviations of all ways, and end the program if one is too large."""
    known = statistics(prepare("three", plain=True)(tokens(length)))
    found = {way: deviation(values, known) for way, values in numbers.items()}
    if wrong := [w for w, of in found.items() if not all(d < TOLERANCE for d in of.values())]:
        sys.exit(f"At {length} tokens {', '.join(wrong)} give other numbers: {found}")
    return found


def compared(length: int, python: Path, folder: Path, repeats: int) -> dict[str, Any]:
    """Return what all ways cost at one length, and how cortexscope compares with each."""
    script = [python, HERE / "_peers_ways.py", "--model", folder, "--length", str(length)]
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / "numbers.pt"
        subprocess.run([*script, "--ways", *PEERS[1:], "--numbers", written], check=True)
        numbers = {**torch.load(written), "eager": prepare("eager", plain=True)(tokens(length))}
    deviations = check(length, numbers)
    own = costs(
        seconds({way: prepare(way, plain=True) for way in OWN}, length, repeats),
        lambda way: memory_of(way, length, plain=True),
    )
    peers = costs(
        child(*script, "--repeats", str(repeats)),
        lambda way: child(*script, "--ways", way, "--memory"),
    )
    three = own.pop("three")
    ways = {"eager": own["eager"], **{way: peers[way] for way in PEERS[1:]}}
    return {
        "tokens": length,
        "batch": tokens(length)["input_ids"].shape[0],
        "bare": own["bare"],
        "bare_of_peers": peers["bare"],
        "cortexscope": three,
        **{way: {**cost, "deviation": deviations[way]} for way, cost in ways.items()},
        "faster_than": quotients(ways, three, "seconds_ratio"),
        "leaner_than_above_start": quotients(ways, three, "above_start_mb"),
        "leaner_than_whole": quotients(ways, three, "peak_mb"),
    }


def quotients(
    ways: Mapping[str, Mapping[str, Any]], three: Mapping[str, Any], name: str
) -> dict[str, float | None]:
    """Return how many times cortexscope's cost each way's is."""
    return {way: ratio(cost[name], three[name]) for way, cost in ways.items()}


def main() -> None:
    from cortexscope import load_model
    from cortexscope.cache import cache_folder

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--venv", type=Path, help="made if need be; in the user's cache if left out"
    )
    parser.add_argument("--repeats", type=int, help="the same for all lengths")
    parser.add_argument("--lengths", type=int, nargs="+", default=[24, 256, 1024])
    options = parser.parse_args()
    python = environment(options.venv or cache_folder("peers"))
    os.environ["HF_HUB_OFFLINE"] = "1"
    folder = Path(load_model("demo-decoder").module.name_or_path)
    lengths = ((n, options.repeats or REPEATS.get(n, 1)) for n in options.lengths)
    report({"peers": PINNED}, (compared(n, python, folder, repeats) for n, repeats in lengths))


if __name__ == "__main__":
    main()
