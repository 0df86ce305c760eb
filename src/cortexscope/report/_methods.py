"""A methods paragraph of a run, and what it cites."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cortexscope.metrics import HEADLINE
from cortexscope.report._labels import parameters_text, plain
from cortexscope.report._shown import Shown

__all__ = ["bibliography", "methods"]

_STATISTICS = {
    "freedman1983": (
        "A Nonstochastic Interpretation of Reported Significance Levels",
        "Freedman, David and Lane, David",
        "Journal of Business & Economic Statistics", "1983",
    ),
    "westfall1993": (
        "Resampling-Based Multiple Testing",
        "Westfall, Peter H. and Young, S. Stanley",
        "Wiley", "1993",
    ),
    "hedges1981": (
        "Distribution Theory for Glass's Estimator of Effect Size and Related Estimators",
        "Hedges, Larry V.",
        "Journal of Educational Statistics", "1981",
    ),
    "steiger2004": (
        "Beyond the F Test: Effect Size Confidence Intervals and Tests of Close Fit",
        "Steiger, James H.",
        "Psychological Methods", "2004",
    ),
}  # fmt: skip


def methods(shown: Shown) -> tuple[str, ...]:
    """Return what was done, in a paragraph on measuring and one on statistics."""
    frames = shown.frames
    manifest, settings = frames.manifests[0], frames.analysis.settings
    models = "; ".join(
        f"{plain(own.info.name)} ({parameters_text(own.info.parameters)} parameters, "
        f"{own.info.layers} layers, {own.info.quantization or own.info.dtype}"
        f"{f', revision {plain(own.info.revision)}' if own.info.revision else ''})"
        for own in frames.origins
    )
    prompts = int(frames.prompts["control"].isna().sum())
    versions = ", ".join(
        f"{name} {own}" for name, own in manifest.versions.items() if name != "cortexscope"
    )
    count = len(frames.tasks)
    suite = ", ".join(
        dict.fromkeys(f"{own.suite.name} {own.suite.version}" for own in frames.manifests)
    )
    attention = ", ".join(
        dict.fromkeys(own.info.attention for own in frames.origins if own.info.attention)
    )
    measured = (
        f"We measured {len(frames.labels)} language model{'s' * (len(frames.labels) != 1)} with "
        f"cortexscope {manifest.versions.get('cortexscope', '')} ({versions}): {models}. Each read "
        f"{prompts} prompts of {count} task{'s' * (count != 1)} (suite {plain(suite)}, SHA-256 "
        f"{manifest.suite.hash[:12]}) in a single forward pass a prompt"
        f"{f', attention by {plain(attention)}' if attention else ''}. Statistics of attention are "
        "computed exactly, without the attention matrix being kept. "
        f"{len(frames.metrics)} metrics were recorded; those looked at closely are "
        f"{', '.join(shown.labels.title(own) for own in HEADLINE if own in frames.metrics)}."
    )
    compared = (
        "The prompt is the unit; paraphrases of one prompt are one cluster. Tasks are compared "
        "raw, with prompt length controlled (a natural spline in log tokens fitted beside the "
        "tasks; prompts are exchanged within bins of about equal length, after Freedman and Lane "
        "1983), and on prompts matched for length. The share of variance that the task explains "
        "is given as omega squared, with an interval by the noncentral F distribution (Steiger "
        f"2004); p-values are by {settings.permutations} random permutations, corrected over "
        "metrics by the largest statistic (Westfall and Young 1993). Models are compared in pairs "
        "on the same prompts, with Hedges' g (1981). Intervals are at 95 %. The seed is "
        f"{settings.seed}. A value that is undefined is left out and never counted as 0."
    )
    return measured, compared


def bibliography(shown: Shown) -> str:
    """Return BibTeX of the program, the statistics and the sources of the metrics shown first."""
    version = shown.frames.manifests[0].versions.get("cortexscope", "")
    return "\n\n".join([_entry("software", "cortexscope", {
        "title": "cortexscope: what happens inside a language model while it reads",
        "version": version,
    }), *_cited(), *_sources(shown)])  # fmt: skip


def _cited() -> Iterator[str]:
    for key, (title, author, where, year) in _STATISTICS.items():
        kind, place = ("book", "publisher") if where == "Wiley" else ("article", "journal")
        yield _entry(kind, key, {"title": title, "author": author, place: where, "year": year})


def _sources(shown: Shown) -> Iterator[str]:
    """Yield an entry a source: its words as they stand in the metric's definition."""
    found: dict[str, list[str]] = {}
    for name in shown.frames.metrics:
        spec = shown.labels.specs.get(name)
        for source in spec.source.split(";") if spec and spec.source else ():
            if re.search(r"\b(19|20)\d\d\b", source):
                found.setdefault(source.strip(), []).append(name)
    for number, (source, names) in enumerate(found.items(), 1):
        year = re.search(r"\b(?:19|20)\d\d\b", source)
        assert year is not None
        author = re.match(r"[A-Za-z]+", source)
        key = f"{author[0].lower() if author else 'source'}{year[0]}n{number}"
        note = f"{source}; source of {', '.join(names)}"
        yield _entry("misc", key, {"note": plain(note), "year": year[0]})


def _entry(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = [f"  {name} = {{{_escaped(value)}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _escaped(text: str) -> str:
    text = text.replace("\\", "/").replace("{", "(").replace("}", ")")
    return re.sub(r"([&%$#_])", r"\\\1", text)
