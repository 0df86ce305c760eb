"""Memory of a run of many models: of its driver and its workers, as each model ends.

    python benchmarks/many_models.py --models 20 --workers 2

makes tiny models of mixed sizes with random weights, measures them in one run, and prints the
resident memory whenever one is done. Memory is flat where it does not grow from the fifth on.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import psutil
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from cortexscope.engine import RunRequest, Settings, Silent, run

WIDTHS = (32, 64, 128, 256)


class Watched(Silent):
    """Prints the resident memory when a model is done."""

    def end(self, model: str) -> None:
        """Print it."""
        driver = psutil.Process()
        sizes = [round(own.memory_info().rss / 1e6) for own in (driver, *driver.children())]
        print(f"{model}: driver {sizes[0]} MB, workers {sizes[1:]}", flush=True)


def written(path: Path, width: int) -> Path:
    """Write a model of random weights whose words are numbers."""
    words = {"<pad>": 0, **{str(number): number for number in range(1, 1000)}}
    made = Tokenizer(models.WordLevel(words, unk_token="1"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>").save_pretrained(path)
    config = LlamaConfig(
        vocab_size=1000,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
    )
    LlamaForCausalLM(config).save_pretrained(path)
    return path


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        suite = here / "suite.jsonl"
        texts = [" ".join(str(1 + (7 * n * k) % 999) for k in range(60)) for n in range(24)]
        rows = [{"task": "t", "id": f"p-{n}", "text": text} for n, text in enumerate(texts)]
        suite.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        names = [f"m{number:02}" for number in range(1, asked.models + 1)]
        run(
            RunRequest(
                models=tuple(
                    f"{name}={written(here / name, WIDTHS[number % len(WIDTHS)])}"
                    for number, name in enumerate(names)
                ),
                suite=suite,
                out=here / "run",
                metrics=("residual_norm", "attention_entropy", "surprisal"),
                settings=Settings(threads=1, batch_tokens=256, shard_batches=1),
                selfcheck=False,
                workers=asked.workers,
            ),
            Watched(),
        )


if __name__ == "__main__":
    main()
