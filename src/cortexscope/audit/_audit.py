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
from cortexscope.audit._records import Audit, Checked, Judged
from cortexscope.audit._tables import check_tables
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
    tables, evidence = _tables(given)
    checked = [*tables, *map(check_activities, given.workbooks)]
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
        figures=sum(each.figures for each in checked),
        wrong=tuple(figure for each in checked for figure in each.wrong),
        conventions=tuple(own for each in checked for own in each.conventions),
        undetermined=tuple(said for each in checked for said in each.undetermined),
        run=values.name if values else None,
        run_facts=dict(values.facts) if values else {},
        claims=tuple(threaded(judged, study().claims)),
        notes=NOTES,
    )


def _tables(given: Given) -> tuple[list[Checked], Evidence]:
    """Return what is found of the tables, if they are given, and what claims are checked against.

    Without the tables these are the figures that the claims quote.
    """
    if given.published is None:
        checked, evidence = [], quoted(study().claims)
    else:
        grid = read_grid(given.published)
        found = check_tables(given.published, grid)
        checked, evidence = [found], evidence_of(grid, ddof=found.ddof)
    return checked, replace(evidence, given=given, hubs=study().models)
