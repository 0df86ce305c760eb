"""The study's claims as data: what each says, where it stands, and how it can be read."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import model_validator

from cortexscope.audit._evidence import Evidence, Known
from cortexscope.audit._rounding import is_number
from cortexscope.audit.kinds import AnyKind, Count, Data, ModelFigures, TaskFigures

__all__ = ["Claim", "Study", "Way", "quoted", "study"]


class Way(Data):
    """One way to read a claim."""

    words: str = ""
    """What is taken to be meant; empty where the claim has one reading only."""
    check: AnyKind


class Claim(Data):
    """One claim of the study."""

    id: str
    words: str
    lines: tuple[int, ...]
    """Of the study's README."""
    check: AnyKind | None = None
    """How it is tested, where its words allow one reading."""
    readings: tuple[Way, ...] = ()
    """How it is tested, where they allow several."""
    caveats: tuple[str, ...] = ()
    """What its words leave out, a sentence each."""

    @property
    def ways(self) -> tuple[Way, ...]:
        """All its readings, be it one."""
        return self.readings if self.check is None else (Way(check=self.check),)

    @model_validator(mode="after")
    def _one_or_several(self) -> Claim:
        if (self.check is None) == (not self.readings) or len(self.readings) == 1:
            raise ValueError(f"the claim {self.id} needs one check, or several readings")
        return self


class Study(Data):
    """The published study and what it claims."""

    study: str
    """Its title."""
    models: dict[str, str]
    """Hub ids of its models, by label."""
    claims: tuple[Claim, ...]


@cache
def study() -> Study:
    """Return the published study's claims, in the order of the data file."""
    import yaml

    text = files("cortexscope.audit").joinpath("claims.yaml").read_text(encoding="utf-8")
    content: Any = yaml.safe_load(text)
    return Study.model_validate(content)


def quoted(claims: Iterable[Claim]) -> Evidence:
    """Return the figures that the claims quote as evidence for one another."""
    facts: dict[str, dict[str, str]] = {}
    models: dict[str, dict[str, Known]] = {}
    tasks: dict[str, dict[str, Known]] = {}
    listed: tuple[str, ...] = ()
    for check in (way.check for claim in claims for way in claim.ways):
        if isinstance(check, ModelFigures):
            for name, own in check.values.items():
                facts[name] = {column: text for column, text in own.items() if not is_number(text)}
                for column in (column for column in own if column not in facts[name]):
                    models.setdefault(column, {})[name] = Known.quoted(own[column])
        elif isinstance(check, TaskFigures):
            means = {task: Known.quoted(both.mean) for task, both in check.values.items()}
            tasks.setdefault(check.metric, {}).update(means)
        elif isinstance(check, Count):
            listed = listed or check.names
    counts = {
        "models": len(facts),
        "tasks": len(listed),
        "architectures": len({own.get("Architecture") for own in facts.values()}),
    }
    return Evidence("the claims' own figures", facts, counts, models, tasks)
