"""Which models of a run are the study's, and what some of them or all can say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from audit.made_audit_runs import DECODER, ENCODER, FAIR, LENGTHS, STUDY, by_length, make_run
from audit.made_tables import cells_of, text_of
from report.made_runs import FakeModel

from cortexscope.audit import Check, audit_study
from cortexscope.audit._checkpoints import is_checkpoint
from cortexscope.audit._claims import study
from cortexscope.audit._records import OTHER_MODELS, STUDY_MODELS, Source
from cortexscope.audit._run_values import read_run

_LENGTHS = {task: LENGTHS[task] for task in ("mathematical_reasoning", "logical_puzzles")}
_SPARSITY = "study.max_sparsity"
_SIX = tuple(
    replace(
        ENCODER if name == "BERT-Base" else DECODER,
        label=f"{'encoder' if name == 'BERT-Base' else 'decoder'}-{n}",
        name=hub,
    )
    for n, (name, hub) in enumerate(study().models.items())
)


def _check(claim: str, source: Source, run: Path, published: Sequence[Path] = ()) -> Check:
    (found,) = (
        check
        for own in audit_study(run=run, published=published).claims
        for check in own.checks
        if own.id == claim and check.against == source
    )
    return found


@pytest.mark.parametrize(
    ("name", "is_it"),
    [
        ("gpt2", True),
        ("openai-community/gpt2", True),
        ("OpenAI-Community/GPT2", True),
        ("mine=gpt2", True),
        ("gpt2@main", True),
        ("someone/gpt2", False),
        ("openai-community/gpt2-medium", False),
        ("gpt2+someone/adapter", False),
        ("gpt2~layers:6", False),
        ("./gpt2", False),
        ("models/gpt2", False),
    ],
)
def test_a_model_is_the_studys_by_the_hub_id_with_its_owner(name: str, is_it: bool) -> None:
    info = DECODER.info().model_copy(update={"reference": name, "name": "gpt2"})
    assert is_checkpoint(info, "gpt2") is is_it


@pytest.mark.parametrize("hub", study().models.values())
def test_a_fork_of_any_of_the_studys_models_is_none(hub: str) -> None:
    info = DECODER.info().model_copy(update={"reference": hub})
    assert is_checkpoint(info, hub)
    tail = hub.rpartition("/")[2]
    assert not is_checkpoint(info.model_copy(update={"reference": f"someone/{tail}"}), hub)


@pytest.mark.parametrize(
    "changed", [{"change": "layers:6"}, {"checkpoint_of": "gpt2", "training_step": 100}]
)
def test_a_changed_or_trained_copy_is_not_the_studys(changed: dict[str, object]) -> None:
    info = DECODER.info().model_copy(update={"reference": "gpt2", **changed})
    assert not is_checkpoint(info, "gpt2")


def test_a_fork_is_judged_among_the_other_models(tmp_path: Path) -> None:
    fork = replace(DECODER, label="mine", name="someone/gpt2")
    run = make_run(tmp_path / "run", by_length, models=[fork], lengths=_LENGTHS, prompts=4)
    assert audit_study(run=run).sources == ("the claims' own figures", OTHER_MODELS)


@pytest.mark.parametrize(
    ("low", "high", "verdict", "said"),
    [
        (0.1, 0.298, "contradicted", ", not 7"),
        (0.1, 0.7, "holds", ""),
        (0.1, 0.75, "cannot be checked", ", perhaps 7"),
        (0.1, 0.99, "contradicted", ", not 7"),
    ],
)
def test_the_factor_is_judged_in_the_studys_own_models(
    low: float, high: float, verdict: str, said: str, tmp_path: Path
) -> None:
    def rule(task: str, tokens: int, model: str) -> dict[str, float | None]:
        return {_SPARSITY: high if "decoder" in model else low}

    run = make_run(
        tmp_path / "run", rule, models=_SIX, lengths=_LENGTHS, prompts=8, metrics=(_SPARSITY,)
    )
    check = _check("sparsity-ratio", STUDY_MODELS, run).readings[0].check
    assert check.verdict == verdict
    quotient = check.quantities[-1]
    assert f": a factor of {quotient.found:.3g}{said}. " in check.sentence
    assert quotient.found == pytest.approx(high / low, rel=0.01)
    assert quotient.right is {"holds": True, "contradicted": False}.get(verdict)
    assert quotient.note == ""
    # The difference has its interval beside it, whatever becomes of the factor.
    assert "(n = 16 prompts, read by all models; t interval)" in check.sentence
    # Read as any size that matters, it is the same question.
    other = _check("sparsity-significant", STUDY_MODELS, run).readings[1].check
    assert (other.verdict, other.sentence) == (check.verdict, check.sentence)


@pytest.mark.parametrize(
    ("models", "source", "note"),
    [
        (_SIX[:3], STUDY_MODELS, "of 3 of the study's 6 models, so that it is not judged"),
        ((DECODER, ENCODER), OTHER_MODELS, "of other models, so that it is not judged"),
    ],
)
def test_the_factor_is_not_judged_in_some_models_or_others_and_says_why(
    models: Sequence[FakeModel], source: Source, note: str, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "run", by_length, models=models, lengths=_LENGTHS, prompts=8)
    check = _check("sparsity-ratio", source, run).readings[0].check
    quotient = check.quantities[-1]
    assert (quotient.name, quotient.right, quotient.note) == ("quotient", None, note)
    assert f": a factor of {quotient.found:.3g} ({note}). " in check.sentence
    assert check.verdict == ("holds" if source == OTHER_MODELS else "cannot be checked")


def test_all_six_decide_only_where_all_six_have_a_value(tmp_path: Path) -> None:
    def rule(task: str, tokens: int, model: str) -> dict[str, float | None]:
        values = by_length(task, tokens, model)
        return {**values, _SPARSITY: None} if model == "decoder-5" else values

    run = make_run(tmp_path / "run", rule, models=_SIX, lengths=_LENGTHS, prompts=8)
    check = _check("sparsity-ratio", STUDY_MODELS, run).readings[1].check
    assert check.verdict == "cannot be checked"
    assert "The run has 5 of the study's 6 models, which cannot decide" in check.sentence
    assert "In these: holds." in check.sentence
    entropy = _check("entropy-encoders", STUDY_MODELS, run).readings[0].check
    assert "which cannot decide" not in entropy.sentence


def test_what_is_claimed_of_two_models_is_decided_by_these(tmp_path: Path) -> None:
    two = [own for own in _SIX if own.name in ("bert-base-uncased", "bigscience/bloom-560m")]

    def rule(task: str, tokens: int, model: str) -> dict[str, float | None]:
        return {_SPARSITY: 0.1 if task == "mathematical_reasoning" else 0.4}

    lengths = dict.fromkeys(_LENGTHS, 30)
    run = make_run(tmp_path / "run", rule, models=two, lengths=lengths, metrics=(_SPARSITY,))
    of_all, of_two, everywhere = _check("density-mathematics", STUDY_MODELS, run).readings
    assert of_two.check.verdict == "holds"
    assert "cannot decide" in of_all.check.sentence
    assert "cannot decide" in everywhere.check.sentence


def test_differences_are_of_the_prompts_that_all_models_have_read(tmp_path: Path) -> None:
    third = replace(DECODER, label="third-decoder", name="someone/third", parameters=9_000_000)

    def rule(task: str, tokens: int, model: str) -> dict[str, float | None]:
        values = by_length(task, tokens, model)
        gap = model == "third-decoder" and task == "logical_puzzles"
        return {**values, _SPARSITY: None} if gap else values

    models = (DECODER, ENCODER, third)
    run = make_run(tmp_path / "run", rule, models=models, lengths=_LENGTHS, prompts=8)
    check = _check("sparsity-ratio", OTHER_MODELS, run).readings[1].check
    notes = {quantity.name: quantity.note for quantity in check.quantities}
    # The first pair alone has read 16; the third model has no value for 8 of them.
    assert notes == {
        "small-decoder less small-encoder": "n = 8 prompts, read by all models; t interval",
        "third-decoder less small-encoder": "n = 8 prompts, read by all models; t interval",
    }


def test_models_that_share_no_prompt_have_no_averages_to_compare(tmp_path: Path) -> None:
    def rule(task: str, tokens: int, model: str) -> dict[str, float | None]:
        apart = ("decoder" in model) == (task == "logical_puzzles")
        return {_SPARSITY: 0.2 if apart else None}

    run = make_run(tmp_path / "run", rule, lengths=_LENGTHS, prompts=4, metrics=(_SPARSITY,))
    for reading in _check("sparsity-ratio", OTHER_MODELS, run).readings:
        assert reading.check.verdict == "cannot be checked"
        assert reading.check.sentence == "The run has no average of decoders."


def test_entropy_that_the_study_lacks_is_not_said_to_be_lacking_in_the_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", by_length, models=[DECODER], lengths=_LENGTHS, prompts=4)
    tables = tmp_path / "tables.txt"
    text = text_of(cells_of())
    tables.write_text(text.replace("Attention_Entropy", "Other_Entropy"), encoding="utf-8")
    lacks = "The study's tables that were given have no attention entropy"
    for reading in _check("entropy-shannon", OTHER_MODELS, run, [tables]).readings:
        assert reading.check.verdict == "cannot be checked"
        assert reading.check.sentence.startswith(lacks)
    tables.write_text(text, encoding="utf-8")
    for reading in _check("entropy-shannon", OTHER_MODELS, run, [tables]).readings:
        assert lacks not in reading.check.sentence
    bare = make_run(tmp_path / "bare", by_length, models=[DECODER], metrics=(_SPARSITY, FAIR))
    for reading in _check("entropy-shannon", OTHER_MODELS, bare, [tables]).readings:
        assert reading.check.sentence == "The run has no attention entropy: was not measured."


def test_a_run_knows_which_of_the_studys_models_have_a_value(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run", by_length, models=_SIX[:2], lengths=_LENGTHS, metrics=STUDY[:1]
    )
    (part,) = read_run(run).parts(study().models)
    both = {"BERT-Base": "encoder-0", "GPT2-117M": "decoder-1"}
    assert part.of_study() == part.of_study("Final_Activation") == both
    assert part.of_study("Max_Sparsity") == {}


@pytest.mark.parametrize(
    ("columns", "shared"),
    [
        ({"Model": "gpt2"}, "GPT2-117M"),
        ({"Model": "phi-1"}, "Phi-1"),
        ({"Model": "gpt2", "Model_Full": "openai-community/gpt2"}, "GPT2-117M"),
        ({"Model": "phi-1", "Model_Full": "microsoft/phi-1"}, "Phi-1"),
        ({"Model": "gpt2", "Model_Full": "someone/gpt2"}, ""),
        ({"Model": "gpt2-medium"}, ""),
    ],
)
def test_a_spreadsheet_has_a_model_of_the_study_by_its_owner_where_it_tells_that(
    columns: dict[str, str], shared: str, tmp_path: Path
) -> None:
    path = tmp_path / "comprehensive_brain_analysis_results.xlsx"
    cells = {"Task": "Logic", **columns, "Brain_Region": "Amygdala", "Activity_Level": 0.5}
    pd.DataFrame([cells]).to_excel(path, index=False)
    (check,) = (
        claim.checks[0]
        for claim in audit_study(published=[path]).claims
        if claim.id == "results-workbook"
    )
    (quantity,) = (own for own in check.quantities if own.name == "of the 6 models")
    assert (quantity.found, quantity.note) == (int(bool(shared)), shared)
