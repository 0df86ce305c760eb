"""The statistics of run folders: what `cortexscope stats`, reports and audits are made of."""

from cortexscope.analysis._analysis import FOCUS, TABLES, Analysis, analyse
from cortexscope.analysis._controls import control_effects
from cortexscope.analysis._effects import effects
from cortexscope.analysis._leaders import leaders, means_by_task
from cortexscope.analysis._scopes import IN_UNITS, STANDARDISED
from cortexscope.analysis._settings import Settings, settings_of
from cortexscope.analysis._values import (
    head_values,
    metrics_with_values,
    prompt_values,
    without_controls,
)
from cortexscope.analysis._verdicts import verdicts

__all__ = [
    "Analysis",
    "FOCUS",
    "IN_UNITS",
    "STANDARDISED",
    "Settings",
    "TABLES",
    "analyse",
    "control_effects",
    "effects",
    "head_values",
    "leaders",
    "means_by_task",
    "metrics_with_values",
    "prompt_values",
    "settings_of",
    "verdicts",
    "without_controls",
]
