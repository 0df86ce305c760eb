"""What runs are disturbed: two tiny models, a suite, a plug-in, and the commands that a user types.

A command is a process of its own, forked from one that has imported the libraries already.
"""

from __future__ import annotations

import atexit
import gc
import json
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil
from _chaos_workers import fork_ahead, name_of

__all__ = ["PATIENCE", "Command", "Ended", "World", "marked"]

PATIENCE = 600.0
"""Seconds until a command hangs, on a machine that has other things to do."""
MARK = "CORTEXSCOPE_CHAOS_ROUND"
"""In the environment of all processes of a round."""

_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(
    [
        "pandas",
        "torch",
        "transformers.models.llama.modeling_llama",
        "transformers.models.gpt2.modeling_gpt2",
        "cortexscope.cli",
        "cortexscope.engine",
        "cortexscope.engine._fit",
        "cortexscope.engine._worker",
        "cortexscope.engine.backends._process",
        "cortexscope.selfchecks",
    ]
)

_PLUGIN = '''
import os
from pathlib import Path
from cortexscope.metrics import MeanOverStates, MetricSpec


class Fragile(MeanOverStates):
    """Norms, by code that does what the file `harm` beside it says."""

    spec = MetricSpec(
        name="fragile", title="Fragile", unit="1", axes=("layer",), bounds=(None, None),
        needs=("hidden",), definition="Norms.", source="none", group="magnitude",
    )
    undefined = "never"

    def value(self, seen):
        BROKEN
        harm = Path(__file__).with_name("harm")
        done = harm.read_text() if harm.exists() else ""
        if done == "raise":
            raise ValueError("no such luck")
        if done == "exit":
            raise SystemExit(3)
        if done == "print":
            os.write(1, b"all work and no play\\n" * 50_000)
            print("all work and no play\\n" * 50_000)
        return seen.norms
'''


class Ended(NamedTuple):
    """How a command ended."""

    code: int | None
    """None where it hung; below 0 where a signal killed it."""
    said: str
    """Standard output and error together."""


def marked(mark: str) -> list[psutil.Process]:
    """Return the living processes that were started in a round."""
    found = []
    for process in psutil.process_iter():
        try:
            gone = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
            forked = process.name() == name_of(mark)
            if not gone and (forked or process.environ().get(MARK) == mark):
                found.append(process)
        except psutil.Error:
            continue
    return found


class Command:
    """A command that runs.

    Args:
        arguments: of the command line.
        log: a file for what it says.
        mark: of its round.
        largest: bytes of the largest file that it may write, no limit where None.
    """

    def __init__(
        self, arguments: Sequence[str], log: Path, mark: str, *, largest: int | None = None
    ) -> None:
        self._log = log
        log.touch()
        self._process = _FORKED.Process(
            target=_carry_out, args=(list(arguments), log, mark, largest), daemon=True
        )
        self._process.start()
        self._ends = time.monotonic() + PATIENCE

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid or 0

    @property
    def lives(self) -> bool:
        """Whether it has not ended."""
        return self._process.is_alive() and time.monotonic() < self._ends

    def send(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self._process.is_alive():
            os.kill(self.pid, number)

    def wait(self) -> Ended:
        """Return how it ended; one that hangs is killed."""
        self._process.join(max(0.0, self._ends - time.monotonic()))
        hangs = self._process.is_alive()
        if hangs:
            self._process.kill()
            self._process.join()
        said = self._log.read_text(encoding="utf-8", errors="replace")
        return Ended(None if hangs else self._process.exitcode, said)


def _carry_out(arguments: list[str], log: Path, mark: str, largest: int | None) -> None:
    # Until a command is there to answer, a signal ends it without a word.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    handle = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(handle, stream)
    os.environ[MARK] = mark
    # What is imported is not looked through again and again.
    gc.freeze()
    if largest is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    if "--workers" in arguments and "--backend" not in arguments:
        fork_ahead(mark)
    from cortexscope.cli import main

    sys.argv = ["cortexscope", *arguments]
    code = main()
    sys.stdout.flush()
    atexit._run_exitfuncs()
    os._exit(code)


class World:
    """What all rounds share: models, the suite and the plug-in's text.

    Args:
        folder: where they are made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models = [f"{name}={_model(folder / name, name)}" for name in ("llama", "gpt2")]
        self.suite = folder / "suite.jsonl"
        texts = [" ".join(str(1 + (7 * n * k) % 199) for k in range(3 + n % 9)) for n in range(30)]
        rows = [{"task": f"t{n % 2}", "id": f"p-{n}", "text": text} for n, text in enumerate(texts)]
        self.suite.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")

    def plugin(self, folder: Path, *, broken: bool = False) -> Path:
        """Write the plug-in into a folder, one that always raises if asked."""
        file = folder / "fragile.py"
        harm = 'raise ValueError("not yet written")' if broken else "pass"
        file.write_text(_PLUGIN.replace("BROKEN", harm), encoding="utf-8")
        return file

    def arguments(self, out: Path, plugin: Path, backend: str) -> list[str]:
        """Return the command line of a run."""
        asked = ["run", "--suite", str(self.suite), "--plugin", str(plugin), "--out", str(out)]
        for model in self.models:
            asked += ["--model", model]
        for metric in ("residual_norm", "surprisal", "cka", "induction_score", "fragile"):
            asked += ["--metric", metric]
        asked += ["--generate", "2", "--batch-tokens", "32", "--threads", "1"]
        asked += ["--no-selfcheck", "--no-report"]
        ways = {"local": [], "workers": ["--workers", "2"]}
        return asked + ways.get(backend, ["--backend", backend, "--workers", "2"])


def _model(path: Path, family: str) -> Path:
    """Write a tiny model of random weights whose words are numbers."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
    )

    words = {"<pad>": 0, **{str(number): number for number in range(1, 200)}}
    made = Tokenizer(models.WordLevel(words, unk_token="1"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>").save_pretrained(path)
    torch.manual_seed(0)
    if family == "gpt2":
        size = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}
        ends = {"bos_token_id": None, "eos_token_id": None}
        GPT2LMHeadModel(GPT2Config(vocab_size=200, **size, **ends)).save_pretrained(path)
    else:
        LlamaForCausalLM(
            LlamaConfig(
                vocab_size=200,
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
            )
        ).save_pretrained(path)
    return path
