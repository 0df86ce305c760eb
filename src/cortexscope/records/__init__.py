"""The frozen records that cross layers: what a prompt, a model, a metric and a run are."""

from cortexscope.records._hash import suite_hash
from cortexscope.records._manifest import (
    ChatUse,
    Finding,
    Halving,
    Manifest,
    MetricFailure,
    Truncation,
)
from cortexscope.records._metrics import MetricSpec
from cortexscope.records._models import ModelInfo, Site, Stack, StackKind, TokenizerInfo, in_order
from cortexscope.records._prompts import (
    Attribute,
    Control,
    Prompt,
    Reading,
    Sampling,
    SuiteInfo,
    Turn,
    said_of,
)

__all__ = [
    "Attribute",
    "ChatUse",
    "Control",
    "Finding",
    "Halving",
    "Manifest",
    "MetricFailure",
    "MetricSpec",
    "ModelInfo",
    "Prompt",
    "Reading",
    "Sampling",
    "Site",
    "Stack",
    "StackKind",
    "SuiteInfo",
    "TokenizerInfo",
    "Truncation",
    "Turn",
    "in_order",
    "said_of",
    "suite_hash",
]
