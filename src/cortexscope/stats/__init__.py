"""Statistics over measured values: numpy, scipy and scikit-learn, never torch.

What needs pandas or scipy is imported when it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cortexscope.stats._contrasts import model_contrasts, task_contrasts
    from cortexscope.stats._correlation import Correlation, pearson
    from cortexscope.stats._depth import layer_contrasts, map_contrasts
    from cortexscope.stats._effect_sizes import EffectSize, cliffs_delta, hedges_g
    from cortexscope.stats._interval import difference_interval, interval
    from cortexscope.stats._length import adjusted_values, length_basis
    from cortexscope.stats._limits import Bounds, Interval
    from cortexscope.stats._matching import Balance, Matched, matched_by_length
    from cortexscope.stats._max_t import MaxT, max_t_paired, max_t_unpaired, step_down
    from cortexscope.stats._mean import Mean, mean_of
    from cortexscope.stats._mixed import MixedFit, MixedModel, mixed_model
    from cortexscope.stats._model_effect import ModelEffect, model_effect
    from cortexscope.stats._multiple import benjamini_hochberg, holm
    from cortexscope.stats._permutation import Remembered
    from cortexscope.stats._power import power_of, prompts_needed
    from cortexscope.stats._probe import Probe, probe_layers
    from cortexscope.stats._selective import Selective, selective, selective_features
    from cortexscope.stats._separation import Separation, silhouette_by_layer
    from cortexscope.stats._similarity import Similarity, representational_similarity
    from cortexscope.stats._summary import summary
    from cortexscope.stats._task_effect import Effect, TaskEffect, task_effect
    from cortexscope.stats._task_means import Comparison, highest_task, leading_task, task_means
    from cortexscope.stats._variance import variance_explained

__all__ = [
    "Balance",
    "Bounds",
    "Comparison",
    "Correlation",
    "Effect",
    "EffectSize",
    "Interval",
    "Matched",
    "MaxT",
    "Mean",
    "MixedFit",
    "MixedModel",
    "ModelEffect",
    "Probe",
    "Remembered",
    "Selective",
    "Separation",
    "Similarity",
    "TaskEffect",
    "adjusted_values",
    "benjamini_hochberg",
    "cliffs_delta",
    "difference_interval",
    "hedges_g",
    "highest_task",
    "holm",
    "interval",
    "layer_contrasts",
    "leading_task",
    "length_basis",
    "map_contrasts",
    "matched_by_length",
    "max_t_paired",
    "max_t_unpaired",
    "mean_of",
    "mixed_model",
    "model_contrasts",
    "model_effect",
    "pearson",
    "power_of",
    "probe_layers",
    "prompts_needed",
    "representational_similarity",
    "selective",
    "selective_features",
    "silhouette_by_layer",
    "step_down",
    "summary",
    "task_contrasts",
    "task_effect",
    "task_means",
    "variance_explained",
]

_HOMES = {
    "Balance": "_matching",
    "Bounds": "_limits",
    "Comparison": "_task_means",
    "Correlation": "_correlation",
    "Effect": "_task_effect",
    "EffectSize": "_effect_sizes",
    "Interval": "_limits",
    "Matched": "_matching",
    "MaxT": "_max_t",
    "Mean": "_mean",
    "MixedFit": "_mixed",
    "MixedModel": "_mixed",
    "ModelEffect": "_model_effect",
    "Probe": "_probe",
    "Remembered": "_permutation",
    "Selective": "_selective",
    "Separation": "_separation",
    "Similarity": "_similarity",
    "TaskEffect": "_task_effect",
    "adjusted_values": "_length",
    "benjamini_hochberg": "_multiple",
    "cliffs_delta": "_effect_sizes",
    "difference_interval": "_interval",
    "hedges_g": "_effect_sizes",
    "highest_task": "_task_means",
    "holm": "_multiple",
    "interval": "_interval",
    "layer_contrasts": "_depth",
    "leading_task": "_task_means",
    "length_basis": "_length",
    "map_contrasts": "_depth",
    "matched_by_length": "_matching",
    "max_t_paired": "_max_t",
    "max_t_unpaired": "_max_t",
    "mean_of": "_mean",
    "mixed_model": "_mixed",
    "model_contrasts": "_contrasts",
    "model_effect": "_model_effect",
    "pearson": "_correlation",
    "power_of": "_power",
    "probe_layers": "_probe",
    "prompts_needed": "_power",
    "representational_similarity": "_similarity",
    "selective": "_selective",
    "selective_features": "_selective",
    "silhouette_by_layer": "_separation",
    "step_down": "_max_t",
    "summary": "_summary",
    "task_contrasts": "_contrasts",
    "task_effect": "_task_effect",
    "task_means": "_task_means",
    "variance_explained": "_variance",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class or a function
    if name in _HOMES:
        return getattr(importlib.import_module(f"cortexscope.stats.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
