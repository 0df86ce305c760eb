"""How the run was made: settings, versions, and what happened on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from cortexscope.document import Fact, Facts, Section, Span
from cortexscope.report._labels import plain
from cortexscope.report._shown import Shown

__all__ = ["build"]


def build(shown: Shown) -> Section:
    """Return settings, versions and notes."""
    return Section("measured", "How it was measured", (Facts(tuple(_facts(shown))),))


def _facts(shown: Shown) -> Iterator[Fact]:
    manifest = shown.manifest
    yield Fact("suite", f"{manifest.suite.name} {manifest.suite.version}")
    yield Fact("suite hash", (Span(manifest.suite.hash, "code"),))
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
    if targets := _targets(shown):
        yield Fact("targets read by decoders", targets)


def _targets(shown: Shown) -> str:
    prompts = shown.frames.prompts
    count = int(prompts["target"].notna().sum())
    kinds = {info.stack_kind for info in shown.manifest.models}
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
