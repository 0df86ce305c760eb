"""Claims against runs whose values follow a stated rule."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest
from audit.made_audit_runs import (
    DECODER,
    ENCODER,
    FAIR,
    LENGTHS,
    STUDY,
    Rule,
    by_length,
    make_run,
    not_highest,
    truly_highest,
)
from report.made_runs import FakeModel

from cortexscope.audit import Check, audit_study
from cortexscope.audit._claims import study
from cortexscope.audit._records import OTHER_MODELS, STUDY_MODELS, Source
from cortexscope.audit._run_values import read_run
from cortexscope.errors import UsageError
from cortexscope.records import Control, Prompt
from cortexscope.store import Measurements


def _checks(
    run: Path, sources: Sequence[Source] = (OTHER_MODELS, STUDY_MODELS)
) -> dict[str, Check]:
    audit = audit_study(run=run)
    return {
        claim.id: check
        for claim in audit.claims
        for check in claim.checks
        if check.against in sources
    }


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Check]]:
    folder = tmp_path_factory.mktemp("runs")
    rules: tuple[Rule, ...] = (by_length, truly_highest, not_highest)
    return {rule.__name__: _checks(make_run(folder / rule.__name__, rule)) for rule in rules}


@pytest.mark.slow
def test_a_task_that_is_highest_for_its_length_holds_only_raw(
    checks: dict[str, dict[str, Check]], tmp_path: Path
) -> None:
    check = checks["by_length"]["entropy-highest"]
    assert check.verdict == "holds only raw"
    raw, adjusted = (q for q in check.quantities if q.name.startswith("mathematical reasoning"))
    assert raw.low is not None
    assert raw.low > 0
    frame = read_run(make_run(tmp_path / "again", by_length)).of("Attention_Entropy")
    assert frame is not None
    # The mean over models, each in its own standard deviations.
    wide = frame.pivot(index=["task", "prompt_id"], columns="model", values="value")
    scores = ((wide - wide.mean()) / wide.std()).mean(axis=1)
    means = scores.groupby("task").mean().sort_values()
    assert raw.found == pytest.approx(means.iloc[-1] - means.iloc[-2])
    assert raw.unit == "standard deviations"
    assert adjusted.low is not None
    assert adjusted.high is not None
    assert adjusted.low < 0.1
    assert adjusted.high - adjusted.low < 0.5
    assert "n = 16 prompts" in raw.note
    assert "best other task" in raw.note


def test_a_task_that_is_highest_at_every_length_holds(checks: dict[str, dict[str, Check]]) -> None:
    for claim in ("entropy-highest", "entropy-highest-everywhere"):
        check = checks["truly_highest"][claim]
        assert check.verdict == "holds", check
    adjusted = [
        q for q in checks["truly_highest"]["entropy-highest"].quantities
        if q.name.startswith("mathematical reasoning less") and "controlled" in q.name
    ]  # fmt: skip
    low, high = adjusted[0].low, adjusted[0].high
    assert low is not None
    assert high is not None
    assert 0.5 < low < high < 3
    assert adjusted[0].unit == "standard deviations"


def test_a_task_that_another_one_exceeds_did_not_generalise_to_other_models(
    checks: dict[str, dict[str, Check]],
) -> None:
    for claim in ("entropy-highest", "entropy-highest-everywhere", "entropy-order"):
        assert checks["not_highest"][claim].verdict in ("did not generalise", "cannot be checked")
    check = checks["not_highest"]["entropy-highest"]
    assert check.verdict == "did not generalise"
    assert check.sentence.startswith("In other models than the study's: ")
    assert (check.leads[0].ahead, check.leads[0].n, check.leads[0].least) == (0, 2, 0.5)
    assert any("(creative writing)" in q.name for q in check.quantities)


def test_the_normalised_entropy_stands_beside_the_studys(
    checks: dict[str, dict[str, Check]],
) -> None:
    check = checks["by_length"]["entropy-highest"]
    fair = [q for q in check.quantities if q.name.startswith("normalised entropy: ")]
    assert len(fair) == 2
    assert "In the normalised entropy" in check.sentence
    # It is 0.5 in every task, so that no task can be told to be the highest.
    assert all(q.right is not True for q in fair)


def test_the_order_of_architectures_is_that_of_the_models_means(
    checks: dict[str, dict[str, Check]],
) -> None:
    both = checks["by_length"]["sparsity-ratio"]
    assert both.verdict == "holds"
    check, every = (reading.check for reading in both.readings)
    assert every.quantities[0].found == pytest.approx(0.2, abs=0.005)
    difference = next(q for q in check.quantities if q.name == "decoders less encoders")
    assert difference.found == pytest.approx(0.2, abs=0.005)
    assert next(q for q in check.quantities if q.name == "quotient").right is None
    entropy = checks["by_length"]["entropy-encoders"]
    assert entropy.verdict in ("cannot be checked", "depends on the reading")
    significant = checks["by_length"]["sparsity-significant"].readings[0].check
    assert significant.verdict == "cannot be checked"
    assert significant.quantities[2].found == 1


def test_claims_on_the_studys_own_files_are_not_asked_of_a_run(
    checks: dict[str, dict[str, Check]],
) -> None:
    own = checks["by_length"]
    assert not {"combinations", "code", "paper", "tables-workbook", "entropy-figures"} & set(own)
    assert own["entropy-shannon"].verdict == "cannot be checked"
    assert own["model-figures"].verdict == "cannot be checked"


@pytest.mark.slow
def test_models_of_the_study_are_known_by_their_hub_id(tmp_path: Path) -> None:
    hubs = study().models
    models = [
        dataclasses.replace(
            DECODER, label=f"run-{n}", name=hub, kind="encoder" if n == 0 else "decoder",
            parameters=[109_482_240, 124_439_808, 463_987_712, 1_418_270_720, 559_214_592,
                        3_638_525_952][n],
        )
        for n, hub in enumerate(hubs.values())
    ]  # fmt: skip
    means = dict(zip([m.label for m in models], (-0.013, 0.3281, -0.0727, 0.0009, -1.836, 0.0047),
                     strict=True))  # fmt: skip

    def rule(task: str, tokens: int, model: str) -> dict[str, float | None]:
        values = by_length(task, tokens, model)
        return {**values, "study.final_activation": means[model]}

    lengths = {letter * 4: 20 for letter in "abcdefghij"}
    path = make_run(tmp_path / "run", rule, models=models, lengths=lengths, prompts=4)
    checks = _checks(path)
    for claim in ("activation-most-negative", "activation-not-monotonic"):
        assert checks[claim].verdict == "holds", checks[claim]
    # By magnitude BLOOM holds the ten highest, and with its sign the lowest.
    for claim in ("activation-smallest", "activation-top-ten"):
        verdicts = {reading.check.verdict for reading in checks[claim].readings}
        assert verdicts == {"holds", "contradicted"}, checks[claim]
    figures = {q.name: q for q in checks["model-figures"].quantities}
    assert figures["final activation, BLOOM-560M"].right
    assert figures["parameters, Phi-1"].right
    assert figures["max sparsity, StableLM-3B"].right is False
    assert checks["model-figures"].verdict == "contradicted"
    fewer = _checks(make_run(tmp_path / "fewer", rule, models=models[3:], lengths=lengths))
    assert fewer["activation-most-negative"].verdict == "cannot be checked"
    assert fewer["activation-top-ten"].verdict == "cannot be checked"
    assert fewer["sparsity-ratio"].verdict == "cannot be checked"


def test_controls_are_left_out_and_paraphrases_belong_to_their_source(tmp_path: Path) -> None:
    task = "mathematical_reasoning"
    extra = [
        Prompt(f"extra-{n}", task, "What else?", control=control, origin="math-001")
        for n, control in enumerate(get_args(Control))
    ]
    values = read_run(make_run(tmp_path / "run", by_length, extra=extra))
    frame = values.of("Attention_Entropy")
    assert frame is not None
    assert set(frame["prompt_id"]) & {prompt.id for prompt in extra} == {"extra-0"}
    clusters = frame.set_index("prompt_id")["cluster"]
    assert set(clusters.loc["extra-0"]) == {"math-001"}
    assert values.facts["Prompts"] == f"{16 * len(LENGTHS)} in {len(LENGTHS)} tasks"


def test_a_value_is_the_mean_over_layers_and_heads(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", by_length, models=[ENCODER])
    from cortexscope.store import Run

    rows = Run(path).measurements(metrics=[FAIR])
    expected = rows.groupby("prompt_id")["value"].mean()
    frame = read_run(path).of("Attention_Entropy", fair=True)
    assert frame is not None
    found = frame.set_index("prompt_id")["value"]
    assert found.to_dict() == pytest.approx(expected.to_dict())


def test_a_run_without_the_fair_metric_is_audited_without_it(tmp_path: Path) -> None:
    checks = _checks(make_run(tmp_path / "run", by_length, models=[DECODER], metrics=STUDY))
    assert checks["entropy-highest"].verdict == "holds only raw"
    assert "normalised" not in checks["entropy-highest"].sentence


def test_a_metric_that_is_undefined_cannot_be_checked_and_says_why(tmp_path: Path) -> None:
    def rule(task: str, tokens: int, model: str) -> dict[str, float | None]:
        return {**by_length(task, tokens, model), "study.attention_entropy": None, FAIR: None}

    check = _checks(make_run(tmp_path / "run", rule, models=[DECODER]))["entropy-highest"]
    assert check.verdict == "cannot be checked"
    assert "not defined here" in check.sentence


@pytest.mark.slow
def test_few_prompts_or_tasks_cannot_be_checked_and_say_why(tmp_path: Path) -> None:
    few = _checks(make_run(tmp_path / "few", truly_highest, prompts=2))
    assert few["entropy-highest"].verdict == "cannot be checked"
    one = {"mathematical_reasoning": 40}
    single = _checks(make_run(tmp_path / "single", truly_highest, lengths=one))
    assert single["entropy-highest"].verdict == "cannot be checked"
    assert "no other task" in single["entropy-highest"].sentence
    other = _checks(make_run(tmp_path / "other", by_length, lengths={"naming": 9, "counting": 9}))
    assert "no prompt of mathematical reasoning" in other["entropy-highest"].sentence


def test_tasks_of_quite_different_lengths_are_not_called_only_raw(tmp_path: Path) -> None:
    lengths = {"mathematical_reasoning": 4000, "logical_puzzles": 12, "creative_writing": 10}
    check = _checks(make_run(tmp_path / "run", by_length, lengths=lengths))["entropy-highest"]
    assert check.verdict == "cannot be checked"
    assert "whether length explains it cannot be told" in check.sentence


@pytest.mark.slow
def test_an_audit_of_a_run_is_the_same_again(tmp_path: Path) -> None:
    lengths = {task: LENGTHS[task] for task in ("mathematical_reasoning", "logical_puzzles")}
    path = make_run(tmp_path / "run", by_length, models=[DECODER], lengths=lengths, prompts=8)
    assert _checks(path) == _checks(path)


def test_a_run_without_the_studys_metrics_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", by_length, models=[FakeModel()], metrics=(FAIR,))
    with pytest.raises(UsageError, match="no value of the study's metrics"):
        audit_study(run=path)


def test_a_task_that_is_lower_at_equal_lengths_is_contradicted_though_lengths_hide_it(
    tmp_path: Path,
) -> None:
    def rule(task: str, tokens: int, model: str) -> dict[str, float | None]:
        less = 6.0 if task == "mathematical_reasoning" else 0.0
        return {**by_length(task, tokens, model), "study.attention_entropy": 2 * tokens - less}

    lengths = {**dict.fromkeys(LENGTHS, 40), "mathematical_reasoning": 48}
    check = _checks(make_run(tmp_path / "run", rule, models=[DECODER], lengths=lengths))[
        "entropy-highest"
    ]
    raw, adjusted = (q for q in check.quantities if q.name.startswith("mathematical reasoning"))
    assert raw.right is None
    assert adjusted.right is False
    assert adjusted.high is not None
    assert -12 < adjusted.high < 0
    assert check.verdict == "did not generalise"
    assert f"[{adjusted.low:.3g}, {adjusted.high:.3g}] with length controlled" in check.sentence


_GPT2 = dataclasses.replace(DECODER, label="theirs", name="openai-community/gpt2")


@pytest.mark.slow
def test_a_run_with_some_of_the_studys_models_is_judged_in_two_parts(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", not_highest, models=(_GPT2, DECODER, ENCODER))
    theirs, others = (_checks(path, (source,)) for source in (STUDY_MODELS, OTHER_MODELS))
    # An average over six models is not decided by one of them; a counterexample is.
    assert theirs["entropy-highest"].verdict == "cannot be checked"
    assert "1 of the study's 6 models, which cannot decide" in theirs["entropy-highest"].sentence
    assert "In these: contradicted." in theirs["entropy-highest"].sentence
    assert theirs["entropy-highest-everywhere"].verdict == "contradicted"
    assert others["entropy-highest"].verdict == "did not generalise"
    assert others["entropy-highest-everywhere"].verdict == "did not generalise"
    assert others["entropy-highest"].leads[0].n == 2
    # What is claimed of named models is asked of these only.
    assert "model-figures" in theirs
    assert "model-figures" not in others


def test_no_run_of_other_models_contradicts_a_claim(checks: dict[str, dict[str, Check]]) -> None:
    for own in checks.values():
        for check in own.values():
            found = [check, *(reading.check for reading in check.readings)]
            assert all(each.verdict != "contradicted" for each in found), check


@pytest.mark.slow
def test_all_of_the_studys_models_can_contradict_a_claim_on_their_average(tmp_path: Path) -> None:
    models = [
        dataclasses.replace(
            DECODER, label=f"run-{n}", name=hub, kind="encoder" if n == 0 else "decoder"
        )
        for n, hub in enumerate(study().models.values())
    ]
    path = make_run(tmp_path / "run", not_highest, models=models, prompts=8)
    check = _checks(path)["entropy-highest"]
    assert (check.against, check.verdict) == (STUDY_MODELS, "contradicted")
    assert (check.leads[0].n, check.leads[0].ahead) == (6, 0)


def test_a_run_is_evidence_as_the_published_files_are(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run", by_length))
    (part,) = run.parts(study().models)
    evidence = part.evidence(None)
    assert evidence.against == OTHER_MODELS
    assert evidence.models_of("Max_Sparsity", "decoder") == ("small-decoder",)
    assert evidence.models["Max_Sparsity"]["small-decoder"].value == pytest.approx(0.3, rel=0.02)
    assert evidence.cells is not None
    assert len(evidence.cells["Final_Activation"]) == 2 * len(LENGTHS)
    sizes = evidence.by_magnitude("Final_Activation")
    assert min(evidence.figures("Final_Activation").values()) < 0
    assert min(sizes.figures("Final_Activation").values()) > 0
    assert sizes.figures("Max_Sparsity") == evidence.figures("Max_Sparsity")


def test_measurements_that_were_read_are_judged_as_their_folder_is(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", by_length)
    assert audit_study(run=Measurements.of(run)) == audit_study(run=run)
