"""The run folder: one writer, one reader, one schema."""

from cortexscope.store._attributes import (
    PREFIX,
    attribute_columns,
    table_with_attributes,
    with_attributes,
)
from cortexscope.store._differences import differences
from cortexscope.store._doctor import Trouble, examine, repair
from cortexscope.store._frames import to_frame, to_polars
from cortexscope.store._layout import LONGEST_LABEL, WHOLES, plain_name
from cortexscope.store._lesions import LesionPlan, Lesions
from cortexscope.store._listing import ListedRun, list_runs
from cortexscope.store._measurements import Measurements
from cortexscope.store._memory import give_back
from cortexscope.store._merging import merge_runs
from cortexscope.store._moved import Moved, moved
from cortexscope.store._once import MeasuredOnce
from cortexscope.store._outcomes import write_outcomes
from cortexscope.store._outline import outlined
from cortexscope.store._pairs import PairPlan, Pairs
from cortexscope.store._parts import ShardPart
from cortexscope.store._reader import Run
from cortexscope.store._remote_copy import is_copy, local_folder
from cortexscope.store._remote_lock import unlock
from cortexscope.store._remote_run import RemoteRun, upload_run
from cortexscope.store._schema import (
    DRIFTS,
    ESTIMATES,
    GENERATIONS,
    LESION_VALUES,
    LESIONS,
    MEASUREMENTS,
    MODELS,
    OUTCOMES,
    PAIRS,
    PROMPTS,
    SCHEMA_VERSION,
)
from cortexscope.store._side_files import SideWriter
from cortexscope.store._sums import NOT_FINITE
from cortexscope.store._target import check_target
from cortexscope.store._vectors import LayerMeans, Vectors
from cortexscope.store._writer import RunWriter
from cortexscope.store._written import write_parquet

__all__ = [
    "DRIFTS",
    "ESTIMATES",
    "GENERATIONS",
    "LESIONS",
    "LESION_VALUES",
    "LesionPlan",
    "Lesions",
    "LONGEST_LABEL",
    "LayerMeans",
    "ListedRun",
    "MEASUREMENTS",
    "MODELS",
    "PAIRS",
    "PREFIX",
    "PairPlan",
    "Pairs",
    "MeasuredOnce",
    "OUTCOMES",
    "PROMPTS",
    "Measurements",
    "Moved",
    "NOT_FINITE",
    "RemoteRun",
    "Run",
    "RunWriter",
    "SCHEMA_VERSION",
    "ShardPart",
    "SideWriter",
    "Trouble",
    "Vectors",
    "WHOLES",
    "attribute_columns",
    "check_target",
    "differences",
    "examine",
    "give_back",
    "is_copy",
    "list_runs",
    "local_folder",
    "merge_runs",
    "moved",
    "outlined",
    "plain_name",
    "repair",
    "table_with_attributes",
    "to_frame",
    "to_polars",
    "unlock",
    "upload_run",
    "with_attributes",
    "write_outcomes",
    "write_parquet",
]
