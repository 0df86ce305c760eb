"""Write `docs/architectures.md`: what was verified of each family, with the versions at hand.

`make architectures` runs it: every tiny model of the tests is measured and compared with the tests'
reference (whole matrices, float64), and then checked by `cortexscope.selfcheck`.
"""

from __future__ import annotations

import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from batches import inputs_for, row_of  # noqa: E402
from eager import eager  # noqa: E402
from families import FAMILIES, tiny_model  # noqa: E402
from measured import measured  # noqa: E402
from reference import measure  # noqa: E402
from transformers import PreTrainedModel  # noqa: E402
from transformers.utils import logging  # noqa: E402

import cortexscope  # noqa: E402
from cortexscope.models import Part, describe_parts, find_anatomy  # noqa: E402
from cortexscope.models._inspect import flatten  # noqa: E402
from cortexscope.records import Finding  # noqa: E402

LENGTHS = [37, 33, 9, 2, 1]
MIXERS = ("state space", "linear attention", "gated linear recurrence")

HEAD = """# Architectures

Written by `make architectures` with torch {torch} and transformers {transformers}.

cortexscope finds the parts of a model by structure and has no list of families; these are those on
which it was proved. For each a tiny model with random weights was built from its configuration.
*Values equal* counts the values that were compared with whole attention matrices and states in
float64, prompt by prompt, at lengths of {lengths} tokens, and all were equal to 1e-4. *selfcheck*
counts the checks of `cortexscope selfcheck` that passed; the last column names those that do not
apply, such as the residual stream of blocks that end with a norm. Other families are measured or
refused in the same way: `cortexscope models inspect REF` shows what is found, and
`cortexscope selfcheck REF` proves it.

| family | stacks | positions | layers | values equal | selfcheck | does not apply |
|---|---|---|---|--:|--:|---|
"""


def main() -> None:
    """Verify every family, and write the table."""
    warnings.filterwarnings("ignore")
    logging.set_verbosity_error()
    torch.set_num_threads(1)
    lines = []
    for number, family in enumerate(FAMILIES, start=1):
        print(f"{number}/{len(FAMILIES)} {family}", file=sys.stderr)
        lines.append(row(family))
    versions = {name: version(name).partition("+")[0] for name in ("torch", "transformers")}
    head = HEAD.format(**versions, lengths=", ".join(map(str, LENGTHS)))
    (HERE / "architectures.md").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


def row(family: str) -> str:
    """Return the line of a family."""
    model = tiny_model(family)
    parts = describe_parts(model, find_anatomy(model))
    findings = cortexscope.selfcheck(model)
    cells = (
        family,
        ", ".join(part.name for part in parts if "embedding" not in part.name),
        "; ".join(dict.fromkeys(positions(part) for part in parts if part.parts)),
        "; ".join(dict.fromkeys(kind for _, part in flatten(parts) for kind in kinds(part))),
        f"{equal_values(family, model):,}",
        verdict(findings),
        ", ".join(finding.check for finding in findings if finding.passed is None) or "–",
    )
    return f"| {' | '.join(cells)} |"


def positions(stack: Part) -> str:
    """Return how a stack tells positions apart."""
    return next(text for text in stack.detail if text.startswith("positions")).partition(": ")[2]


def kinds(part: Part) -> list[str]:
    """Return what is to be said of one kind of layer's parts."""
    if part.name == "attention":
        # Such as "9 heads of 64" and "3 KV heads".
        sizes = [int(text.split()[0]) for text in part.detail if " heads" in text]
        heads, keys = (*sizes, 0, 0)[:2]
        grouped = "multi-query attention" if keys == 1 < heads else "grouped-query attention"
        named = grouped if 0 < keys < heads else "attention"
        if any("latent" in text for text in part.detail):
            named = "multi-head latent attention"
        window = next((text for text in part.detail if text.startswith(("window", "chunks"))), None)
        return [named if window is None else f"{named}, {window}"]
    if part.name in ("cross-attention", *MIXERS):
        return [part.name]
    if part.name == "experts":
        return [part.detail[0]]
    return []


def equal_values(family: str, model: PreTrainedModel) -> int:
    """Compare everything measured with the reference, and return how many values that were."""
    known = FAMILIES[family]
    batch = inputs_for(known, LENGTHS)
    twin = eager(model, double=known.double)
    count = 0
    for number, got in enumerate(measured(model, batch)):
        wanted = measure(twin, known, row_of(batch, number, padding=False))
        compared = wanted.check(got, relative=1e-4, absolute=1e-6 if known.double else 1e-5)
        count += compared
    return count


def verdict(findings: tuple[Finding, ...]) -> str:
    """Return how many checks passed of those that apply, and which failed."""
    failed = [finding.check for finding in findings if finding.passed is False]
    applied = sum(finding.passed is not None for finding in findings)
    passed = f"{applied - len(failed)} of {applied}"
    return passed if not failed else f"{passed}, not {', '.join(failed)}"


if __name__ == "__main__":
    main()
