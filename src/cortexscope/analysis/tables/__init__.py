"""The tables of a run's statistics: one file a table, the answers first."""

from __future__ import annotations

from collections.abc import Mapping

from cortexscope.analysis.tables._step import Step
from cortexscope.analysis.tables.compared_heads import ComparedHeads
from cortexscope.analysis.tables.compared_layers import ComparedLayers
from cortexscope.analysis.tables.compared_metrics import ComparedMetrics
from cortexscope.analysis.tables.compared_neurons import ComparedNeurons
from cortexscope.analysis.tables.compared_predictions import ComparedPredictions
from cortexscope.analysis.tables.compared_states import ComparedStates
from cortexscope.analysis.tables.controls import Controls
from cortexscope.analysis.tables.depth import Depth
from cortexscope.analysis.tables.effects import Effects
from cortexscope.analysis.tables.heads import Heads
from cortexscope.analysis.tables.hubs import Hubs
from cortexscope.analysis.tables.leaders import Leaders
from cortexscope.analysis.tables.lesion_agreement import LesionAgreement
from cortexscope.analysis.tables.lesion_effects import LesionEffects
from cortexscope.analysis.tables.lesion_estimates import LesionEstimates
from cortexscope.analysis.tables.lesion_measures import LesionMeasures
from cortexscope.analysis.tables.lesion_specific import LesionSpecific
from cortexscope.analysis.tables.lesion_values import LesionValues
from cortexscope.analysis.tables.means import Means
from cortexscope.analysis.tables.mixed import Mixed
from cortexscope.analysis.tables.model_contrasts import ModelContrasts
from cortexscope.analysis.tables.outcomes import Outcomes
from cortexscope.analysis.tables.power import Power
from cortexscope.analysis.tables.probe_baselines import ProbeBaselines
from cortexscope.analysis.tables.probes import Probes
from cortexscope.analysis.tables.region_needs import RegionNeeds
from cortexscope.analysis.tables.regions import Regions
from cortexscope.analysis.tables.selective import Selective
from cortexscope.analysis.tables.selective_neurons import SelectiveNeurons
from cortexscope.analysis.tables.silhouettes import Silhouettes
from cortexscope.analysis.tables.similarity import Similarity
from cortexscope.analysis.tables.slopes import Slopes
from cortexscope.analysis.tables.summary import Summary
from cortexscope.analysis.tables.task_contrasts import TaskContrasts
from cortexscope.analysis.tables.training_changes import TrainingChanges
from cortexscope.analysis.tables.training_course import TrainingCourse
from cortexscope.analysis.tables.values import Values
from cortexscope.analysis.tables.variance import Variance

__all__ = ["TABLES"]

TABLES: Mapping[str, Step] = {
    step.name: step
    for step in (
        Effects(),
        Slopes(),
        Leaders(),
        Means(),
        Variance(),
        TaskContrasts(),
        ModelContrasts(),
        ComparedPredictions(),
        ComparedStates(),
        ComparedMetrics(),
        ComparedLayers(),
        ComparedHeads(),
        ComparedNeurons(),
        TrainingCourse(),
        TrainingChanges(),
        LesionEffects(),
        LesionSpecific(),
        LesionEstimates(),
        LesionAgreement(),
        LesionMeasures(),
        LesionValues(),
        Outcomes(),
        Mixed(),
        Depth(),
        Heads(),
        Probes(),
        ProbeBaselines(),
        Silhouettes(),
        Similarity(),
        Selective(),
        SelectiveNeurons(),
        Controls(),
        Power(),
        Regions(),
        RegionNeeds(),
        Hubs(),
        Summary(),
        Values(),
    )
}
"""By name, in the order in which they are made and in which their sentences are said."""
