from ._alignment import (
    linear_cka as linear_cka,
    procrustes_distance as procrustes_distance,
)
from ._clusters import unit_means as unit_means
from ._concordance import (
    Concordance as Concordance,
    Outcomes as Outcomes,
    concordance as concordance,
)
from ._contrasts import (
    model_contrasts as model_contrasts,
    task_contrasts as task_contrasts,
)
from ._correlation import pearson as pearson
from ._coupled import DrawnOnce as DrawnOnce
from ._depth import (
    layer_contrasts as layer_contrasts,
    map_contrasts as map_contrasts,
)
from ._effect import Effect as Effect
from ._effect_sizes import (
    cliffs_delta as cliffs_delta,
    hedges_g as hedges_g,
)
from ._estimate import Estimate as Estimate
from ._exchanges import (
    distinct as distinct,
    relabellings as relabellings,
)
from ._interval import (
    difference_interval as difference_interval,
    interval as interval,
    mean_of as mean_of,
)
from ._length import (
    adjusted_values as adjusted_values,
    length_basis as length_basis,
)
from ._limits import Bounds as Bounds
from ._matching import (
    Balance as Balance,
    Matched as Matched,
    length_balance as length_balance,
    matched_by_length as matched_by_length,
)
from ._max_t import (
    MaxT as MaxT,
    max_t_paired as max_t_paired,
    max_t_unpaired as max_t_unpaired,
    step_down as step_down,
)
from ._mixed import (
    MixedFit as MixedFit,
    MixedModel as MixedModel,
    mixed_model as mixed_model,
)
from ._model_effect import (
    ModelEffect as ModelEffect,
    model_effect as model_effect,
)
from ._multiple import (
    benjamini_hochberg as benjamini_hochberg,
    holm as holm,
)
from ._noncentral import explained_interval as explained_interval
from ._number_effect import (
    NumberEffect as NumberEffect,
    Slope as Slope,
    number_effect as number_effect,
)
from ._outcomes import outcome_predictors as outcome_predictors
from ._permutation import (
    Remembered as Remembered,
    Shuffler as Shuffler,
    permuted_sums as permuted_sums,
)
from ._power import (
    power_of as power_of,
    prompts_needed as prompts_needed,
)
from ._probe import (
    Probe as Probe,
    probe_layers as probe_layers,
)
from ._rank_agreement import (
    RankAgreement as RankAgreement,
    rank_agreement as rank_agreement,
)
from ._resampled_ranks import resampled_rank_correlations as resampled_rank_correlations
from ._selective import (
    Selective as Selective,
    selective as selective,
    selective_features as selective_features,
)
from ._separation import (
    Separation as Separation,
    silhouette_by_layer as silhouette_by_layer,
)
from ._similarity import (
    Similarity as Similarity,
    distance_correlation as distance_correlation,
    representational_similarity as representational_similarity,
)
from ._summary import summary as summary
from ._task_effect import (
    TaskEffect as TaskEffect,
    task_effect as task_effect,
)
from ._task_means import (
    Comparison as Comparison,
    highest_task as highest_task,
    leading_task as leading_task,
    task_means as task_means,
)
from ._units import (
    Units as Units,
    units_of as units_of,
)
from ._variance import variance_explained as variance_explained
