"""The metrics that are shown first: the study's, and the fair ones beside them."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["FAIR", "HEADLINE", "STUDY"]

STUDY: Mapping[str, str] = {
    "Final_Activation": "study.final_activation",
    "Attention_Entropy": "study.attention_entropy",
    "Max_Sparsity": "study.max_sparsity",
}
"""The study's columns, and the metric in each."""

FAIR: Mapping[str, str] = {
    "Attention_Entropy_Per_Row": "attention_entropy",
    "Attention_Entropy_Normalized": "attention_entropy_normalized",
    "Attention_Sink_Mass": "attention_sink_mass",
    "Residual_Norm": "residual_norm",
    "Near_Zero_Fraction": "near_zero_fraction",
}
"""Columns like the study's, and the metric in each: the mean over layers and heads."""

HEADLINE = (*STUDY.values(), *FAIR.values())
"""Their metrics, which are looked at closely where none is named."""
