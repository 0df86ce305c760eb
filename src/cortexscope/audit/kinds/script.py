"""The study's script computes its metrics."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._words import listed, spoken
from cortexscope.audit.kinds._kind import Kind

__all__ = ["InScript"]


class InScript(Kind):
    """The study's script computes these metrics."""

    kind: Literal["script"]
    file: str
    words: dict[str, str]
    """By metric, the word that a name for it has."""

    def judge(self, evidence: Evidence) -> Check:
        """Ask the script for names with the word that each metric has."""
        script = evidence.given.script
        if script is None:
            said = f"This needs the study's script ({self.file}), which is not among the files "
            return evidence.says(None, f"{said}given.")
        found = {metric: script.words[word] for metric, word in self.words.items()}
        quantities = [
            Quantity(f"names with the word {word}", "1 or more", count, right=count > 0)
            for word, count in zip(self.words.values(), found.values(), strict=True)
        ]
        published = replace(evidence, against="the published files")
        missing = [metric for metric, count in found.items() if not count]
        if not missing:
            said = "It has names for all of them; whether it computes what they say, it has to be "
            return published.says(None, f"{said}run.", *quantities)
        said = (
            f"{len(missing)} of {len(found)} metrics are not in {script.path.name}: it has no name "
            f"for {listed(map(spoken, missing))}."
        )
        return published.says(False, said, *quantities)
