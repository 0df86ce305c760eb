"""Attention: what the tap says of each row, against whole matrices computed by other means."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from cortexscope.records import Finding, Site, Stack
from cortexscope.selfchecks._call import Direct, plain_rows
from cortexscope.selfchecks._reading import Reading, Rows
from cortexscope.selfchecks._subject import Batch, Subject
from cortexscope.selfchecks._tolerance import (
    Error,
    apart,
    does_not_apply,
    floor_of,
    judged,
    tolerance_of,
)
from cortexscope.selfchecks._twin import Matrices, eager_matrices

__all__ = ["attention_rows"]

_NAMES = ("attention rows", "attention entropy", "eager attention", "visible keys")


def attention_rows(subject: Subject, batch: Batch, reading: Reading) -> list[Finding]:
    """Compare the rows of every layer with plain computations, head by head."""
    matrices = _left(subject, eager_matrices(subject, batch))
    seen = {site.stack for site in reading.rows}
    unseen = [
        _unseen(stack, found)
        for stack, found in matrices.found.items()
        if stack not in seen and any(x is not None for x in found)
    ]
    if unseen:
        return unseen
    if not reading.rows:
        return [does_not_apply(name, "The model has no softmax attention.") for name in _NAMES]
    limit, floor = tolerance_of(subject.dtype), floor_of(subject.dtype)
    findings = [
        judged(
            _NAMES[0],
            [Error(site, _beyond(rows, reading.direct[site])) for site, rows in _pairs(reading)],
            limit,
            good="The probabilities of each row sum to one, and no entropy is above its ceiling.",
            bad="Rows do not sum to one, or are out of their bounds: no attention of this layer.",
        ),
        judged(
            _NAMES[1],
            [
                Error(site, *_worst(rows, reading.direct[site], floor))
                for site, rows in _pairs(reading)
            ],
            limit,
            good="Entropy and first key are those of the matrix of the same scores.",
            bad="The {what} is not that of the matrix of the same scores.",
        ),
    ]
    plain = _eager(subject, batch, reading, matrices)
    if matrices.missing is None:
        findings.append(_against_eager(subject, reading, plain))
    else:
        reason = f"There is nothing to compare: {matrices.missing}."
        findings.append(does_not_apply(_NAMES[2], reason))
    return [*findings, _visible(reading, plain)]


def _left(subject: Subject, matrices: Matrices) -> Matrices:
    """Return the matrices without those of attention that a change has taken out."""
    found: dict[Stack, list[Tensor | None]] = {}
    for stack, every in matrices.found.items():
        layers = list(range(1, _layers(subject, stack) + 1))
        if len(every) != len(layers):
            # Hybrids return only those of layers with attention.
            blocks = next(
                one.blocks for one in subject.anatomy.stacks if stack in (one.name, "cross")
            )
            layers = [layer for layer in layers if blocks[layer - 1].attention]
        gone = [subject.is_gone(Site(stack, layer), "layer", "attention") for layer in layers]
        if len(every) == len(gone):
            every = [None if out else x for x, out in zip(every, gone, strict=True)]
        found[stack] = every
    return Matrices(found, matrices.missing)


def _pairs(reading: Reading) -> Iterator[tuple[Site, Rows]]:
    yield from reading.rows.items()


def _beyond(rows: Rows, direct: Direct) -> float:
    ceiling = rows.visible.double().log()
    return max(
        float((direct.total - 1).abs().nan_to_num(nan=float("inf")).max()),
        float((rows.entropy.double() - ceiling).max()),
        float((-rows.entropy).max()),
        float((rows.first_key - 1).max()),
        float((-rows.first_key).max()),
    )


def _worst(rows: Rows, direct: Direct, floor: float) -> tuple[float, str]:
    entropy = apart(rows.entropy, direct.entropy, floor=floor)
    first = apart(rows.first_key, direct.first_key, floor=floor)
    return max((entropy, "entropy"), (first, "probability of the first visible key"))


def _eager(
    subject: Subject, batch: Batch, reading: Reading, matrices: Matrices
) -> dict[Site, Direct | None]:
    """Return the rows of the matrices that transformers returns, None where one has none."""
    plain: dict[Site, Direct | None] = {}
    for stack, found in matrices.found.items():
        sites = [site for site in reading.rows if site.stack == stack]
        for layer, matrix in _by_layer(found, sites, _layers(subject, stack)):
            site = Site(stack, layer)
            direct = reading.direct.get(site)
            sink = direct is not None and direct.outcomes == matrix.shape[-1] + 1
            four = matrix.dim() == 4
            tokens = batch.tokens_of(stack)
            plain[site] = plain_rows(matrix, tokens, sink=sink) if four else None
    for site in reading.rows:
        if site.stack in matrices.found:
            plain.setdefault(site, None)
    return plain


def _layers(subject: Subject, stack: Stack) -> int:
    blocks = {one.name: len(one.blocks) for one in subject.anatomy.stacks}
    return blocks["decoder" if stack == "cross" else stack]


def _by_layer(
    found: list[Tensor | None], sites: list[Site], layers: int
) -> Iterator[tuple[int, Tensor]]:
    """Yield each matrix with its layer; hybrids return only those of layers with attention."""
    present = [x for x in found if x is not None]
    if len(found) == layers:
        yield from ((k, x) for k, x in enumerate(found, start=1) if x is not None)
    elif len(present) == len(sites):
        yield from zip(sorted(site.layer or 0 for site in sites), present, strict=True)
    else:
        # They cannot be told apart; what was seen then has no counterpart and fails.
        yield from enumerate(present, start=layers + 1)


def _against_eager(subject: Subject, reading: Reading, plain: dict[Site, Direct | None]) -> Finding:
    errors = []
    for site in sorted(plain):
        rows, direct = reading.rows.get(site), plain[site]
        if rows is None or direct is None:
            what = "attention was not seen" if rows is None else "attention is not in the model"
            errors.append(Error(site, float("inf"), what))
        else:
            figure, what = _worst(rows, direct, floor_of(subject.dtype))
            errors.append(Error(site, figure, f"{what} is another one"))
    return judged(
        _NAMES[2],
        errors,
        tolerance_of(subject.dtype),
        good="Each head's entropy is that of the matrix which the model's plain code returns.",
        bad="Against the matrix which the model's plain code returns, the {what}.",
    )


def _visible(reading: Reading, plain: dict[Site, Direct | None]) -> Finding:
    errors = []
    for site, rows in _pairs(reading):
        others = [reading.direct[site], plain.get(site)]
        for other in others:
            if other is None:
                continue
            same = other.visible.shape == rows.visible.shape
            off = float((rows.visible - other.visible).abs().max()) if same else float("inf")
            errors.append(Error(site, off))
    return judged(
        _NAMES[3],
        errors,
        0.0,
        good="Each row sees as many keys as have a probability above zero.",
        bad="Rows see another number of keys than have a probability above zero: "
        "the mask or the window was misread.",
    )


def _unseen(stack: Stack, matrices: list[Tensor | None]) -> Finding:
    layer = next(k for k, x in enumerate(matrices, start=1) if x is not None)
    return Finding(
        check=_NAMES[2],
        passed=False,
        stack=stack,
        layer=layer,
        sentence="The model's plain code returns attention, and none was seen.",
    )
