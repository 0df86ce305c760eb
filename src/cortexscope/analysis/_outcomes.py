"""Tell a run what came of the answers to its prompts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cortexscope.analysis._groups import column_names
from cortexscope.errors import UsageError
from cortexscope.registry import suggestion
from cortexscope.store import PREFIX, Measurements, Run, write_outcomes
from cortexscope.tasks import Answers, answers_of, load_answers

__all__ = ["keep_outcomes"]

_SHOWN = 3


def keep_outcomes(
    run: Run | Path | str,
    file: Path | str | None = None,
    *,
    column: str | None = None,
    model: str | None = None,
) -> tuple[str, ...]:
    """Keep what came of a model's answers in its run; return sentences on what was read.

    What was kept of the same model before is replaced. The table `outcomes` of the run's statistics
    then says which of its metrics and layers tell right answers from wrong ones.

    Args:
        run: whose prompts were answered.
        file: as `tasks.load_answers` reads it; where None, a column that the run's prompts came
            with.
        column: which holds the outcomes; the one that does where None.
        model: which model of the run answered; its only one where None.

    Raises:
        UsageError: if it is not certain which model or column is meant, a value is no outcome, or
            no prompt of the run has one.
        UnknownNameError: if there is no such file or column.
        SuiteError: if the file cannot be read.
        StoreError: if the run cannot be written.
    """
    opened = run if isinstance(run, Run) else Run(run)
    measured = Measurements.of(opened)
    answered = _model(opened, model)
    if file is None:
        found = answers_of(_columns(measured), column=column, where=f"{opened.path}")
    else:
        found = load_answers(file, column=column)
    source = found.column if file is None else f"{Path(file).name}: {found.column}"
    ids = list(measured.prompts["prompt_id"])
    known = {name: found.outcomes[name] for name in ids if name in found.outcomes}
    if not known:
        raise UsageError(_unmatched(opened, found, ids, file))
    write_outcomes(opened.path, answered, known, source=source)
    return tuple(_says(found, len(known), len(ids), answered))


def _model(run: Run, asked: str | None) -> str:
    labels = [info.model for info in run.manifest.models]
    if asked is None and len(labels) == 1:
        return labels[0]
    if asked is None:
        raise UsageError(
            f"{run.path} has {len(labels)} models; say whose answers they are with --model: "
            f"{', '.join(labels)}."
        )
    if asked not in labels:
        raise UsageError(f"{run.path} has no model {asked!r}; {suggestion(asked, labels)}")
    return asked


def _columns(measured: Measurements) -> Mapping[str, Mapping[str, Any]]:
    """Return the columns that each prompt came with; those of controls say nothing of answers."""
    names = column_names(measured)
    prompts = measured.prompts
    prompts = prompts[prompts["control"].isna()].set_index("prompt_id")
    frame = prompts[[PREFIX + name for name in names]].astype(object)
    frame = frame.where(frame.notna(), None)
    frame.columns = list(names)
    return {
        str(name): {str(key): value for key, value in row.items()}
        for name, row in frame.to_dict("index").items()
    }


def _unmatched(run: Run, found: Answers, ids: list[str], file: Path | str | None) -> str:
    if not found.outcomes:
        return f"No prompt has an outcome in the column {found.column!r}; fill it, or name another."
    theirs, ours = (", ".join(map(repr, [*names][:_SHOWN])) for names in (found.outcomes, ids))
    return (
        f"None of the {len(found.outcomes)} ids in {file} is that of a prompt in {run.path}: there "
        f"they are such as {theirs}, here such as {ours}; give the file that the run read, or "
        "write its ids into a column prompt_id."
    )


def _says(found: Answers, known: int, prompts: int, model: str) -> list[str]:
    values = list(found.outcomes.values())
    sentences = [f"{model}: outcomes of {known} of {prompts} prompts, from {found.column!r}."]
    if len(values) > known:
        sentences.append(f"{len(values) - known} ids are of no prompt of the run and are left out.")
    if found.empty:
        sentences.append(f"{found.empty} rows have no outcome and are left out.")
    return sentences
