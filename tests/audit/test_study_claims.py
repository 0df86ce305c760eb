"""Verdicts on the study's claims, beside the same numbers computed in another way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from audit.made_audits import checks_of, made_audit
from audit.made_tables import DATA, cells_of

from cortexscope.audit import Audit, Check, audit_study
from cortexscope.audit._claims import study
from cortexscope.audit._records import VERDICTS

_README = DATA.parent / "README.md"


@pytest.fixture(scope="module")
def alone() -> Mapping[str, Check]:
    """Verdicts where no file is given."""
    return checks_of(audit_study())


@pytest.mark.slow
def test_six_of_the_ten_highest_entropies_are_five(
    published: Audit, first_table: pd.DataFrame
) -> None:
    check = checks_of(published)["entropy-top-ten"]
    highest = first_table.nlargest(10, "Attention_Entropy")
    hits = int((highest["Category"] == "mathematical_reasoning").sum())
    assert check.verdict == "contradicted"
    assert (check.quantities[0].claimed, check.quantities[0].found) == ("6", str(hits))
    assert hits == 5


@pytest.mark.slow
def test_the_144_combinations_are_72_of_two_inputs(
    published: Audit, first_table: pd.DataFrame
) -> None:
    check = checks_of(published)["combinations"]
    assert check.verdict == "contradicted"
    assert [q.found for q in check.quantities] == [
        len(first_table),
        int(first_table["Inputs_Analyzed"].sum()),
    ]
    assert len(first_table) == 72
    assert "144 is the number of inputs, 2 for each" in check.sentence


def test_quoted_task_figures_are_means_and_sds_over_six_models_with_n_less_one(
    published: Audit, first_table: pd.DataFrame
) -> None:
    check = checks_of(published)["entropy-figures"]
    own = first_table.groupby("Category")["Attention_Entropy"]
    maths = {q.name: q.found for q in check.quantities if "mathematical" in q.name}
    assert list(maths.values()) == pytest.approx(
        [own.mean()["mathematical_reasoning"], own.std(ddof=1)["mathematical_reasoning"]]
    )
    assert check.verdict == "holds"
    assert any("n - 1 (tried both" in convention.found for convention in published.conventions)


def test_what_is_called_a_magnitude_is_below_zero(
    published: Audit, first_table: pd.DataFrame
) -> None:
    check = checks_of(published)["activation-magnitude"]
    assert check.verdict == "contradicted"
    assert check.quantities[0].found == int((first_table["Final_Activation"] < 0).sum())


def test_no_cell_can_be_the_entropy_of_attention_over_keys(
    published: Audit, first_table: pd.DataFrame
) -> None:
    check = checks_of(published)["entropy-shannon"]
    assert check.verdict == "depends on the reading"
    row, heads, rows = (reading.check for reading in check.readings)
    assert row.verdict == "contradicted"
    assert first_table["Attention_Entropy"].min() > np.log2(1e7)
    # A sum over heads and layers is not excluded: the figures allow it with a handful of keys.
    shares = first_table["Attention_Entropy"] / (
        first_table["Layers"].astype(int) * first_table["Heads"].astype(int)
    )
    assert heads.verdict == rows.verdict == "cannot be checked"
    assert [q.found for q in heads.quantities] == pytest.approx(
        [shares.min(), shares.max(), np.ceil(np.exp(shares.max()))]
    )
    top = int(np.argmax(first_table["Attention_Entropy"]))
    assert shares.iloc[top] == pytest.approx(0.30, abs=0.005)
    assert "is 0.30 a head (Phi-1, 768 heads)" in heads.sentence
    assert heads.sentence.startswith("Not excluded")
    assert "Not stated" in heads.sentence
    assert "Not stated" in rows.sentence


def test_a_difference_with_one_encoder_cannot_be_tested_over_models(published: Audit) -> None:
    check = checks_of(published)["sparsity-significant"]
    assert check.verdict == "depends on the reading"
    tested, plain = (reading.check for reading in check.readings)
    assert (tested.verdict, plain.verdict) == ("cannot be checked", "holds")
    assert tested.quantities[2].found == pytest.approx(1 / 6)


def test_the_spreadsheets_do_not_hold_the_tables(published: Audit) -> None:
    checks = checks_of(published)
    for claim, models in (("results-workbook", 42), ("tables-workbook", 11)):
        assert checks[claim].verdict == "contradicted"
        assert {q.name: q.found for q in checks[claim].quantities}["models in it"] == models


def test_every_claim_has_one_verdict_on_the_published_files(published: Audit) -> None:
    counts = {v: published.count("the published files", v) for v in VERDICTS}
    assert sum(counts.values()) == len(published.claims)
    assert counts == {
        "holds": 13,
        "holds on average only": 2,
        "holds only raw": 0,
        "depends on the reading": 9,
        "did not generalise": 0,
        "contradicted": 6,
        "cannot be checked": 11,
    }


def test_without_a_file_claims_are_checked_against_one_another(alone: Mapping[str, Check]) -> None:
    assert {check.against for check in alone.values()} == {"the claims' own figures"}
    assert alone["combinations"].verdict == "contradicted"
    assert alone["entropy-order"].verdict == "holds on average only"
    assert alone["entropy-highest"].verdict == "cannot be checked"
    assert alone["entropy-top-ten"].verdict == "cannot be checked"
    # (0.3281 - 0.0727 + 0.0009 - 1.8360 + 0.0047) / 5, of figures that are quoted rounded.
    figures = {q.name: q.found for q in alone["architecture-figures"].quantities}
    assert figures["final activation, decoders"] == pytest.approx(-0.315)
    assert alone["architecture-figures"].verdict == "holds"


def test_every_figure_of_a_claim_stands_in_its_lines_of_the_readme() -> None:
    if not _README.is_file():
        pytest.skip(f"the study's README is not in {_README.parent}")
    lines = _README.read_text(encoding="utf-8", errors="replace").splitlines()
    for claim in study().claims:
        said = " ".join(lines[number - 1] for number in claim.lines)
        content = claim.model_dump_json(include={"check", "readings"})
        for figure in re.findall(r'"(-?\d+\.\d+[MB]?)"', content):
            assert figure in said, (claim.id, figure)


@pytest.mark.slow
def test_verdicts_follow_the_table_that_is_given(tmp_path: Path) -> None:
    cells = cells_of()
    checks = made_audit(cells, tmp_path)
    # Four models cannot give a p below 1/8.
    assert checks["entropy-highest"].verdict == "holds on average only"
    assert checks["entropy-highest"].leads[0].p == checks["entropy-highest"].leads[0].least
    assert checks["entropy-highest-everywhere"].verdict == "holds"
    assert checks["models"].verdict == checks["tasks"].verdict == "contradicted"
    other = cells.copy()
    here = (other["Model"] == "Phi-1") & (other["Category"] == "mathematical_reasoning")
    other.loc[here, "Attention_Entropy"] = 1.0
    checks = made_audit(other, tmp_path)
    assert checks["entropy-highest"].verdict == "holds on average only"
    assert checks["entropy-highest-everywhere"].verdict == "contradicted"
    assert "in Phi-1" in checks["entropy-highest-everywhere"].sentence
    other.loc[other["Category"] == "mathematical_reasoning", "Attention_Entropy"] = 1.0
    assert made_audit(other, tmp_path)["entropy-highest"].verdict == "contradicted"


@pytest.mark.parametrize("seed", range(4))
def test_top_claims_equal_a_count_of_sorted_rows(seed: int, tmp_path: Path) -> None:
    cells = cells_of(seed)
    checks = made_audit(cells, tmp_path)
    for claim, metric, count, highest in (
        ("entropy-top-ten", "Attention_Entropy", 10, True),
        ("activation-top-ten", "Final_Activation", 10, True),
        ("density-top-ten", "Max_Sparsity", 10, False),
    ):
        best = cells.sort_values(metric, ascending=not highest).head(count)
        meant = best["Category"].eq("mathematical_reasoning")
        if claim != "entropy-top-ten":
            names = ["GPT2-117M"] if highest else ["BERT-Base", "BLOOM-560M"]
            meant = best["Model"].isin(names)
        check = checks[claim].readings[0].check if checks[claim].readings else checks[claim]
        assert check.quantities[0].found == str(int(meant.sum()))


def test_cells_that_tie_for_the_last_places_leave_the_count_open() -> None:
    from cortexscope.audit._evidence import Evidence
    from cortexscope.audit.kinds.top import Top

    cells = {("A", "x"): 3.0, ("A", "y"): 2.0, ("B", "x"): 2.0, ("B", "y"): 2.0, ("C", "x"): 1.0}
    evidence = Evidence("the published files", {}, {}, {}, {}, {"M": cells})
    # Three cells tie for the last two of three places: B holds one or two of them.
    open_ = "cannot be checked"
    for hits, verdict in ((0, "contradicted"), (1, open_), (2, open_), (3, "contradicted")):
        spec = Top(kind="top", metric="M", end="highest", count=3, models=("B",), hits=hits)
        check = spec.judge(evidence)
        assert check.verdict == verdict
        assert check.quantities[0].found == "1 to 2 (cells tie)"


def judged_and_expected(sizes: tuple[int, int], seed: int) -> tuple[Check, float]:
    """Return the check of two groups of models, and the p that scipy finds by every exchange."""
    from scipy.stats import permutation_test

    from cortexscope.audit._evidence import Evidence, Known
    from cortexscope.audit.kinds.significant import Significant

    rng = np.random.default_rng(seed)
    groups = {"decoder": rng.normal(0.5, 1.0, sizes[0]), "encoder": rng.normal(0.0, 1.0, sizes[1])}
    models = {f"{k}{n}": Known(float(v)) for k, own in groups.items() for n, v in enumerate(own)}
    facts = {name: {"Architecture": name[:7]} for name in models}
    evidence = Evidence("the published files", facts, {}, {"M": models}, {})
    spec = Significant(kind="significant", metric="M", of="decoder", to="encoder")

    def difference(x: object, y: object, axis: int) -> object:
        return abs(np.mean(x, axis=axis) - np.mean(y, axis=axis))  # type: ignore[call-overload]

    expected = permutation_test(
        (groups["decoder"], groups["encoder"]), difference, n_resamples=np.inf,
        alternative="greater", vectorized=True, batch=10_000,
    )  # fmt: skip
    return spec.judge(evidence), float(expected.pvalue)


@pytest.mark.parametrize("seed", range(2))
def test_the_exact_p_is_that_of_scipy(seed: int) -> None:
    check, expected = judged_and_expected((5, 4), seed)
    assert check.quantities[1].found == pytest.approx(expected)
    assert check.quantities[1].name == "p, exact, over models"
    assert check.quantities[1].note == "126 ways to deal them out"


@pytest.mark.slow
def test_of_too_many_ways_to_deal_models_out_some_are_drawn() -> None:
    check, expected = judged_and_expected((12, 8), 0)
    assert check.quantities[1].found == pytest.approx(expected, abs=0.005)
    assert check.quantities[1].name == "p, over models"
    assert check.quantities[1].note == "100000 ways to deal them out, drawn"


def test_the_fewest_tokens_are_those_of_even_causal_attention() -> None:
    from math import lgamma

    from cortexscope.audit.kinds.shannon import fewest_tokens

    for entropy in (1.0, 50.0, 195.66, 231.94):
        n = fewest_tokens(entropy)
        assert lgamma(n + 1) >= entropy > lgamma(n)


def test_a_script_without_names_for_two_metrics_is_named(tmp_path: Path) -> None:
    script = tmp_path / "brain.py"
    script.write_text(
        '"""Entropy and sparsity of attention."""\n'
        "import math\n\n"
        "def final_activation(states):\n"
        "    # entropy\n"
        '    return {"activation": sum(states), "note": "no entropy here"}\n',
        encoding="utf-8",
    )
    check = checks_of(audit_study(published=[script]))["code"]
    assert check.verdict == "contradicted"
    assert check.sentence.startswith("2 of 3 metrics are not in brain.py")
    assert "attention entropy and max sparsity" in check.sentence
    assert [q.found for q in check.quantities] == [2, 0, 0]


def test_names_alone_do_not_prove_that_a_metric_is_computed(tmp_path: Path) -> None:
    script = tmp_path / "brain.py"
    script.write_text("activation = attentionEntropy = maxSparsity = 0\n", encoding="utf-8")
    check = checks_of(audit_study(published=[script]))["code"]
    assert check.verdict == "cannot be checked"
    assert [q.found for q in check.quantities] == [1, 1, 1]


def test_every_kind_has_its_row() -> None:
    from typing import get_args

    from cortexscope.audit import kinds

    folder = Path(kinds.__file__).parent
    rows = {kind.__module__.rsplit(".", 1)[-1] for kind in get_args(get_args(kinds.AnyKind)[0])}
    assert rows == {p.stem for p in folder.glob("[!_]*.py")}
