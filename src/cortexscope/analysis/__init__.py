"""The statistics of run folders: what `cortexscope stats`, reports and audits are made of."""

from cortexscope.analysis._analysis import Analysis
from cortexscope.analysis._groups import TASK, Groups, column_names, groups_of
from cortexscope.analysis._outcomes import keep_outcomes
from cortexscope.analysis._regions import REGIONS, Region, regions_of_steps
from cortexscope.analysis._scopes import IN_UNITS, STANDARDISED
from cortexscope.analysis._settings import Settings, settings_of
from cortexscope.analysis._trainings import FEWEST, trainings_of
from cortexscope.analysis._values import (
    coded_values,
    head_values,
    metrics_with_values,
    prompt_values,
    without_controls,
)
from cortexscope.analysis._verdict import (
    CHANCE,
    Verdict,
    told_of_groups,
    told_of_number,
    verdict_of,
)
from cortexscope.analysis.tables import TABLES
from cortexscope.analysis.tables._lesions import EFFECTS, KINDS_OF_PARTS
from cortexscope.analysis.tables._trainings import DIVERGENCE
from cortexscope.analysis.tables.compared_predictions import QUANTILES
from cortexscope.analysis.tables.compared_states import onset
from cortexscope.analysis.tables.lesion_measures import DEPTH
from cortexscope.analysis.tables.lesion_specific import specific
from cortexscope.analysis.tables.outcomes import in_words

__all__ = [
    "Analysis",
    "CHANCE",
    "DEPTH",
    "DIVERGENCE",
    "EFFECTS",
    "FEWEST",
    "Groups",
    "IN_UNITS",
    "KINDS_OF_PARTS",
    "QUANTILES",
    "REGIONS",
    "Region",
    "STANDARDISED",
    "Settings",
    "TABLES",
    "TASK",
    "Verdict",
    "coded_values",
    "column_names",
    "groups_of",
    "head_values",
    "in_words",
    "keep_outcomes",
    "metrics_with_values",
    "onset",
    "prompt_values",
    "regions_of_steps",
    "settings_of",
    "specific",
    "told_of_groups",
    "told_of_number",
    "trainings_of",
    "verdict_of",
    "without_controls",
]
