"""The catalogue says of each model what transformers builds from its configuration."""

from __future__ import annotations

import pytest

from cortexscope.models import aliases, catalog, check_entry, parse_reference, preset
from cortexscope.registry import suggestion

STUDY = {
    "BERT-Base": ("109.5M", 12, 12, 768),
    "GPT2-117M": ("124.4M", 12, 12, 768),
    "Qwen-1.5-0.5B": ("464.0M", 24, 16, 1024),
    "Phi-1": ("1.4B", 24, 32, 2048),
    "BLOOM-560M": ("559.2M", 24, 16, 1024),
    "StableLM-3B": ("3.6B", 16, 32, 4096),
}
"""Parameters, layers, heads and hidden size as the study's tables print them."""

UNWRITTEN = {"deepseek-moe-16b", "flan-t5-base", "flan-t5-small", "mt5-small"}
"""Models whose configuration is not written down."""

WITHOUT_OWNER = [
    "albert-base-v1",
    "albert-large-v1",
    "albert-large-v2",
    "albert-xlarge-v1",
    "albert-xlarge-v2",
    "albert-xxlarge-v2",
    "bert-base-german-cased",
    "bert-base-multilingual-uncased",
    "bert-large-cased",
    "bert-large-uncased-whole-word-masking",
    "camembert-base",
    "ctrl",
    "distilbert-base-cased",
    "distilbert-base-german-cased",
    "distilbert-base-uncased-distilled-squad",
    "distilbert-base-uncased-finetuned-sst-2-english",
    "openai-gpt",
    "roberta-base-openai-detector",
    "roberta-large-mnli",
    "roberta-large-openai-detector",
    "t5-3b",
    "t5-11b",
    "transfo-xl-wt103",
    "xlm-clm-ende-1024",
    "xlm-mlm-100-1280",
    "xlm-mlm-en-2048",
    "xlm-roberta-large-finetuned-conll03-english",
]
"""Hub ids of before owners, none of them in the catalogue under that name."""


def test_study_models_are_built_with_the_figures_of_the_study() -> None:
    found = {}
    for alias in preset("study"):
        entry = catalog()[alias]
        built = check_entry(alias, entry).built
        assert built is not None
        figures = ("parameters", "layers", "heads", "hidden_size")
        found[entry.study] = tuple(built[figure] for figure in figures)
    assert found == STUDY


@pytest.mark.slow
def test_every_written_configuration_builds_what_its_row_says() -> None:
    checks = [check_entry(alias, entry) for alias, entry in catalog().items()]
    assert [check for check in checks if check.differing or check.problem] == []
    assert {check.alias for check in checks if check.verdict == "no config"} == UNWRITTEN


def test_tied_head_is_counted_once() -> None:
    entry = catalog()["qwen1.5-0.5b"]
    assert check_entry("tied", entry).parameters == 463_987_712
    config = {**(entry.config or {}), "tie_word_embeddings": False}
    apart = check_entry("apart", entry.model_copy(update={"config": config}))
    assert apart.parameters == 463_987_712 + 151_936 * 1024
    assert apart.differing == ("parameters",)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("parameters", "405.4M"),
        ("layers", 23),
        ("heads", 8),
        ("kv_heads", 4),
        ("hidden_size", 1025),
        ("context", None),
    ],
)
def test_each_wrong_fact_is_found(field: str, wrong: object) -> None:
    entry = catalog()["pythia-410m"].model_copy(update={field: wrong})
    check = check_entry("planted", entry)
    assert check.verdict == "differs"
    assert field in check.differing
    assert set(check.differing) <= {field, "kv_heads"}


def test_figure_is_compared_to_its_last_digit() -> None:
    entry = catalog()["pythia-1b"]
    assert check_entry("exact", entry).parameters == 1_011_781_632
    for figure, same in [("1B", True), ("1.0B", True), ("1.01B", True), ("1012M", True)]:
        check = check_entry("rounded", entry.model_copy(update={"parameters": figure}))
        assert (check.verdict == "same") == same
    for figure in ("1.02B", "1.00B", "1011M", "1.1B"):
        check = check_entry("rounded", entry.model_copy(update={"parameters": figure}))
        assert check.differing == ("parameters",)


def test_configuration_that_builds_nothing_is_said_and_not_passed_over() -> None:
    entry = catalog()["pythia-70m"]
    config = {**(entry.config or {}), "num_attention_heads": 7}
    broken = check_entry("broken", entry.model_copy(update={"config": config}))
    assert broken.verdict == "not built"
    assert "divisible" in (broken.problem or "")
    absent = check_entry("absent", entry.model_copy(update={"architecture": "NoSuchModel"}))
    assert absent.verdict == "not built"
    assert "NoSuchModel" in (absent.problem or "")


def test_reference_of_every_row_is_no_alias_of_another_model() -> None:
    names = aliases()
    for alias, reference in names.items():
        assert reference == alias or reference not in names
        assert parse_reference(alias).alias == alias


def test_rows_of_one_checkpoint_agree() -> None:
    seen: dict[str, object] = {}
    for entry in catalog().values():
        facts = entry.model_dump(exclude={"reference", "groups", "presets", "study"})
        assert seen.setdefault(entry.name, facts) == facts


@pytest.mark.parametrize("name", WITHOUT_OWNER)
def test_hub_id_without_owner_is_not_taken_for_a_misspelt_alias(name: str) -> None:
    assert parse_reference(name).target == name


def test_long_list_of_names_is_cut_and_says_where_the_rest_is() -> None:
    told = suggestion("zzzzzzzz", aliases(), listed_by="cortexscope models list")
    assert told.count(",") == 12
    assert told.endswith(f"and {len(aliases()) - 12} more, listed by `cortexscope models list`.")
    assert suggestion("x", ["a", "b"], listed_by="unused") == "known: a, b."
    thirteen = [f"name-{number:02}" for number in range(13)]
    assert suggestion("x", thirteen).endswith("name-11, name-12.")
