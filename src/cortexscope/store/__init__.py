"""The run folder: one writer, one reader, one schema."""

from cortexscope.store._reader import Run, to_frame, to_polars
from cortexscope.store._schema import GENERATIONS, MEASUREMENTS, MODELS, PROMPTS, SCHEMA_VERSION
from cortexscope.store._vectors import LayerMeans, Vectors
from cortexscope.store._writer import RunWriter, check_target, write_parquet, write_text

__all__ = [
    "GENERATIONS",
    "LayerMeans",
    "MEASUREMENTS",
    "MODELS",
    "PROMPTS",
    "Run",
    "RunWriter",
    "SCHEMA_VERSION",
    "Vectors",
    "check_target",
    "to_frame",
    "to_polars",
    "write_parquet",
    "write_text",
]
