"""Verdicts on the study's claims, beside the same numbers computed in another way."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from audit.made_tables import DATA, METRICS, cells_of, text_of

from cortexscope.audit import Audit, Check, audit_study
from cortexscope.audit._claims import study
from cortexscope.audit._records import VERDICTS, Lead

_README = DATA.parent / "README.md"


def _checks(audit: Audit) -> dict[str, Check]:
    return {claim.id: claim.checks[0] for claim in audit.claims}


@pytest.fixture(scope="module")
def published() -> Audit:
    if not DATA.is_dir():
        pytest.skip(f"the study's files are not in {DATA}")
    return audit_study(published=[DATA], rng=np.random.default_rng(0))


@pytest.fixture(scope="module")
def first_table() -> pd.DataFrame:
    files = sorted(DATA.glob("llm_brain_analysis_tables_*.txt"))
    if not files:
        pytest.skip(f"the published tables are not in {DATA}")
    lines = files[0].read_text(encoding="utf-8").split("TABLE 2")[0].splitlines()
    start = next(n for n, line in enumerate(lines) if "Model_Name" in line)
    rows = [line.split() for line in lines[start + 1 :] if line.strip()]
    frame = pd.DataFrame(rows, columns=lines[start].split())
    return frame.astype({name: float for name in (*METRICS, "Inputs_Analyzed")})


@pytest.fixture(scope="module")
def alone() -> Mapping[str, Check]:
    """Verdicts where no file is given."""
    return _checks(audit_study(rng=np.random.default_rng(0)))


def test_six_of_the_ten_highest_entropies_are_five(
    published: Audit, first_table: pd.DataFrame
) -> None:
    check = _checks(published)["entropy-top-ten"]
    highest = first_table.nlargest(10, "Attention_Entropy")
    hits = int((highest["Category"] == "mathematical_reasoning").sum())
    assert check.verdict == "contradicted"
    assert (check.quantities[0].claimed, check.quantities[0].found) == ("6", str(hits))
    assert hits == 5


def test_the_144_combinations_are_72_of_two_inputs(
    published: Audit, first_table: pd.DataFrame
) -> None:
    check = _checks(published)["combinations"]
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
    check = _checks(published)["entropy-figures"]
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
    check = _checks(published)["activation-magnitude"]
    assert check.verdict == "contradicted"
    assert check.quantities[0].found == int((first_table["Final_Activation"] < 0).sum())


def test_no_cell_can_be_the_entropy_of_attention_over_keys(
    published: Audit, first_table: pd.DataFrame
) -> None:
    check = _checks(published)["entropy-shannon"]
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
    check = _checks(published)["sparsity-significant"]
    assert check.verdict == "depends on the reading"
    tested, plain = (reading.check for reading in check.readings)
    assert (tested.verdict, plain.verdict) == ("cannot be checked", "holds")
    assert tested.quantities[2].found == pytest.approx(1 / 6)


def test_the_spreadsheets_do_not_hold_the_tables(published: Audit) -> None:
    checks = _checks(published)
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


def _made_audit(cells: pd.DataFrame, folder: Path, *, text: str | None = None) -> dict[str, Check]:
    path = folder / "tables.txt"
    path.write_text(text or text_of(cells), encoding="utf-8")
    return _checks(audit_study(published=[path], rng=np.random.default_rng(0)))


def test_verdicts_follow_the_table_that_is_given(tmp_path: Path) -> None:
    cells = cells_of()
    checks = _made_audit(cells, tmp_path)
    # Four models cannot give a p below 1/8.
    assert checks["entropy-highest"].verdict == "holds on average only"
    assert checks["entropy-highest"].leads[0].p == checks["entropy-highest"].leads[0].least
    assert checks["entropy-highest-everywhere"].verdict == "holds"
    assert checks["models"].verdict == checks["tasks"].verdict == "contradicted"
    other = cells.copy()
    here = (other["Model"] == "Phi-1") & (other["Category"] == "mathematical_reasoning")
    other.loc[here, "Attention_Entropy"] = 1.0
    checks = _made_audit(other, tmp_path)
    assert checks["entropy-highest"].verdict == "holds on average only"
    assert checks["entropy-highest-everywhere"].verdict == "contradicted"
    assert "in Phi-1" in checks["entropy-highest-everywhere"].sentence
    other.loc[other["Category"] == "mathematical_reasoning", "Attention_Entropy"] = 1.0
    assert _made_audit(other, tmp_path)["entropy-highest"].verdict == "contradicted"


@pytest.mark.parametrize("seed", range(4))
def test_top_claims_equal_a_count_of_sorted_rows(seed: int, tmp_path: Path) -> None:
    cells = cells_of(seed)
    checks = _made_audit(cells, tmp_path)
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
    from cortexscope.audit.kinds import Top

    cells = {("A", "x"): 3.0, ("A", "y"): 2.0, ("B", "x"): 2.0, ("B", "y"): 2.0, ("C", "x"): 1.0}
    evidence = Evidence("the published files", {}, {}, {}, {}, (), {"M": cells}, None)
    # Three cells tie for the last two of three places: B holds one or two of them.
    for hits, verdict in ((0, "contradicted"), (1, "holds"), (2, "holds"), (3, "contradicted")):
        spec = Top(kind="top", metric="M", end="highest", count=3, models=("B",), hits=hits)
        assert spec.judge(evidence).verdict == verdict


@pytest.mark.parametrize("seed", range(2))
def test_the_exact_p_is_that_of_scipy(seed: int) -> None:
    from scipy.stats import permutation_test

    from cortexscope.audit._evidence import Evidence, Known
    from cortexscope.audit.kinds import Significant

    rng = np.random.default_rng(seed)
    groups = {"decoder": rng.normal(1.0, 1.0, 5), "encoder": rng.normal(0.0, 1.0, 4)}
    models = {f"{k}{n}": Known(float(v)) for k, own in groups.items() for n, v in enumerate(own)}
    facts = {name: {"Architecture": name[:7]} for name in models}
    evidence = Evidence("the published files", facts, {}, {"M": models}, {}, (), None, None)
    spec = Significant(kind="significant", metric="M", of="decoder", to="encoder")
    found = spec.judge(evidence).quantities[1].found

    def difference(x: object, y: object) -> object:
        return abs(np.mean(x) - np.mean(y))  # type: ignore[call-overload]

    expected = permutation_test(
        (groups["decoder"], groups["encoder"]), difference, n_resamples=np.inf,
        alternative="greater",
    )  # fmt: skip
    assert found == pytest.approx(expected.pvalue)


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
    check = _checks(audit_study(published=[script], rng=np.random.default_rng(0)))["code"]
    assert check.verdict == "contradicted"
    assert check.sentence.startswith("2 of 3 metrics are not in brain.py")
    assert "attention entropy and max sparsity" in check.sentence
    assert [q.found for q in check.quantities] == [2, 0, 0]


def test_names_alone_do_not_prove_that_a_metric_is_computed(tmp_path: Path) -> None:
    script = tmp_path / "brain.py"
    script.write_text("activation = attentionEntropy = maxSparsity = 0\n", encoding="utf-8")
    check = _checks(audit_study(published=[script], rng=np.random.default_rng(0)))["code"]
    assert check.verdict == "cannot be checked"
    assert [q.found for q in check.quantities] == [1, 1, 1]


def _readings(check: Check) -> dict[str, str]:
    return {reading.words: reading.check.verdict for reading in check.readings}


def test_final_activation_is_read_with_its_sign_and_by_magnitude(
    published: Audit, first_table: pd.DataFrame
) -> None:
    signed = first_table.set_index(["Model", "Category"])["Final_Activation"]
    sized = signed.abs()
    holders = {
        name: set(values.nlargest(10).index.get_level_values("Model"))
        for name, values in (("signed", signed), ("sized", sized))
    }
    assert holders == {"signed": {"GPT2-117M"}, "sized": {"BLOOM-560M"}}
    checks = _checks(published)
    top = checks["activation-top-ten"]
    assert list(_readings(top).values()) == ["holds", "contradicted"]
    assert "BLOOM-560M has 10" in top.readings[1].check.sentence
    lowest = {
        name: values.groupby("Model").mean().idxmin()
        for name, values in (("signed", signed), ("sized", sized))
    }
    assert lowest == {"signed": "BLOOM-560M", "sized": "Phi-1"}
    assert list(_readings(checks["activation-smallest"]).values()) == ["holds", "contradicted"]
    sizes = ["BERT-Base", "GPT2-117M", "Qwen-1.5-0.5B", "BLOOM-560M", "Phi-1", "StableLM-3B"]
    for values, reading in zip(
        (signed, sized), checks["activation-not-monotonic"].readings, strict=True
    ):
        steps = values.groupby("Model").mean()[sizes].diff().dropna()
        said = f"rises {(steps > 0).sum()} and falls {(steps < 0).sum()} times"
        assert said in reading.check.sentence
        assert reading.check.verdict == "holds"
    for check in (top, checks["activation-smallest"]):
        assert check.verdict == "depends on the reading"


def _leads(audit: Audit) -> list[tuple[str, Lead]]:
    return [
        (claim.id, lead)
        for claim in audit.claims
        for check in claim.checks
        for own in (check, *(reading.check for reading in check.readings))
        for lead in own.leads
    ]


def _p_by_hand(differences: pd.Series) -> float:
    """Flip every sign in every way, and count the means that are as far from 0."""
    flips = np.array(list(itertools.product((1, -1), repeat=len(differences))))
    means = np.abs(flips @ differences.to_numpy()) / len(differences)
    return float((means >= abs(differences.mean()) - 1e-9).mean())


def test_every_lead_is_that_of_all_sign_flips_over_models_or_tasks(
    published: Audit, first_table: pd.DataFrame
) -> None:
    leads = _leads(published)
    claims = {claim for claim, _ in leads}
    assert {"entropy-highest", "entropy-second", "entropy-lowest", "entropy-order",
            "density-mathematics", "activation-most-negative", "activation-smallest",
            "sparsity-highest"} <= claims  # fmt: skip
    for claim, lead in leads:
        metric = claim.partition("-")[0]
        column = {"entropy": "Attention_Entropy", "density": "Max_Sparsity",
                  "activation": "Final_Activation", "sparsity": "Max_Sparsity"}[metric]  # fmt: skip
        table = first_table.assign(Category=first_table["Category"].str.replace("_", " "))
        rows, names = ("Model", "Category") if lead.over == "models" else ("Category", "Model")
        cells = table.pivot(index=rows, columns=names, values=column)
        if claim == "activation-smallest":
            cells = cells.abs()
        above, below = lead.words.split(" less ")
        differences = cells[above] - cells[below]
        assert lead.n == len(differences) == {"models": 6, "tasks": 12}[lead.over]
        assert lead.mean == pytest.approx(differences.mean(), abs=1e-9)
        assert lead.error == pytest.approx(differences.sem(), abs=1e-9)
        assert (lead.ahead, lead.tied) == ((differences > 0).sum(), (differences == 0).sum())
        assert lead.least == pytest.approx(2 / 2**lead.n)
        highest = above == lead.own
        rivals = [lead.rival] if lead.rivals == 1 else [
            name for name in cells if name not in (lead.own, *_before(claim))
        ]  # fmt: skip
        assert lead.rivals == len(rivals)
        p = max(
            _p_by_hand(cells[lead.own] - cells[name] if highest else cells[name] - cells[lead.own])
            for name in rivals
        )
        assert lead.p == pytest.approx(p)
        ranks = cells.rank(axis=1, ascending=not highest, method="min")[lead.own]
        assert {rank.where: rank.first for rank in lead.ranks} == ranks.astype(int).to_dict()


def _before(claim: str) -> tuple[str, ...]:
    return ("mathematical reasoning",) if claim == "entropy-second" else ()


def test_the_lowest_sparsity_holds_on_average_only_and_names_its_tie(published: Audit) -> None:
    check = _checks(published)["density-mathematics"]
    assert list(_readings(check).values()) == [
        "holds on average only", "contradicted", "contradicted",
    ]  # fmt: skip
    (lead,) = check.readings[0].check.leads
    assert lead.words == "emotional content less mathematical reasoning"
    assert (round(lead.mean, 4), round(lead.error or 0, 4)) == (0.0039, 0.0166)
    assert (lead.ahead, lead.n, round(lead.p, 2)) == (4, 6, 0.78)
    ranks = {rank.where: (rank.first, rank.last, rank.tied) for rank in lead.ranks}
    assert ranks["BERT-Base"] == (1, 2, ("logical puzzles",))
    assert [ranks[model][0] for model in ("GPT2-117M", "Phi-1", "BLOOM-560M", "StableLM-3B")] == [
        8, 9, 7, 3,
    ]  # fmt: skip
    assert "mathematical reasoning and logical puzzles in BERT-Base" in (
        check.readings[2].check.sentence
    )
    assert any("two prompts" in note for note in published.notes)


def test_a_lead_in_every_model_is_clear_only_where_there_are_enough_of_them() -> None:
    from cortexscope.audit._lead import lead_over

    for n in (1, 2, 5, 6):
        values = {f"model {m}": {"a": 2.0 + m / 7, "b": 1.0, "c": 0.5} for m in range(n)}
        lead = lead_over("models", values, "a", ["b", "c"], words="a less {}")
        assert lead is not None
        assert lead.p == lead.least == 2.0 ** (1 - n)
        assert lead.clear == (n == 6)
    same = {f"model {m}": {"a": 2.0, "b": 2.0} for m in range(6)}
    tie = lead_over("models", same, "a", ["b"], words="a less {}")
    assert tie is not None
    assert (tie.p, tie.tied, tie.clear) == (1.0, 6, False)
    assert all(rank.tied == ("b",) for rank in tie.ranks)


def test_an_average_alone_that_is_carried_by_one_model_does_not_simply_hold(
    tmp_path: Path,
) -> None:
    cells = cells_of()
    for place, model in enumerate(dict.fromkeys(cells["Model"])):
        here = (cells["Model"] == model) & (cells["Category"] == "mathematical_reasoning")
        cells.loc[here, "Attention_Entropy"] = 900.0 if place == 0 else 60.0
    check = _made_audit(cells, tmp_path)["entropy-highest"]
    assert check.verdict == "holds on average only"
    assert check.leads[0].ahead < check.leads[0].n == 4


def test_numbers_of_tables_differ_between_the_readme_and_the_file(published: Audit) -> None:
    check = _checks(published)["paper"].readings[1].check
    found = {q.name.removeprefix("number of the "): q.found for q in check.quantities}
    assert found == {
        "architecture comparison": 4, "category performance": 3, "parameter scale analysis": 5,
        "model summary": 2,
    }  # fmt: skip
    assert [q.right for q in check.quantities] == [False, True, True, False]
    assert check.verdict == "contradicted"


def test_the_year_of_the_citation_is_before_the_file_was_made(published: Audit) -> None:
    check = _checks(published)["year"]
    assert check.verdict == "contradicted"
    dates = [str(q.found) for q in check.quantities]
    assert [date[:10] for date in dates] == ["2025-08-03", "2025-08-07", "2025-08-05"]


def test_a_year_that_no_file_excludes_cannot_be_checked(tmp_path: Path) -> None:
    text = text_of(cells_of()).replace("RESULTS\n", "RESULTS\n\nGenerated: 2023-01-02\n", 1)
    assert "Generated" in text
    assert _made_audit(cells_of(), tmp_path, text=text)["year"].verdict == "cannot be checked"


def test_what_figures_are_said_to_mean_cannot_be_checked_with_them(published: Audit) -> None:
    checks = {name: check for name, check in _checks(published).items() if "means-" in name}
    assert len(checks) == 9
    assert {check.verdict for check in checks.values()} == {"cannot be checked"}
    assert all(check.quantities[0].found == 0 for check in checks.values())
    assert _checks(published)["sparsity-peak"].verdict == "cannot be checked"


def test_a_share_outside_0_to_1_is_no_share(tmp_path: Path) -> None:
    cells = cells_of()
    cells.loc[3, "Max_Sparsity"] = 1.2
    assert _made_audit(cells, tmp_path)["sparsity-peak"].verdict == "contradicted"


def test_the_caveat_on_the_mask_has_the_sums_of_even_attention() -> None:
    (claim,) = (claim for claim in study().claims if claim.id == "entropy-encoders")
    said = next(caveat for caveat in claim.caveats if "mask" in caveat)
    ratios = [n * math.log(n) / math.lgamma(n + 1) for n in (20, 50, 100)]
    assert "{:.2f}, {:.2f} and {:.2f} times".format(*ratios) in said


def test_one_encoder_is_said_wherever_encoders_are_compared(published: Audit) -> None:
    compared = {
        "architecture-figures",
        "sparsity-ratio",
        "sparsity-significant",
        "entropy-encoders",
    }
    for claim in published.claims:
        assert (claim.id in compared) == any("one model, BERT-Base" in c for c in claim.caveats)


def test_groups_of_one_size_can_give_twice_the_smallest_share() -> None:
    from cortexscope.audit._evidence import Evidence, Known
    from cortexscope.audit.kinds import Significant

    models = {f"{kind}{n}": Known(float(n + 10 * (kind == "a"))) for kind in "ab" for n in range(3)}
    facts = {name: {"Architecture": name[0]} for name in models}
    evidence = Evidence("the published files", facts, {}, {"M": models}, {}, (), None, None)
    check = Significant(kind="significant", metric="M", of="a", to="b").judge(evidence)
    assert check.quantities[1].found == check.quantities[2].found == pytest.approx(2 / 20)
