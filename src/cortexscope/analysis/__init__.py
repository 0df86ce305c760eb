"""The statistics of run folders: what `cortexscope stats`, reports and audits are made of."""

from cortexscope.analysis._analysis import Analysis
from cortexscope.analysis._regions import REGIONS, Region, regions_of_steps
from cortexscope.analysis._scopes import IN_UNITS, STANDARDISED
from cortexscope.analysis._settings import Settings, settings_of
from cortexscope.analysis._values import (
    head_values,
    metrics_with_values,
    prompt_values,
    without_controls,
)
from cortexscope.analysis.tables import TABLES

__all__ = [
    "Analysis",
    "IN_UNITS",
    "REGIONS",
    "Region",
    "STANDARDISED",
    "Settings",
    "TABLES",
    "head_values",
    "metrics_with_values",
    "prompt_values",
    "regions_of_steps",
    "settings_of",
    "without_controls",
]
