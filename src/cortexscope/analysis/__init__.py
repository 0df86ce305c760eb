"""The statistics of run folders: what `cortexscope stats`, reports and audits are made of."""

from cortexscope.analysis._analysis import FOCUS, TABLES, Analysis, analyse
from cortexscope.analysis._controls import control_effects
from cortexscope.analysis._effects import ALL_MODELS, effects
from cortexscope.analysis._leaders import leaders, means_by_task
from cortexscope.analysis._values import (
    head_values,
    metrics_with_values,
    prompt_values,
    without_controls,
)
from cortexscope.analysis._verdicts import verdicts

__all__ = [
    "ALL_MODELS",
    "Analysis",
    "FOCUS",
    "TABLES",
    "analyse",
    "control_effects",
    "effects",
    "head_values",
    "leaders",
    "means_by_task",
    "metrics_with_values",
    "prompt_values",
    "verdicts",
    "without_controls",
]
