"""Measure a model while it is trained, and leave the training as it is."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn
from transformers import PreTrainedTokenizerBase, TrainingArguments
from transformers.trainer_callback import TrainerCallback, TrainerControl, TrainerState

from cortexscope.engine import Progress, RunRequest, Settings, run, untouched
from cortexscope.errors import CortexscopeError, UsageError
from cortexscope.models import hold_model
from cortexscope.tasks import load_suite

__all__ = ["CortexscopeCallback"]

_REFERENCE = "held/training"
"""Stands for the model in the request, whose source is handed over."""


class CortexscopeCallback(TrainerCallback):  # type: ignore[misc]
    """Measures the model that a `transformers.Trainer` trains, a run folder a checkpoint.

    `OUT/step-500` is what `cortexscope run` would have written of the weights after 500 updates,
    finished and whole, and can be looked at while the training goes on: `cortexscope report
    OUT/step-* --out DIR` has the section "Over training". A step that is reached again replaces
    what was there.

    The training computes what it would have computed without, to the last bit: random numbers, the
    mode of modules, buffers and hooks are as before. What it costs is a pass of the suite each time
    and the memory of its batches; gradients and the states of the optimiser stay where they are.
    The model is measured in the precision of its weights, without autocast.

    The weights are measured before the first update, so that what is wrong with the request is
    found then; an error at a later step is a warning, and the training goes on.

    Args:
        out: the folder of the runs.
        suite: what the model reads; whatever `load_suite` takes.
        columns: which of its columns is what.
        template: the text with columns in braces.
        tasks: only these tasks, all where None.
        metrics: only these metrics or groups of metrics; the default panel where None.
        plugins: Python files with metrics of your own.
        every: after each so many updates, and after the last; where None, whenever the trainer
            saves a checkpoint.
        tokenizer: that of the model; the trainer's `processing_class` where None.
        settings: batch size and the like; how models are loaded is not asked.
        selfcheck: check the model quickly before it is measured the first time.
        progress: told what happens.

    Raises:
        UsageError: if the suite or an option cannot be used; at the beginning of the training, if
            the rest cannot.
    """

    def __init__(
        self,
        out: Path | str,
        *,
        suite: Any = "cognitive",  # noqa: ANN401 - whatever `load_suite` takes
        columns: str | Mapping[str, str] | None = None,
        template: str | None = None,
        tasks: Sequence[str] | None = None,
        metrics: Sequence[str] | None = None,
        plugins: Sequence[Path | str] = (),
        every: int | None = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        settings: Settings | None = None,
        selfcheck: bool = True,
        progress: Progress | None = None,
    ) -> None:
        if every is not None and every < 1:
            raise UsageError(f"The model is measured after each {every} updates; give 1 or more.")
        self.out = Path(out)
        self._every = every
        self._tokenizer = tokenizer
        self._selfcheck = selfcheck
        self._progress = progress
        self._measured: int | None = None
        self._request = RunRequest(
            models=(),
            suite=load_suite(suite, columns=columns, template=template),
            tasks=None if tasks is None else tuple(tasks),
            metrics=None if metrics is None else tuple(metrics),
            plugins=tuple(plugins),
            out=self.out,
            settings=settings or Settings(),
            force=True,
        )

    def measure(
        self,
        model: nn.Module,
        step: int,
        *,
        tokenizer: PreTrainedTokenizerBase | None = None,
        training: str | None = None,
    ) -> Path:
        """Measure a model as it is now, from any loop; return the run folder.

        Args:
            model: of transformers, also inside wrappers such as those of PEFT.
            step: how many updates of its weights were made.
            tokenizer: that of the model; the one given before where None.
            training: what it is a checkpoint of; the folder of the runs where None.

        Raises:
            UsageError: if there is no tokenizer, or the model cannot be measured in this process.
            ModelError: if the model fails.
            StoreError: if the folder cannot be written.
        """
        words = self._tokenizer or tokenizer
        if not isinstance(words, PreTrainedTokenizerBase):
            raise UsageError(
                "There is no tokenizer to read the suite with; give tokenizer= to the callback, "
                "or the trainer a processing_class."
            )
        label = f"step-{step}"
        with untouched(model):
            source = hold_model(
                model, words, label=label, training=training or str(self.out), step=step
            )
            request = replace(
                self._request,
                models=(f"{label}={_REFERENCE}",),
                held=source,
                out=self.out / label,
                settings=replace(self._request.settings, loading=source.options),
                selfcheck=self._selfcheck,
            )
            found = run(request, self._progress)
        self._selfcheck = False
        self._measured = step
        return found.path

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Measure the weights with which the training begins."""
        if state.is_world_process_zero:
            self._at(args, state, kwargs)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Measure the weights after each so many updates."""
        if self._every is not None and state.global_step % self._every == 0:
            self._go_on(args, state, kwargs)

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Measure the weights that were saved."""
        if self._every is None:
            self._go_on(args, state, kwargs)

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Measure the weights with which the training ends."""
        self._go_on(args, state, kwargs)

    def _go_on(self, args: TrainingArguments, state: TrainerState, given: dict[str, Any]) -> None:
        """Measure, and say where that fails: a training of days does not end by it."""
        if not state.is_world_process_zero or state.global_step == self._measured:
            return
        try:
            self._at(args, state, given)
        except CortexscopeError as error:
            warnings.warn(
                f"Step {state.global_step} was not measured, and the training goes on: {error}",
                UserWarning,
                stacklevel=2,
            )

    def _at(self, args: TrainingArguments, state: TrainerState, given: dict[str, Any]) -> None:
        words = given.get("processing_class")
        # A processor of several kinds of input has a tokenizer for texts.
        words = getattr(words, "tokenizer", words)
        self.measure(
            given["model"], state.global_step, tokenizer=words, training=str(args.output_dir)
        )
