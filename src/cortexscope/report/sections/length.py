"""What length explains, and the published study's tables, made of this run."""

from __future__ import annotations

from cortexscope.document import (
    UNDEFINED,
    Block,
    Column,
    Fold,
    Part,
    Prose,
    Section,
    Span,
    Table,
    Tone,
)
from cortexscope.errors import UsageError
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
                " of the run, with all digits. ",
                Span("cortexscope audit study --published FILE --run RUN", "code"),
                " checks the study's files too, and says more of each claim.",
            ),
        )
    )
    figures = shown.figures_named("length", "task_map")
    fold = Fold(f"The study's Tables {first} to {last}, of this run", tables)
    blocks: tuple[Block, ...] = (said, *figures, layout, fold, *_claims(shown))
    return Section("length", "Length and the study", blocks, short="Length, study")


def _claims(shown: Shown) -> tuple[Fold, ...]:
    """Return what the audit says of the study's claims, of one run that has its metrics."""
    from cortexscope.audit import audit_study

    measured = shown.frames.measured
    if len(measured.runs) > 1:
        return ()
    try:
        audit = audit_study(run=measured)
    except UsageError:
        return ()
    rows = [
        (claim.words, check.against, check.verdict, check.sentence)
        for claim in audit.claims
        for check in claim.checks
    ]
    tones: dict[str, Tone] = {"holds": "good", "contradicted": "bad", "cannot be checked": "open"}
    columns = (
        Column("Claim", wraps=True),
        Column("Against"),
        Column("Verdict", tones=tones),
        Column("What was found", wraps=True),
    )
    title = f"The study's {len(audit.claims)} claims, checked against its own figures and this run"
    return (Fold(title, (Table("claims", title, (Part.of(columns, rows),)),)),)
