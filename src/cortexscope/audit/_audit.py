"""Audit the published study: its files against themselves, its claims against them and a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cortexscope._version import __version__
from cortexscope.audit._activity import check_activities
from cortexscope.audit._claims import Claim, quoted, study
from cortexscope.audit._evidence import Evidence, evidence_of
from cortexscope.audit._given import Given, read_given
from cortexscope.audit._grid import read_grid
from cortexscope.audit._judge import checks_of
from cortexscope.audit._lead import NOTES
from cortexscope.audit._records import Audit, Judged
from cortexscope.audit._tables import Checked, check_tables, undetermined
from cortexscope.threads import threaded

if TYPE_CHECKING:
    from cortexscope.store import Measurements

__all__ = ["audit_study"]


def audit_study(
    *,
    published: Sequence[Path | str] = (),
    run: Path | str | Measurements | None = None,
) -> Audit:
    """Check every claim of the published study, and every figure of the files that are given.

    Args:
        published: the study's text file of Tables 1 to 6, its spreadsheets, its script (which is
            never run), or folders of tables and spreadsheets; without a file of Table 1 the claims'
            own figures are checked against one another.
        run: a run folder of one's own, or the measurements of several, to check the claims
            against.

    Raises:
        UsageError: if a file is none of the study's, or the run has none of the study's metrics.
        StoreError: if the run cannot be read.
    """
    given = read_given([Path(path) for path in published])
    checked, evidence, left_open = _tables(given)
    others = [check_activities(book) for book in given.workbooks]
    values = None
    if run is not None:
        from cortexscope.audit._run_values import read_run

        values = read_run(Path(run) if isinstance(run, str) else run)
    parts = values.parts(study().models) if values else ()
    sources = [evidence, *(part.evidence(evidence) for part in parts)]

    def judged(own: Claim) -> Judged:
        return Judged(own.id, own.words, own.lines, tuple(checks_of(own, sources)), own.caveats)

    return Audit(
        version=__version__,
        study=study().study,
        files=given.files,
        figures=checked.figures + sum(each.figures for each in others),
        wrong=(*checked.wrong, *(figure for each in others for figure in each.wrong)),
        conventions=(*checked.conventions, *(c for each in others for c in each.conventions)),
        undetermined=(*left_open, *(each.undetermined for each in others)),
        run=values.name if values else None,
        run_facts=dict(values.facts) if values else {},
        claims=tuple(threaded(judged, study().claims)),
        notes=NOTES,
    )


def _tables(given: Given) -> tuple[Checked, Evidence, tuple[str, ...]]:
    """Return what is found of the tables, what claims are checked against, and what is left."""
    left: tuple[str, ...] = ()
    if given.published is None:
        checked, evidence = Checked(0, (), ()), quoted(study().claims)
    else:
        grid = read_grid(given.published)
        checked = check_tables(given.published, grid)
        left = tuple(undetermined(given.published, grid, checked.derived))
        evidence = evidence_of(grid, ddof=checked.ddof)
    return checked, replace(evidence, given=given, hubs=study().models), left
