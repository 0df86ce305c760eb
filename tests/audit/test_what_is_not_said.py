"""What the claims leave out: caveats, meanings, years and numbers of tables."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from audit.made_audits import checks_of, made_audit
from audit.made_tables import cells_of, text_of

from cortexscope.audit import Audit
from cortexscope.audit._claims import study


def test_numbers_of_tables_differ_between_the_readme_and_the_file(published: Audit) -> None:
    check = checks_of(published)["paper"].readings[1].check
    found = {q.name: q.found for q in check.quantities}
    assert found == {
        f"number of the {title} in the file": number
        for title, number in (
            ("architecture comparison", 4), ("category performance", 3),
            ("parameter scale analysis", 5), ("model summary", 2),
        )
    }  # fmt: skip
    assert check.sentence.startswith("2 of 4 figures differ")
    assert "number of the architecture comparison in the file is 4, not 2" in check.sentence
    assert [q.right for q in check.quantities] == [False, True, True, False]
    assert check.verdict == "contradicted"


def test_the_year_of_the_citation_is_before_the_file_was_made(published: Audit) -> None:
    check = checks_of(published)["year"]
    assert check.verdict == "contradicted"
    dates = [str(q.found) for q in check.quantities]
    assert [date[:10] for date in dates] == ["2025-08-03", "2025-08-07", "2025-08-05"]


def test_a_year_that_no_file_excludes_cannot_be_checked(tmp_path: Path) -> None:
    text = text_of(cells_of()).replace("RESULTS\n", "RESULTS\n\nGenerated: 2023-01-02\n", 1)
    assert "Generated" in text
    assert made_audit(cells_of(), tmp_path, text=text)["year"].verdict == "cannot be checked"


def test_what_figures_are_said_to_mean_cannot_be_checked_with_them(published: Audit) -> None:
    checks = {name: check for name, check in checks_of(published).items() if "means-" in name}
    assert len(checks) == 9
    assert {check.verdict for check in checks.values()} == {"cannot be checked"}
    assert all(check.quantities[0].found == 0 for check in checks.values())
    assert checks_of(published)["sparsity-peak"].verdict == "cannot be checked"


def test_a_share_outside_0_to_1_is_no_share(tmp_path: Path) -> None:
    cells = cells_of()
    cells.loc[3, "Max_Sparsity"] = 1.2
    assert made_audit(cells, tmp_path)["sparsity-peak"].verdict == "contradicted"


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
    from cortexscope.audit.kinds.significant import Significant

    models = {f"{kind}{n}": Known(float(n + 10 * (kind == "a"))) for kind in "ab" for n in range(3)}
    facts = {name: {"Architecture": name[0]} for name in models}
    evidence = Evidence("the published files", facts, {}, {"M": models}, {})
    check = Significant(kind="significant", metric="M", of="a", to="b").judge(evidence)
    assert check.quantities[1].found == check.quantities[2].found == pytest.approx(2 / 20)
