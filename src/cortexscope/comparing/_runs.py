"""Compare what finished runs have of models, without reading these again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cortexscope.comparing._pairing import bits_of, write_unread
from cortexscope.comparing._pass import Names
from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.records import Prompt
from cortexscope.registry import suggestion
from cortexscope.store import Run, SideWriter, is_copy, merge_runs

__all__ = ["compared_runs", "is_run"]

_KEPT = (
    "only what runs kept was compared, and they keep no distributions and no states of single "
    "tokens; give the models' references to have them read the prompts side by side"
)


def is_run(path: str) -> bool:
    """Return whether a folder is a run, and no model."""
    return (Path(path) / "manifest.json").is_file()


def compared_runs(folders: Sequence[str], out: Path, *, baseline: str | None, resume: bool) -> Run:
    """Compare the models of runs: of one with several models in it, or of several put together.

    Args:
        folders: of the runs.
        out: where several are put together.
        baseline: the label of the model that the others are compared with, the first where None.
        resume: whether `out` may be there already.

    Raises:
        UsageError: if there is one model, or runs do not belong together.
        StoreError: if a run is not finished, or cannot be read.
    """
    paths = [Path(own) for own in folders]
    if len(paths) == 1 and is_copy(paths[0]):
        raise UsageError(
            f"What is compared is kept in the run, and {paths[0]} is a copy of one at a URL; fetch "
            "the run by the tool of its store, and name that folder."
        )
    if len(paths) > 1 and not (resume and is_run(str(out))):
        found = merge_runs(paths, out)
    else:
        found = Run(paths[0] if len(paths) == 1 else out)
    labels = [info.model for info in found.manifest.models]
    if len(labels) < 2:
        raise UsageError(
            f"{found.path} has one model; a comparison needs two, so give another run."
        )
    if baseline is not None and baseline not in labels:
        raise UnknownNameError(
            f"The baseline {baseline!r} is none of the models; {suggestion(baseline, labels)}"
        )
    base = baseline or labels[0]
    prompts = [
        Prompt(id=row["prompt_id"], task=row["task"], text=row["text"])
        for row in found.prompts().to_dict("records")
    ]
    bits = bits_of(found)
    have = {(base, model) for model in found_pairs(found, base)}
    with SideWriter(found.path) as writer:
        for model in labels:
            if model != base and (base, model) not in have:
                write_unread(writer, Names(base, model), prompts, _KEPT, bits)
    return Run(found.path)


def found_pairs(run: Run, base: str) -> frozenset[str]:
    """Return the models that were read beside the base in a run already."""
    from cortexscope.store import Measurements

    table = Measurements.of(run).pairs().predictions
    return frozenset(table.loc[(table["base"] == base) & table["kl"].notna(), "model"])
