"""How the run was made: a paragraph to paste, definitions, settings, versions, notes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from cortexscope.document import (
    UNDEFINED,
    Block,
    Definition,
    Definitions,
    Fact,
    Facts,
    Fold,
    Listing,
    Prose,
    Section,
    Span,
)
from cortexscope.records import Manifest
from cortexscope.report._labels import plain
from cortexscope.report._methods import bibliography, methods
from cortexscope.report._shown import Shown

__all__ = ["build"]


def build(shown: Shown) -> Section:
    """Return the methods paragraph with its BibTeX, definitions, settings, versions and notes."""
    names = dict.fromkeys([*shown.labels.specs, *shown.frames.metrics])
    made = Definitions(tuple(_definition(shown, name) for name in names))
    blocks: list[Block] = [
        Prose(("For a paper, to be changed as you need it:",)),
        Prose(methods(shown), "aside"),
        Fold("BibTeX", (Listing(bibliography(shown)),)),
        Fold(f"What each of {len(names)} metrics is, with its unit, version and source", (made,)),
    ]
    several = len(shown.frames.manifests) > 1
    for run, manifest in zip(shown.frames.measured.runs, shown.frames.manifests, strict=True):
        title = f"Settings and versions of {run.path.name}" if several else "Settings and versions"
        blocks.append(Fold(title, (Facts(tuple(_facts(shown, manifest))),)))
    return Section("method", "Method", tuple(blocks))


def _definition(shown: Shown, name: str) -> Definition:
    spec = shown.labels.specs.get(name)
    details = [
        f", version {spec.version if spec else UNDEFINED}",
        *([spec.source] if spec and spec.source else []),
        *([] if name in shown.frames.metrics else ["no measurement in this run"]),
    ]
    return Definition(
        term=shown.labels.title(name),
        meaning=spec.definition if spec else "",
        details=(Span(name, "code"), " · ".join(details)),
        unit=shown.labels.unit(name),
        key=name,
    )


def _facts(shown: Shown, manifest: Manifest) -> Iterator[Fact]:
    yield Fact("suite", f"{manifest.suite.name} {manifest.suite.version}")
    yield Fact("suite hash", (Span(manifest.suite.hash, "code"),))
    for sentence in manifest.suite.sentences():
        yield Fact("prompts", plain(sentence))
    for name, value in manifest.settings.items():
        yield Fact(name.replace("_", " "), _setting(value))
    for name, version in manifest.versions.items():
        yield Fact(name, version)
    yield Fact("begun", manifest.created)
    yield Fact("finished", manifest.finished or "not finished")
    for model, notes in manifest.notes.items():
        for note in notes:
            yield Fact(f"note on {model}", note)
    yield Fact("texts cut to a model's context", str(len(manifest.truncations)))
    if targets := _targets(shown, manifest):
        yield Fact("targets read by decoders", targets)


def _targets(shown: Shown, manifest: Manifest) -> str:
    prompts = shown.frames.prompts
    count = int(prompts["target"].notna().sum())
    kinds = {info.stack_kind for info in manifest.models}
    if "encoder-decoder" not in kinds:
        return f"{count} prompts, which no model here reads" if count else ""
    return f"{count} of {len(prompts)} prompts; of others the decoder's start token alone"


def _setting(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping | list | tuple):
        return plain(json.dumps(value, ensure_ascii=False))
    return str(value)
