"""Readings of one word, and leads over models, beside the same computed by hand."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from audit.made_audits import checks_of, made_audit
from audit.made_tables import cells_of

from cortexscope.audit import Audit, Check
from cortexscope.audit._records import Lead


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
    checks = checks_of(published)
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
    check = checks_of(published)["density-mathematics"]
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
    check = made_audit(cells, tmp_path)["entropy-highest"]
    assert check.verdict == "holds on average only"
    assert check.leads[0].ahead < check.leads[0].n == 4
