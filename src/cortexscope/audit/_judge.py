"""Judge a claim: each of its readings, by each source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cortexscope.audit._claims import Claim, Way
from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import OTHER_MODELS, Check, Reading
from cortexscope.audit._words import capital, counted
from cortexscope.audit.kinds import Kind

__all__ = ["checks_of"]


def checks_of(claim: Claim, sources: Sequence[Evidence]) -> Iterator[Check]:
    """Yield what each source says of a claim.

    Args:
        claim: the claim.
        sources: the study's files, or the figures that claims quote; and of a run, the models that
            are the study's and the others.
    """
    alone = sum(source.run is not None for source in sources) == 1
    for source in sources:
        found = [(way, _judged(way.check, source, alone=alone)) for way in claim.ways]
        known = [(way, check) for way, check in found if check is not None]
        if known:
            yield _together(known)


def _together(found: Sequence[tuple[Way, Check]]) -> Check:
    """Return one verdict on all readings: theirs where they agree."""
    if len(found) == 1:
        return found[0][1]
    verdicts = [check.verdict for _, check in found]
    said = "; ".join(f"{way.words}: {check.verdict}" for way, check in found)
    shared = [c for c in found[0][1].caveats if all(c in check.caveats for _, check in found)]
    readings = []
    for way, check in found:
        own = tuple(caveat for caveat in check.caveats if caveat not in shared)
        readings.append(Reading(way.words, replace(check, caveats=own)))
    return Check(
        found[0][1].against,
        verdicts[0] if len(set(verdicts)) == 1 else "depends on the reading",
        f"{capital(said)}.",
        caveats=tuple(shared),
        readings=tuple(readings),
    )


def _judged(kind: Kind, evidence: Evidence, *, alone: bool) -> Check | None:
    """Return what a source says; some models say not more than they can of all the study's."""
    run = evidence.run
    if run is None:
        return kind.judge(kind.seen(evidence))
    if not kind.of_runs:
        return None
    others = evidence.against == OTHER_MODELS
    if others and kind.of_named_models:
        said = f"The run has none of the study's {len(run.hubs)} models."
        return evidence.says(None, said) if alone else None
    seen = kind.seen(evidence)
    lacking = kind.lacking(seen)
    check = evidence.says(None, lacking) if lacking else kind.judge(seen)
    if check.verdict == "cannot be checked":
        return check
    if others:
        if check.verdict == "contradicted":
            said = f"In other models than the study's: {check.sentence}"
            return replace(check, verdict="did not generalise", sentence=said)
        return check
    known, whole = len(kind.asked_of(run)), len(run.hubs)
    if known == whole or kind.decided_by(check):
        return check
    said = (
        f"The run has {known} of the study's {counted(whole, 'model')}, which cannot decide for "
        f"all. In these: {check.verdict}. {check.sentence}"
    )
    return replace(check, verdict="cannot be checked", sentence=said)
