"""Prompts grouped by cognitive task: how suites are read, hashed, checked and controlled."""

from cortexscope.tasks._controls import CONTROLS, random_tokens, shuffled, with_controls
from cortexscope.tasks._datasets import data_sets
from cortexscope.tasks._forms import FORMS, form_of, forms
from cortexscope.tasks._lint import Finding, lint, near_duplicates
from cortexscope.tasks._loading import (
    join_suites,
    load_suite,
    paraphrases_of,
    read_suite,
    read_suites,
    suite_names,
)
from cortexscope.tasks._sampling import sampled
from cortexscope.tasks._suite import Suite, Task, word_count
from cortexscope.tasks._writing import check_suite_file, write_suite
from cortexscope.tasks.sources import ReadOptions

__all__ = [
    "CONTROLS",
    "FORMS",
    "Finding",
    "ReadOptions",
    "Suite",
    "Task",
    "check_suite_file",
    "data_sets",
    "form_of",
    "forms",
    "join_suites",
    "lint",
    "load_suite",
    "near_duplicates",
    "paraphrases_of",
    "random_tokens",
    "read_suite",
    "read_suites",
    "sampled",
    "shuffled",
    "suite_names",
    "with_controls",
    "word_count",
    "write_suite",
]
