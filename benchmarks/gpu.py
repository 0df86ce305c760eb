"""What is true and what it costs on a GPU: tests, exactness, overhead and memory; `gpu.sh` runs it.

Each finding is a line of JSON in OUT/gpu.jsonl; standard output and OUT/gpu.md have them as tables.
Parts: `tests` (tests/devices by pytest), `kernels`, `textbook`, `exactness` and `selfchecks`
(`_gpu_checks.py`), `overhead` (the ways of `overhead.py`, and those of `_peers_ways.py` whose
packages are there). Ends with 1 if any of them finds something wrong.

    python benchmarks/gpu.py [--device cuda] [--model REF] [--out FOLDER] [--parts NAME ...]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import torch
from _gpu_checks import exactness, kernels, selfchecks, textbook
from _gpu_page import page
from overhead import (
    BATCHES,
    PANELS,
    WAYS,
    Reader,
    costs,
    memory,
    memory_of,
    prepare,
    seconds,
    tokens,
)

PARTS = ("tests", "kernels", "textbook", "exactness", "selfchecks", "overhead")
PEERS = {
    "nnsight": "nnsight",
    "transformer_lens": "transformer_lens",
    "transformer_lens_hooks": "transformer_lens",
}
"""The module that a peer's way needs."""
TESTS = Path(__file__).resolve().parent.parent / "tests" / "devices"
SHARPER = 4.0
"""Times random queries and keys are made larger: a row of attention is otherwise almost even."""


def with_weights(model: str, scratch: Path) -> tuple[str, str]:
    """Return a reference of the model, and whose weights it has.

    A folder without weights is written again into the scratch folder, with random ones.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    folder = Path(model)
    if not folder.is_dir() or any(folder.glob("*.safetensors")):
        return model, "its own"
    made = scratch / "model"
    shutil.copytree(folder, made)
    torch.manual_seed(0)
    module = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(made), dtype=torch.float32)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if "q_proj" in name or "k_proj" in name:
                weight *= SHARPER
    module.save_pretrained(made)
    return str(made), "random"


def machine(model: str, device: torch.device, weights: str) -> dict[str, Any]:
    """Return what the figures hang on."""
    from transformers import AutoConfig
    from transformers import __version__ as transformers

    from cortexscope.engine._environment import environment

    found = environment() | {"device": device.type, "weights": weights}
    config = AutoConfig.from_pretrained(folder_of(model))
    shape = f"{config.num_hidden_layers} layers and {config.hidden_size} features"
    found |= {"model": f"{config.model_type} of {shape}"}
    found |= {"python": sys.version.split()[0], "torch": torch.__version__}
    found |= {"transformers": transformers, "toolkit": str(torch.version.cuda)}
    if device.type == "cuda":
        found["memory"] = f"{torch.cuda.get_device_properties(device).total_memory / 2**30:.0f} GiB"
    return found


def tested(scratch: Path) -> Iterator[dict[str, Any]]:
    """Yield what the tests of devices say; they take the GPU where there is one."""
    if importlib.util.find_spec("pytest") is None:
        yield {"passed": None, "reason": "pytest is not installed"}
        return
    written = scratch / "tests.xml"
    # Warnings are errors to the versions that the tests are held by, and others may be here.
    command = [sys.executable, "-m", "pytest", "-q", "-W", "default", "-p", "no:cacheprovider"]
    ended = subprocess.run(
        [*command, TESTS, f"--junitxml={written}"], cwd=TESTS.parents[1], stdout=sys.stderr
    )
    suite = ElementTree.parse(written).getroot().find("testsuite")
    assert suite is not None
    counts = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    wrong = [
        case.attrib["name"]
        for case in suite.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]
    yield {**counts, "failed": wrong, "passed": ended.returncode == 0}


def overhead(
    model: str, device: torch.device, lengths: Sequence[int], repeats: int
) -> Iterator[dict[str, Any]]:
    """Yield what each way costs at each length, in float32 and, on a GPU, in bfloat16."""
    dtypes = ("float32",) if device.type == "cpu" else ("float32", "bfloat16")
    for dtype in dtypes:
        readers = {way: prepare(way, model=model, device=device, dtype=dtype) for way in WAYS}
        if dtype == "float32":
            readers |= peers(model, device)
        for length in lengths:
            batch = tokens(length)["input_ids"].shape[0]
            ways = readers if room(model, device, batch, length) else lean(readers)
            held = {way: held_by(way, read, length, model, device) for way, read in ways.items()}
            found = costs(seconds(ways, length, repeats, device), held.__getitem__)
            yield {"dtype": dtype, "tokens": length, "batch": batch, "ways": found}


def lean(readers: Mapping[str, Reader]) -> dict[str, Reader]:
    """Return the ways that keep no attention matrix."""
    return {way: read for way, read in readers.items() if way == "bare" or way in PANELS}


def room(model: str, device: torch.device, batch: int, length: int) -> bool:
    """Return whether all attention matrices of a batch have room on the device."""
    from transformers import AutoConfig

    if device.type == "cpu":
        return length <= 1024
    config = AutoConfig.from_pretrained(folder_of(model))
    entries = config.num_hidden_layers * config.num_attention_heads * batch * length**2
    return 4 * entries < torch.cuda.mem_get_info(device)[0] / 2


def held_by(
    way: str, read: Reader, length: int, model: str, device: torch.device
) -> dict[str, float]:
    """Return the memory of one pass: of the device, or of a process of its own on the CPU."""
    if device.type == "cpu":
        return memory_of(way, length, model=model)
    return memory(read, length, device)


def peers(model: str, device: torch.device) -> dict[str, Reader]:
    """Return the ways of other tools that can be imported here."""
    from _peers_ways import prepare as prepared

    there = {way: of for way, of in PEERS.items() if importlib.util.find_spec(of) is not None}
    return {way: prepared(way, folder_of(model), device) for way in there}


def folder_of(model: str) -> Path:
    """Return the folder that a reference stands for, as a library of others wants it."""
    from cortexscope import load_model

    return Path(model) if Path(model).is_dir() else Path(load_model(model).module.name_or_path)


def findings(
    options: argparse.Namespace, device: torch.device, scratch: Path
) -> Iterator[dict[str, Any]]:
    """Yield all that is found, in the order of the parts, each with its part's name."""
    model, weights = with_weights(options.model, scratch)
    yield {"part": "machine", **machine(model, device, weights)}
    lengths, repeats = options.lengths, options.repeats
    made = {
        "tests": lambda: tested(scratch),
        "kernels": lambda: kernels(device),
        "textbook": lambda: (textbook(model, device, n) for n in lengths if n <= 256),
        "exactness": lambda: exactness(model, device),
        "selfchecks": lambda: selfchecks(model, device),
        "overhead": lambda: overhead(model, device, lengths, repeats),
    }
    for part in PARTS:
        if part in options.parts:
            started = time.perf_counter()
            for found in made[part]():
                yield {"part": part, **found}
            yield {"part": "took", "of": part, "seconds": round(time.perf_counter() - started, 1)}


