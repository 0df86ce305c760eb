"""Judge a claim: each of its readings, by each source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from cortexscope.audit._claims import Claim, Way
from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import OTHER_MODELS, Check, Reading
from cortexscope.audit._words import capital, counted
from cortexscope.audit.kinds import Kind

if TYPE_CHECKING:
    from cortexscope.audit._run_values import RunValues

__all__ = ["checks_of"]


def checks_of(
    claim: Claim,
    evidence: Evidence,
    parts: Sequence[RunValues],
) -> Iterator[Check]:
    """Yield what each source says of a claim.

    Args:
        claim: the claim.
        evidence: the study's files, or the figures that claims quote.
        parts: of a run, the models that are the study's and the others.
    """
    found = [(way, way.check.judge(way.check.seen(evidence))) for way in claim.ways]
    yield _together(found)
    for part in parts:
        own = [(way, _in_run(way.check, part, evidence, alone=len(parts) == 1))
               for way in claim.ways]  # fmt: skip
        known = [(way, check) for way, check in own if check is not None]
        if known:
            yield _together(known)


def _together(found: Sequence[tuple[Way, Check]]) -> Check:
    """Return one verdict on all readings: theirs where they agree."""
    if len(found) == 1:
        return found[0][1]
    verdicts = [check.verdict for _, check in found]
    said = "; ".join(f"{way.words}: {check.verdict}" for way, check in found)
    shared = [c for c in found[0][1].caveats if all(c in check.caveats for _, check in found)]
    readings = tuple(
        Reading(
            way.words,
            replace(check, caveats=tuple(c for c in check.caveats if c not in shared)),
        )
        for way, check in found
    )
    return Check(
        found[0][1].against,
        verdicts[0] if len(set(verdicts)) == 1 else "depends on the reading",
        f"{capital(said)}.",
        caveats=tuple(shared),
        readings=readings,
    )


def _in_run(kind: Kind, values: RunValues, study: Evidence, *, alone: bool) -> Check | None:
    """Return what some models of a run say, which is not more than they can say of the study's."""
    if values.against == OTHER_MODELS and kind.of_named_models:
        said = f"The run has none of the study's {len(values.hubs)} models."
        return Check(values.against, "cannot be checked", said) if alone else None
    check = kind.in_run(kind.seen_in_run(values), study)
    if check is None or check.verdict == "cannot be checked":
        return check
    if values.against == OTHER_MODELS:
        if check.verdict == "contradicted":
            said = f"In other models than the study's: {check.sentence}"
            return replace(check, verdict="did not generalise", sentence=said)
        return check
    known, whole = len(values.of_study()), len(values.hubs)
    if known == whole or kind.decided_by(check):
        return check
    said = (
        f"The run has {known} of the study's {counted(whole, 'model')}, which cannot decide for "
        f"all. In these: {check.verdict}. {check.sentence}"
    )
    return replace(check, verdict="cannot be checked", sentence=said)
