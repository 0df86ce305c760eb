"""What is measured while a model is trained, and that the training does not notice."""

from __future__ import annotations

import json
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from models.tiny import tiny_config, tiny_tokenizer
from torch import Tensor, nn
from transformers import LlamaForCausalLM, Trainer, TrainingArguments

from cortexscope import CortexscopeCallback, Settings
from cortexscope.analysis import trainings_of
from cortexscope.cli import main
from cortexscope.engine import RunRequest, run, untouched
from cortexscope.errors import UsageError
from cortexscope.store import Measurements, Run

METRICS = ("residual_norm", "attention_entropy", "bits_per_byte", "surprisal", "induction_score")


def model(**changes: Any) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(tiny_config(num_hidden_layers=2, attention_dropout=0.2, **changes))


class Randomly(torch.utils.data.Dataset[dict[str, Tensor]]):
    """Texts that are drawn anew each time, by all generators that a training may use."""

    def __init__(self, vocabulary: int) -> None:
        self._vocabulary = vocabulary

    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return token ids, [token]."""
        drawn = int(torch.randint(5, (1,))) + np.random.randint(5) + random.randint(0, 5)  # noqa: NPY002
        ids = (torch.arange(12) * (index + 1) + drawn) % self._vocabulary
        return {"input_ids": ids, "labels": ids}


def trainer(folder: Path, module: LlamaForCausalLM, callbacks: list[Any], **asked: Any) -> Trainer:
    args = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=4,
        learning_rate=1e-2,
        logging_steps=1,
        seed=3,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        **{"max_steps": 6, "save_strategy": "no", **asked},
    )
    return Trainer(
        model=module,
        args=args,
        train_dataset=Randomly(module.config.vocab_size),
        processing_class=tiny_tokenizer(),
        callbacks=callbacks,
    )


def losses(made: Trainer) -> list[float]:
    made.train()
    return [row["loss"] for row in made.state.log_history if "loss" in row]


def callback(out: Path, suite: Path, **asked: Any) -> CortexscopeCallback:
    return CortexscopeCallback(
        out, suite=suite, metrics=METRICS, settings=Settings(batch_tokens=64), **asked
    )


@pytest.mark.slow
def test_the_training_is_the_same_to_the_last_bit(tmp_path: Path, suite_file: Path) -> None:
    plain, watched = model(), model()
    expected = losses(trainer(tmp_path / "a", plain, []))
    found = losses(
        trainer(tmp_path / "b", watched, [callback(tmp_path / "runs", suite_file, every=2)])
    )
    assert found == expected
    assert len(set(expected)) == 6
    for one, two in zip(plain.parameters(), watched.parameters(), strict=True):
        assert torch.equal(one, two)
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {
        f"step-{step}" for step in (0, 2, 4, 6)
    }


@pytest.mark.slow
def test_what_is_measured_is_what_the_saved_checkpoint_gives(
    tmp_path: Path, suite_file: Path
) -> None:
    made = trainer(
        tmp_path / "out",
        model(),
        [callback(tmp_path / "runs", suite_file)],
        save_strategy="steps",
        save_steps=3,
    )
    made.train()
    runs = {path.name: Run(path) for path in sorted((tmp_path / "runs").iterdir())}
    assert [*runs] == ["step-0", "step-3", "step-6"]
    assert {found.manifest.status for found in runs.values()} == {"complete"}
    (info,) = runs["step-3"].manifest.models
    assert info.reference == f"{tmp_path / 'out'}@3"
    again = run(
        RunRequest(
            models=(f"step-3={info.reference}",),
            suite=suite_file,
            metrics=METRICS,
            out=tmp_path / "again",
            settings=Settings(batch_tokens=64),
            selfcheck=False,
        )
    )
    assert again.manifest.models[0].checkpoint_of == info.checkpoint_of
    assert again.measurements_table().equals(runs["step-3"].measurements_table())
    (training,) = trainings_of(Measurements.of(*runs.values()))
    assert training.steps == (0, 3, 6)
    assert training.models == ("step-0", "step-3", "step-6")


@pytest.mark.slow
def test_a_step_that_is_reached_again_replaces_what_was_there(
    tmp_path: Path, suite_file: Path
) -> None:
    watch = callback(tmp_path / "runs", suite_file, tokenizer=tiny_tokenizer(), selfcheck=False)
    module = model()
    first = Run(watch.measure(module, 5)).measurements_table()
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(1.5)
    path = watch.measure(module, 5)
    assert path == tmp_path / "runs" / "step-5"
    assert not Run(path).measurements_table().equals(first)
    assert Run(path).manifest.models[0].checkpoint_of == str(tmp_path / "runs")


@pytest.mark.slow
def test_an_error_at_a_later_step_is_a_warning(tmp_path: Path, suite_file: Path) -> None:
    class Breaking(CortexscopeCallback):
        def measure(self, model: nn.Module, step: int, **given: Any) -> Path:
            if step == 2:
                raise UsageError("there is no room")
            return super().measure(model, step, **given)

    watch = Breaking(tmp_path / "runs", suite=suite_file, metrics=("residual_norm",), every=2)
    with pytest.warns(UserWarning, match="Step 2 was not measured, and the training goes on"):
        found = losses(trainer(tmp_path / "out", model(), [watch], max_steps=4))
    assert len(found) == 4
    assert not (tmp_path / "runs" / "step-2").exists()


def test_what_cannot_be_measured_is_said_before_the_first_update(
    tmp_path: Path, suite_file: Path
) -> None:
    made = trainer(tmp_path / "out", model(), [callback(tmp_path / "runs", suite_file, every=1)])
    made.callback_handler.processing_class = None
    with pytest.raises(UsageError, match="no tokenizer to read the suite with"):
        made.train()
    with pytest.raises(UsageError, match="give 1 or more"):
        callback(tmp_path, suite_file, every=0)
    watch = callback(tmp_path, suite_file, tokenizer=tiny_tokenizer())
    with pytest.raises(UsageError, match=r"Linear is no model of transformers.*attach"):
        watch.measure(nn.Linear(2, 2), 0)
    spread = model()
    spread.lm_head.weight = nn.Parameter(torch.empty(0))
    with pytest.raises(UsageError, match="spread over several processes"):
        watch.measure(spread, 0)


@pytest.mark.slow
def test_adapters_are_measured_inside_their_wrapper(tmp_path: Path, suite_file: Path) -> None:
    peft = pytest.importorskip("peft")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped = peft.get_peft_model(model(), peft.LoraConfig(task_type="CAUSAL_LM", r=2))
    watch = callback(tmp_path / "runs", suite_file, tokenizer=tiny_tokenizer())
    one = Run(watch.measure(wrapped, 0)).measurements_table()
    bare = Run(watch.measure(model(), 1)).measurements_table()
    # An adapter that was never trained adds exactly 0.
    assert one["value"].equals(bare["value"])


def drawn_by_numpy() -> str:
    return str(np.random.get_state(legacy=False))  # noqa: NPY002


def test_a_model_is_left_as_it_was() -> None:
    module = model(
        rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}
    ).train()
    module.model.layers[0].eval()
    buffers = {name: (own, own.clone()) for name, own in module.named_buffers()}
    modes = [part.training for part in module.modules()]
    attributes = [dict(vars(part)) for part in module.modules()]
    states = torch.get_rng_state(), drawn_by_numpy(), random.getstate()
    with untouched(module), torch.inference_mode():
        module.eval()
        module(torch.zeros(1, 200, dtype=torch.long))
        torch.rand(3), np.random.rand(3), random.random()  # noqa: NPY002
        module.model.rotary_emb.inv_freq.mul_(2)
    assert [part.training for part in module.modules()] == modes
    assert [dict(vars(part)) for part in module.modules()] == attributes
    for name, own in module.named_buffers():
        assert own is buffers[name][0]
        assert torch.equal(own, buffers[name][1])
        assert not own.is_inference()
    assert torch.equal(torch.get_rng_state(), states[0])
    assert drawn_by_numpy() == states[1]
    assert random.getstate() == states[2]
    module(torch.zeros(1, 8, dtype=torch.long)).logits.sum().backward()


def test_a_folder_says_of_its_run_what_it_is(tmp_path: Path, suite_file: Path) -> None:
    watch = callback(tmp_path / "runs", suite_file, tokenizer=tiny_tokenizer(), selfcheck=False)
    path = watch.measure(model(), 7, training="mine")
    told = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    assert told["models"][0]["training_step"] == 7
    assert told["models"][0]["checkpoint_of"] == "mine"
    assert Run(path).models()["reference"].tolist() == ["mine@7"]


@pytest.mark.slow
def test_runs_of_a_training_have_statistics_together(
    tmp_path: Path, suite_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = callback(tmp_path / "runs", suite_file, tokenizer=tiny_tokenizer(), selfcheck=False)
    module = model()
    paths = []
    for step in (30, 4, 100):
        paths.append(str(watch.measure(module, step)))
        with torch.no_grad():
            module.model.layers[0].mlp.down_proj.weight.mul_(2)
    assert main(["stats", *paths, "--metric", "residual_norm"]) == 2
    assert "3 runs have no folder for their tables together" in capsys.readouterr().err
    out = tmp_path / "together"
    assert main(["stats", *paths, "--metric", "residual_norm", "--out", str(out), "--quiet"]) == 0
    course = pd.read_csv(out / "training_course.csv")
    assert course[course["task"].isna()]["step"].tolist() == [4, 30, 100]
