"""Kinds of claims, a file each: what is claimed as data, and how any evidence judges it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cortexscope.audit.kinds._kind import Data, Kind
from cortexscope.audit.kinds.architecture_figures import ArchitectureFigures
from cortexscope.audit.kinds.count import Count
from cortexscope.audit.kinds.elsewhere import Elsewhere
from cortexscope.audit.kinds.magnitude import Magnitude
from cortexscope.audit.kinds.meaning import Meaning
from cortexscope.audit.kinds.model_extreme import ModelExtreme
from cortexscope.audit.kinds.model_figures import ModelFigures
from cortexscope.audit.kinds.not_monotonic import NotMonotonic
from cortexscope.audit.kinds.ratio import Ratio
from cortexscope.audit.kinds.script import InScript
from cortexscope.audit.kinds.shannon import Shannon
from cortexscope.audit.kinds.significant import Significant
from cortexscope.audit.kinds.task_figures import TaskFigures
from cortexscope.audit.kinds.task_order import TaskOrder
from cortexscope.audit.kinds.term import Term
from cortexscope.audit.kinds.titled_tables import TitledTables
from cortexscope.audit.kinds.top import Top
from cortexscope.audit.kinds.workbook import WorkbookOf
from cortexscope.audit.kinds.year import Year

__all__ = ["AnyKind", "Count", "Data", "Kind", "ModelFigures", "TaskFigures"]

AnyKind = Annotated[
    ArchitectureFigures
    | Count
    | Elsewhere
    | InScript
    | Magnitude
    | Meaning
    | ModelExtreme
    | ModelFigures
    | NotMonotonic
    | Ratio
    | Shannon
    | Significant
    | TaskFigures
    | TaskOrder
    | Term
    | TitledTables
    | Top
    | WorkbookOf
    | Year,
    Field(discriminator="kind"),
]
"""What a claim of claims.yaml can be."""
