"""What length explains, and the published study's tables, made of this run."""

from __future__ import annotations

from cortexscope.document import UNDEFINED, Fold, Prose, Section, Span
from cortexscope.report._shown import Shown

__all__ = ["build"]

_STUDY = ("complete", "models", "categories", "architectures", "scale", "top")


def build(shown: Shown) -> Section:
    """Return the figures of length, and the study's tables folded."""
    said = Prose(
        (
            "A published study of six models over twelve tasks compared tasks by the entropy of "
            "attention summed over the rows of its matrix. That sum grows with the number of "
            "tokens whatever is read, so that its tasks differ as their prompts' lengths do. Here "
            "are its measures in this run, beside measures that length does not decide.",
        )
    )
    tables = tuple(shown.table(key) for key in _STUDY)
    first, last = tables[0].number, tables[-1].number
    layout = Prose(
        (
            (
                f"Tables {first} to {last} have the layout of the study; further metrics stand to "
                f"the right of its columns. {UNDEFINED} marks a value that is undefined. The same "
                "tables are in the folder ",
                Span("tables", "code"),
                " of the run, with all digits. Whether the study's claims hold in a run is told "
                "by ",
                Span("cortexscope audit study --run RUN", "code"),
                ".",
            ),
        )
    )
    figures = shown.figures_named("length", "task_map")
    fold = Fold(f"The study's Tables {first} to {last}, of this run", tables)
    return Section(
        "length", "Length and the study", (said, *figures, layout, fold), short="Length, study"
    )
