"""A methods paragraph of a run, and what it cites."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cortexscope.metrics import HEADLINE
from cortexscope.report._labels import parameters_text, plain
from cortexscope.report._shown import Shown

__all__ = ["bibliography", "methods"]

_STATISTICS = {
    "freedman1983": ("article", {
        "title": "A Nonstochastic Interpretation of Reported Significance Levels",
        "author": "Freedman, David and Lane, David",
        "journal": "Journal of Business & Economic Statistics", "year": "1983",
    }),
    "westfall1993": ("book", {
        "title": "Resampling-Based Multiple Testing",
        "author": "Westfall, Peter H. and Young, S. Stanley",
        "publisher": "Wiley", "year": "1993",
    }),
    "hedges1981": ("article", {
        "title": "Distribution Theory for Glass's Estimator of Effect Size and Related Estimators",
        "author": "Hedges, Larry V.",
        "journal": "Journal of Educational Statistics", "year": "1981",
    }),
    "steiger2004": ("article", {
        "title": "Beyond the F Test: Effect Size Confidence Intervals and Tests of Close Fit",
        "author": "Steiger, James H.",
        "journal": "Psychological Methods", "year": "2004",
    }),
}  # fmt: skip
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")


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
        dict.fromkeys(
            f"{own.suite.name} {own.suite.version}, SHA-256 {own.suite.hash[:12]}"
            for own in frames.manifests
        )
    )
    attention = ", ".join(
        dict.fromkeys(own.info.attention for own in frames.origins if own.info.attention)
    )
    measured = (
        f"We measured {len(frames.labels)} language model{'s' * (len(frames.labels) != 1)} with "
        f"cortexscope {manifest.versions.get('cortexscope', '')} ({versions}): {models}. Each read "
        f"{prompts} prompts of {count} task{'s' * (count != 1)} (suite {plain(suite)}) in a single "
        "forward pass a prompt"
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
    """Return BibTeX of the program, the statistics, and the sources of the metrics measured."""
    version = shown.frames.manifests[0].versions.get("cortexscope", "")
    title = "cortexscope: what happens inside a language model while it reads"
    own = _entry("software", "cortexscope", {"title": title, "version": version})
    cited = (_entry(kind, key, fields) for key, (kind, fields) in _STATISTICS.items())
    return "\n\n".join([own, *cited, *_sources(shown)])


def _sources(shown: Shown) -> Iterator[str]:
    """Yield an entry a source: its words as they stand in the metric's definition."""
    found: dict[str, list[str]] = {}
    for name in shown.frames.metrics:
        spec = shown.labels.specs.get(name)
        for source in spec.source.split(";") if spec and spec.source else ():
            found.setdefault(source.strip(), []).append(name)
    for number, (source, names) in enumerate(found.items(), 1):
        author, year = re.match(r"[A-Za-z]+", source), _YEAR.search(source)
        # What has no year is no publication.
        if year is not None:
            key = f"{author[0].lower() if author else 'source'}{year[0]}n{number}"
            note = f"{source}; source of {', '.join(names)}"
            yield _entry("misc", key, {"note": plain(note), "year": year[0]})


def _entry(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = [f"  {name} = {{{_escaped(value)}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _escaped(text: str) -> str:
    text = text.replace("\\", "/").replace("{", "(").replace("}", ")")
    return re.sub(r"([&%$#_])", r"\\\1", text)
