"""Which metrics there are, by group: the name, and where its class is."""

from __future__ import annotations

from cortexscope.registry import Registry

__all__ = ["GROUPS", "METRICS"]

GROUPS: dict[str, dict[str, str]] = {
    "study": {
        "study.final_activation": "study:StudyFinalActivation",
        "study.attention_entropy": "study:StudyAttentionEntropy",
        "study.max_sparsity": "study:StudyMaxSparsity",
        "study.mean_attention": "study:StudyMeanAttention",
    },
    "attention": {
        "attention_entropy": "attention_entropy:AttentionEntropy",
        "attention_entropy_normalized": "attention_entropy:AttentionEntropyNormalized",
        "attention_entropy_by_position": (
            "attention_entropy_by_position:AttentionEntropyByPosition"
        ),
        "attention_entropy_collapse": "attention_entropy_collapse:AttentionEntropyCollapse",
        "attention_collision_entropy": "attention_spread:AttentionCollisionEntropy",
        "attention_effective_keys": "attention_spread:AttentionEffectiveKeys",
        "attention_max_probability": "attention_max_probability:AttentionMaxProbability",
        "attention_received_concentration": (
            "attention_received_concentration:AttentionReceivedConcentration"
        ),
        "attention_sink_mass": "attention_sink_mass:AttentionSinkMass",
        "attention_first_token_mass": "attention_first_token:AttentionFirstTokenMass",
        "attention_sink_rate": "attention_first_token:AttentionSinkRate",
        "attention_sink_rate_64": "attention_first_token:AttentionSinkRate64",
        "attention_learned_sink_mass": "attention_learned_sink:AttentionLearnedSinkMass",
        "attention_previous_token": "attention_previous_token:AttentionPreviousToken",
        "attention_local_mass": "attention_distance:AttentionLocalMass",
        "attention_distance": "attention_distance:AttentionDistance",
        "attention_distance_without_sink": "attention_distance:AttentionDistanceWithoutSink",
        "attention_distance_relative": "attention_distance:AttentionDistanceRelative",
        "induction_score": "induction:InductionScore",
        "duplicate_token_score": "induction:DuplicateTokenScore",
    },
    "magnitude": {
        "residual_norm": "residual_norm:ResidualNorm",
        "residual_norm_rest": "residual_norm:ResidualNormRest",
        "residual_growth": "residual_growth:ResidualGrowth",
        "residual_mean": "residual_mean:ResidualMean",
        "residual_mean_abs": "residual_mean:ResidualMeanAbs",
        "kurtosis_tokens": "kurtosis:KurtosisTokens",
        "kurtosis_prompt": "kurtosis:KurtosisPrompt",
        "kurtosis_features": "kurtosis:KurtosisFeatures",
        "largest_activation": "largest_activation:LargestActivation",
        "largest_activation_token": "largest_activation:LargestActivationToken",
        "largest_activation_dimension": "largest_activation:LargestActivationDimension",
        "massive_activations": "massive_activations:MassiveActivations",
        "outlier_dimensions": "outlier_dimensions:OutlierDimensions",
        "attention_contribution": "branch_updates:AttentionContribution",
        "attention_alignment": "branch_updates:AttentionAlignment",
        "mlp_contribution": "branch_updates:MLPContribution",
        "mlp_alignment": "branch_updates:MLPAlignment",
    },
    "sparsity": {
        "near_zero_fraction": "near_zero_fraction:NearZeroFraction",
        "near_zero_relative": "near_zero_fraction:NearZeroRelative",
        "exact_zeros": "exact_zeros:ExactZeros",
        "hoyer": "hoyer:Hoyer",
        "gini": "gini:Gini",
        "treves_rolls_population": "treves_rolls:TrevesRollsPopulation",
        "treves_rolls_lifetime": "treves_rolls:TrevesRollsLifetime",
        "sparsity_threshold": "sparsity_threshold:SparsityThreshold",
        "mass_concentration": "mass_concentration:MassConcentration",
        "cumulative_mass": "cumulative_mass:CumulativeMass",
        "neuron_near_zero": "near_zero_fraction:NeuronNearZero",
        "neuron_exact_zeros": "exact_zeros:NeuronExactZeros",
        "neuron_hoyer": "hoyer:NeuronHoyer",
        "neuron_gini": "gini:NeuronGini",
        "neuron_treves_rolls_population": "treves_rolls:NeuronTrevesRollsPopulation",
        "neuron_treves_rolls_lifetime": "treves_rolls:NeuronTrevesRollsLifetime",
        "attention_input_threshold": "sparsity_threshold:AttentionInputThreshold",
        "head_output_threshold": "sparsity_threshold:HeadOutputThreshold",
        "mlp_input_threshold": "sparsity_threshold:MLPInputThreshold",
        "neuron_threshold": "sparsity_threshold:NeuronThreshold",
        "neuron_mass_concentration": "mass_concentration:NeuronMassConcentration",
        "neuron_cumulative_mass": "cumulative_mass:NeuronCumulativeMass",
        "neuron_dead": "neuron_dead:NeuronDead",
    },
    "geometry": {
        "cosine_within": "cosine:CosineWithin",
        "cosine_within_rest": "cosine:CosineWithinRest",
        "cosine_across": "cosine:CosineAcross",
        "cosine_across_rest": "cosine:CosineAcrossRest",
        "participation_ratio": "spectrum:ParticipationRatio",
        "top_component_share": "spectrum:TopComponentShare",
        "effective_rank": "spectrum:EffectiveRank",
        "rankme": "spectrum:RankMe",
        "matrix_entropy": "spectrum:MatrixEntropy",
        "curvature": "curvature:Curvature",
        "intrinsic_dimension": "intrinsic_dimension:IntrinsicDimension",
        "intrinsic_dimension_line": "intrinsic_dimension:IntrinsicDimensionLine",
    },
    "depth": {
        "block_influence": "block_influence:BlockInfluence",
        "angular_distance": "angular_distance:AngularDistance",
        "cka": "cka:CKA",
        "lens_entropy": "lens:LensEntropy",
        "lens_kl": "lens:LensKL",
        "lens_rank": "lens:LensRank",
        "lens_agreement": "lens:LensAgreement",
        "decision_depth": "lens:DecisionDepth",
    },
    "experts": {
        "expert_load": "expert_routing:ExpertLoad",
        "expert_balance": "expert_balance:ExpertBalance",
        "expert_load_variation": "expert_balance:ExpertLoadVariation",
        "expert_coactivation": "expert_coactivation:ExpertCoactivation",
        "expert_coactivation_given": "expert_coactivation:ExpertCoactivationGiven",
        "router_entropy": "expert_routing:RouterEntropy",
        "router_top_mass": "expert_routing:RouterTopMass",
    },
    "mixers": {
        "mixer_step_size": "mixer_step_size:MixerStepSize",
        "mixer_decay": "mixer_decay:MixerDecay",
        "mixer_state_norm": "mixer_state_norm:MixerStateNorm",
    },
    "prediction": {
        "surprisal": "prediction:Surprisal",
        "bits_per_byte": "prediction:BitsPerByte",
        "token_entropy": "prediction:TokenEntropy",
        "top_probability": "prediction:TopProbability",
        "top_margin": "prediction:TopMargin",
        "pseudo_log_likelihood": "pseudo_log_likelihood:PseudoLogLikelihood",
        "pseudo_log_likelihood_within_word": (
            "pseudo_log_likelihood:PseudoLogLikelihoodWithinWord"
        ),
    },
}
"""The built-in metrics of each group; `file:Class` in this folder."""

METRICS = Registry(
    "metric",
    {
        name: f"cortexscope.metrics.{place}"
        for group in GROUPS.values()
        for name, place in group.items()
    },
)
"""All metrics: those of the table, and those that other packages add by entry point."""