def choose(name: str) -> torch.device:
    """Return the device, and say so where a GPU is not there."""
    from cortexscope.models._placement import choose_device

    device = choose_device(name)
    if name == "auto" and device.type == "cpu":
        print("There is no CUDA GPU here: all of it runs on the CPU, and says", file=sys.stderr)
        print("nothing of a GPU's time or memory.", file=sys.stderr)
    return device


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument(
        "--model", default="demo-decoder", help="a folder without weights gets random ones"
    )
    parser.add_argument("--out", type=Path, default=Path("gpu-figures"))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--lengths", type=int, nargs="+", default=list(BATCHES))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    device = choose(options.device)
    options.out.mkdir(parents=True, exist_ok=True)
    kept = []
    with (
        tempfile.TemporaryDirectory(dir=options.scratch) as scratch,
        (options.out / "gpu.jsonl").open("w", encoding="utf-8") as lines,
    ):
        for found in findings(options, device, Path(scratch)):
            print(json.dumps(found, allow_nan=False), file=lines, flush=True)
            kept.append(found)
            if found["part"] == "took":
                print(f"{found['of']}: {found['seconds']} s", file=sys.stderr, flush=True)
    (options.out / "gpu.md").write_text(page(kept), encoding="utf-8")
    print(page(kept))
    wrong = [found for found in kept if found.get("passed") is False]
    print(f"{len(wrong)} findings are wrong; all of them are in {options.out}.")
    for found in wrong:
        print(json.dumps(found))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
