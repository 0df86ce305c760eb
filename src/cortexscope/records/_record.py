"""What all records that are written as JSON have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Record"]


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
