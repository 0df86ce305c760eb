"""Audit the published study: its files against themselves, its claims against them and a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cortexscope._version import __version__
from cortexscope.audit._claims import quoted, study
from cortexscope.audit._evidence import Evidence, evidence_of
from cortexscope.audit._given import Given, read_given
from cortexscope.audit._grid import read_grid
from cortexscope.audit._judge import checks_of
from cortexscope.audit._lead import NOTES
from cortexscope.audit._records import Audit, GivenFile, Judged
from cortexscope.audit._tables import Checked, check_tables, undetermined

if TYPE_CHECKING:
    from cortexscope.audit._activity import Activities
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
        run: a run of one's own to check the claims against, its folder or its measurements.

    Raises:
        UsageError: if a file is none of the study's, or the run has none of the study's metrics.
        StoreError: if the run cannot be read.
    """
    given = read_given([Path(path) for path in published])
    checked, evidence, left_open = _figures(given)
    others = _activities(given)
    values = None
    if run is not None:
        from cortexscope.audit._run_values import read_run

        values = read_run(run)
    parts = values.parts(study().models) if values else ()
    sources = [evidence, *(part.evidence(evidence) for part in parts)]
    return Audit(
        version=__version__,
        study=study().study,
        files=tuple(_files(given)),
        figures=checked.figures + sum(each.figures for each in others),
        wrong=(*checked.wrong, *(figure for each in others for figure in each.wrong)),
        conventions=(*checked.conventions, *(c for each in others for c in each.conventions)),
        undetermined=(*left_open, *(each.undetermined for each in others)),
        run=values.path.name if values else None,
        run_facts=dict(values.facts) if values else {},
        claims=tuple(
            Judged(
                claim.id,
                claim.words,
                claim.lines,
                tuple(checks_of(claim, sources)),
                claim.caveats,
            )
            for claim in study().claims
        ),
        notes=NOTES,
    )


class _Figures(NamedTuple):
    """What is found of the tables."""

    checked: Checked
    evidence: Evidence
    """What claims are checked against."""
    undetermined: tuple[str, ...]


def _figures(given: Given) -> _Figures:
    left: tuple[str, ...] = ()
    if given.published is None:
        checked, evidence = Checked(0, (), ()), quoted(study().claims)
    else:
        grid = read_grid(given.published)
        checked = check_tables(given.published, grid)
        left = tuple(undetermined(given.published, grid, checked.derived))
        evidence = evidence_of(grid, given.published, ddof=checked.ddof)
    whole = replace(
        evidence,
        workbooks=given.workbooks,
        script=given.script,
        hubs=study().models,
        dates=dict(_dates(given)),
    )
    return _Figures(checked, whole, left)


def _dates(given: Given) -> Iterator[tuple[str, str]]:
    """Yield what each file says of when it was made."""
    if given.published is not None and "Generated" in given.published.headings:
        yield given.published.path.name, given.published.headings["Generated"][0]
    for book in given.workbooks:
        for sheet in book.sheets:
            yield from ((book.path.name, str(row[1])) for row in sheet.rows
                        if row[:1] == ("Analysis Date",) and len(row) > 1)  # fmt: skip


def _activities(given: Given) -> list[Activities]:
    """Return what is found of each spreadsheet."""
    from cortexscope.audit._activity import check_activities

    return [check_activities(book) for book in given.workbooks]


def _files(given: Given) -> Iterator[GivenFile]:
    if given.published is not None:
        tables = sorted({table.number for table in given.published.tables})
        holds = f"Table{'s' if len(tables) > 1 else ''} {', '.join(map(str, tables))}"
        yield GivenFile(given.published.path.name, given.published.sha256, holds)
    for book in given.workbooks:
        holds = f"{len(book.sheets)} sheets, none of them one of the tables"
        yield GivenFile(book.path.name, book.sha256, holds)
    if given.script is not None:
        yield GivenFile(given.script.path.name, given.script.sha256, "a Python script")
