"""What a tie, a rounded figure or a missing value leaves open in the order of models and tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from audit.made_audits import made_audit
from audit.made_tables import cells_of

from cortexscope.audit import Check
from cortexscope.audit._evidence import Evidence, Known
from cortexscope.audit.kinds.model_extreme import ModelExtreme
from cortexscope.audit.kinds.not_monotonic import NotMonotonic
from cortexscope.audit.kinds.ratio import Ratio
from cortexscope.audit.kinds.task_figures import TaskFigures
from cortexscope.audit.kinds.task_order import TaskOrder
from cortexscope.audit.kinds.top import Top


def _of_models(
    values: Sequence[float], half: float = 0.0, sizes: Sequence[str] = ("1M", "2M", "3M", "4M")
) -> Evidence:
    """Models A, B, ... with an average each, from the smallest to the largest."""
    names = "ABCD"[: len(values)]
    facts = {name: {"Parameters": size} for name, size in zip(names, sizes, strict=False)}
    averages = {name: Known(value, half) for name, value in zip(names, values, strict=True)}
    return Evidence("the published files", facts, {}, {"M": averages}, {})


@pytest.mark.parametrize(
    ("values", "half", "verdict", "said"),
    [
        ((1, 3, 2), 0.0, "holds", "rises 1 and falls 1 times."),
        ((1, 2, 3), 0.0, "contradicted", "rises 2 and falls 0 times."),
        ((3, 2, 1), 0.0, "contradicted", "rises 0 and falls 2 times."),
        ((1, 2, 2), 0.0, "contradicted", "rises 1 and falls 0 times, and stays the same 1 time."),
        ((1, 1, 1), 0.0, "contradicted", "rises 0 and falls 0 times, and stays the same 2 times."),
        ((1, 2, 2, 1), 0.0, "holds", "rises 1 and falls 1 times, and stays the same 1 time."),
        ((1, 2, 2.001), 0.01, "cannot be checked", "rounding hides the way of 1 step."),
        ((1, 1.001, 1), 0.01, "cannot be checked", "rounding hides the way of 2 steps."),
        ((1, 3, 2, 2.001), 0.01, "holds", "rises 1 and falls 1 times."),
    ],
)
def test_a_tie_goes_no_way_and_a_rounded_step_is_open(
    values: Sequence[float], half: float, verdict: str, said: str
) -> None:
    spec = NotMonotonic(kind="not_monotonic", metric="M")
    check = spec.judge(_of_models(values, half))
    assert check.verdict == verdict
    assert check.sentence.endswith(said)


def test_models_of_one_size_stand_in_no_order() -> None:
    spec = NotMonotonic(kind="not_monotonic", metric="M")
    # From 1M to 2M to 3M it rises, whichever of the two of 2M is named first.
    for values in ((1.0, 2.0, 3.0, 4.0), (1.0, 3.0, 2.0, 4.0)):
        check = spec.judge(_of_models(values, sizes=("1M", "2M", "2M", "3M")))
        assert check.verdict == "contradicted"
        assert "of 3 sizes of models it rises 2 and falls 0 times" in check.sentence
        assert check.quantities[-1].name == "D less B and C"
        assert check.quantities[-1].found == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("values", "half", "verdict"),
    [
        ((3, 2, 1), 0.0, "holds on average only"),
        ((3, 3, 1), 0.0, "contradicted"),
        ((3, 3.001, 1), 0.01, "cannot be checked"),
        ((3, 1, 4), 0.01, "contradicted"),
    ],
)
def test_the_highest_model_is_open_where_rounding_hides_it(
    values: Sequence[float], half: float, verdict: str
) -> None:
    spec = ModelExtreme(kind="model_extreme", metric="M", model="A", end="highest", value="3")
    assert spec.judge(_of_models(values, half)).verdict == verdict


def test_every_model_above_every_other_names_the_pairs_that_are_not() -> None:
    evidence = _of_models((3, 1, 2))
    kinds = {"A": "decoder", "B": "decoder", "C": "encoder"}
    facts = {name: {"Architecture": kind} for name, kind in kinds.items()}
    spec = Ratio(kind="ratio", metric="M", of="decoder", to="encoder", every=True)
    check = spec.judge(Evidence("the published files", facts, {}, evidence.models, {}))
    assert check.verdict == "contradicted"
    assert check.sentence == "Of 2 pairs of models 1 are so, and not B (1) beside C (2)."


@pytest.mark.parametrize(
    ("claimed", "verdict", "said"),
    [
        ("3", "holds", "3 over 1 decoder against 1 over 1 encoder: a factor of 3."),
        ("7", "contradicted", "3 over 1 decoder against 1 over 1 encoder: a factor of 3, not 7."),
    ],
)
def test_a_factor_is_judged_in_its_digits(claimed: str, verdict: str, said: str) -> None:
    facts = {"A": {"Architecture": "decoder"}, "B": {"Architecture": "encoder"}}
    evidence = Evidence("the published files", facts, {}, _of_models((3, 1)).models, {})
    check = Ratio(kind="ratio", metric="M", of="decoder", to="encoder", value=claimed).judge(
        evidence
    )
    assert (check.verdict, check.sentence) == (verdict, said)


@pytest.mark.parametrize(
    ("models", "found", "verdict"),
    [
        (("B",), "1 to 2 (cells tie)", "cannot be checked"),
        (("A", "B"), "3", "holds"),
        (("C",), "0", "contradicted"),
        (("A",), "1 to 2 (cells tie)", "cannot be checked"),
    ],
)
def test_a_majority_is_open_only_where_a_tie_decides_it(
    models: tuple[str, ...], found: str, verdict: str
) -> None:
    cells = {("A", "x"): 3.0, ("A", "y"): 2.0, ("B", "x"): 2.0, ("B", "y"): 2.0, ("C", "x"): 1.0}
    evidence = Evidence("the published files", {}, {}, {}, {}, {"M": cells})
    check = Top(kind="top", metric="M", end="highest", count=3, models=models).judge(evidence)
    assert (check.quantities[0].found, check.verdict) == (found, verdict)
    # So that a tie which decides nothing does not hide what is so.
    more = {**cells, ("A", "z"): 2.5}
    check = Top(kind="top", metric="M", end="highest", count=3, models=("A",)).judge(
        Evidence("the published files", {}, {}, {}, {}, {"M": more})
    )
    assert (check.quantities[0].found, check.verdict) == ("2 to 3 (cells tie)", "holds")


def _of_tasks(half: float = 0.0, **means: float) -> Evidence:
    known = {task: Known(mean, half) for task, mean in means.items()}
    return Evidence(
        "the claims' own figures", {}, {"models": 6, "tasks": len(means)}, {}, {"M": known}
    )


@pytest.mark.parametrize(
    ("half", "means", "said"),
    [
        (0.0, {"a": 3, "b": 2, "c": 1}, "On average the highest of 3 tasks are a with 3, then b "),
        (0.0, {"a": 2, "b": 2, "c": 1}, "The average of b ties with that of a: 2 against 2."),
        (0.0, {"a": 2, "b": 3, "c": 1}, "The average of b is higher than that of a: 3 against 2."),
        (0.1, {"a": 2, "b": 2.1, "c": 1}, "Rounding hides whether b is higher than a: 2.1 "),
        (0.1, {"a": 2, "b": 1, "c": 2.1}, "The average of c is higher than that of b: 2.1 "),
        (0.0, {"a": 2}, "No average of b is known."),
        (0.0, {"a": 2, "b": 1}, "They come, in this order, first of the 2 averages that are "),
    ],
)
def test_an_order_that_is_first_of_all_names_the_pair_that_decides(
    half: float, means: dict[str, float], said: str
) -> None:
    spec = TaskOrder(kind="task_order", metric="M", tasks=("a", "b"), of_all=True)
    check = spec.judge(_of_tasks(half, **means))
    assert check.sentence.startswith(said)
    # What is out of order decides before what rounding hides.
    assert (check.verdict == "contradicted") == said.startswith("The average")


@pytest.mark.parametrize(
    "wrong",
    [
        {"tasks": ("a",)},
        {"tasks": (), "of_all": True},
        {"tasks": ("a", "b"), "of_all": True, "each_model": True},
        {"tasks": ("a", "b"), "each_model": True},
    ],
)
def test_an_order_that_says_nothing_is_no_claim(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"an order needs two|of each model only one"):
        TaskOrder.model_validate({"kind": "task_order", "metric": "M", **wrong})


def _everywhere(folder: Path, **changed: float) -> Check:
    cells = cells_of()
    for model, value in changed.items():
        here = cells["Model"].str.startswith(model)
        here &= cells["Category"] == "mathematical_reasoning"
        cells.loc[here, "Attention_Entropy"] = value
    return made_audit(cells, folder)["entropy-highest-everywhere"]


def test_a_model_without_a_value_is_no_counterexample(tmp_path: Path) -> None:
    check = _everywhere(tmp_path, GPT2=np.nan)
    assert check.verdict == "cannot be checked"
    assert "in each of 3 models" in check.sentence
    assert "no value of mathematical reasoning in GPT2-117M" in check.sentence
    check = _everywhere(tmp_path, GPT2=np.nan, BERT=1.0)
    assert check.verdict == "contradicted"


@pytest.mark.parametrize(
    ("text", "right"),
    [("109.5M", True), ("109M", True), ("109.48M", True), ("110M", False), ("109.6M", False)],
)
def test_a_number_of_parameters_agrees_in_the_digits_it_has(text: str, right: bool) -> None:
    from audit.made_audit_runs import ENCODER

    from cortexscope.audit.kinds.model_figures import _fact

    info = ENCODER.info().model_copy(update={"parameters": 109_482_240})
    assert _fact("BERT-Base", "Parameters", text, info).right is right


def test_one_model_is_one_model_in_notes() -> None:
    cells = {"M": {("A", "x"): 1.0, ("A", "y"): 2.0}}
    tasks = {"M": {"x": Known(1.0), "y": Known(2.0)}}
    counts = {"models": 1, "tasks": 2}
    evidence = Evidence("the published files", {}, counts, {}, tasks, cells)
    figures = TaskFigures.model_validate(
        {"kind": "task_figures", "metric": "M", "values": {"x": {"mean": "1.0", "sd": "0.1"}}}
    )
    order = TaskOrder(kind="task_order", metric="M", tasks=("y", "x"))
    for spec in (figures, order):
        notes = [quantity.note for quantity in spec.judge(evidence).quantities if quantity.note]
        assert any("n = 1 model" in note for note in notes)
        assert not any("1 models" in note for note in notes)


def test_a_figure_that_was_not_measured_is_not_counted_as_agreeing(tmp_path: Path) -> None:
    from dataclasses import replace

    from audit.made_audit_runs import DECODER, STUDY, by_length, make_run

    from cortexscope.audit import audit_study

    gpt2 = replace(DECODER, name="gpt2", parameters=124_439_808)
    run = make_run(tmp_path / "run", by_length, models=[gpt2], metrics=STUDY[:1])
    (check,) = (
        check
        for claim in audit_study(run=run).claims
        for check in claim.checks
        if claim.id == "model-figures" and check.against == "the study's models in the run"
    )
    right = [quantity.right for quantity in check.quantities]
    assert right.count(None) == 2
    assert f"{right.count(True)} of {len(right)} figures are" in check.sentence
