"""Conditions on a comparison, such as `kl.upper > 0.02`: a small grammar, checked beforehand."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from cortexscope.analysis import QUANTILES
from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.registry import suggestion

__all__ = ["Condition", "Place", "Quantity", "parsed"]

_ENDS = {"mean": "", "lower": "_low", "upper": "_high"}


class Place(NamedTuple):
    """Where in the tables of a comparison a quantity stands."""

    table: str
    column: str
    reduce: str = ""
    """Of layers: `max`, `min` or `last`."""


def _with_ends(column: str, names: Collection[str] = tuple(_ENDS)) -> dict[str, str]:
    return {name: f"{column}{_ENDS[name]}" for name in names}


_PREDICTIONS: dict[str, dict[str, str]] = {
    "kl": _with_ends("kl") | {name: f"kl_{name}" for name in QUANTILES},
    "same_top": _with_ends("same_top"),
    "delta_p": _with_ends("delta_p")
    | {"rms": "delta_p_rms"}
    | {name: f"delta_p_{name}" for name in QUANTILES},
    "perplexity": {"ratio": "perplexity_ratio"},
    "bits_per_byte": {"base": "bits_base", "mean": "bits", "diff": "bits_difference"}
    | {f"diff.{name}": own for name, own in _with_ends("bits_difference").items()}
    | {"diff.p": "p"},
}
"""The column of each part of a quantity that every task has; the first part is meant by none."""

_STATES = {"drift": "distance", "cka": "cka", "rsa": "rsa", "procrustes": "procrustes"}
_LAYERS = ("max", "min", "last")
_FALL = ("cka", "rsa")
"""What is smallest where models are farthest apart."""

_METRIC = {"mean": "mean", "base": "base_mean", "diff": "difference"} | {
    "diff.mean": "difference", "diff.lower": "low", "diff.upper": "high", "diff.p": "p_bh",
}  # fmt: skip

_COMPARE: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
}

_GRAMMAR = (
    "a condition compares quantities such as kl.upper, bits_per_byte.diff.upper or kl.q99[TASK] "
    "with numbers by >, >=, < and <=, joined by and, or, not and parentheses"
)


class Quantity(NamedTuple):
    """A number of a comparison."""

    name: str
    """As it was written."""
    place: Place
    metric: str | None
    """Where it is of a metric."""
    task: str | None
    """None for all prompts together."""


Values = Callable[[Quantity], float | None]
"""Gives a quantity of one model, None where it is undefined."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that may be true, false, or unknown where a quantity is undefined."""

    text: str
    _tree: ast.expr
    _quantities: dict[str, Quantity]

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """All that it is made of, in order."""
        return tuple(self._quantities.values())

    def holds(self, values: Values) -> bool | None:
        """Return whether it is true; None where that hangs on what is undefined.

        `or` is true where one side is, `and` false where one side is, whatever the other.
        """
        return self._truth(self._tree, values)

    def _truth(self, node: ast.expr, values: Values) -> bool | None:
        if isinstance(node, ast.BoolOp):
            found = [self._truth(own, values) for own in node.values]
            decided = isinstance(node.op, ast.Or)
            if decided in found:
                return decided
            return None if None in found else not decided
        if isinstance(node, ast.UnaryOp):
            inner = self._truth(node.operand, values)
            return None if inner is None else not inner
        assert isinstance(node, ast.Compare)
        numbers = [self._number(own, values) for own in (node.left, *node.comparators)]
        found = [
            None if one is None or two is None else _COMPARE[type(sign)](one, two)
            for one, sign, two in zip(numbers, node.ops, numbers[1:], strict=False)
        ]
        return False if False in found else None if None in found else True

    def _number(self, node: ast.expr, values: Values) -> float | None:
        constant = _constant(node)
        if constant is not None:
            return constant
        value = values(self._quantities[ast.unparse(node)])
        return None if value is None or math.isnan(value) else value


def parsed(text: str, *, metrics: Collection[str], tasks: Collection[str]) -> Condition:
    """Return a condition, all of whose names are known.

    Args:
        text: such as `kl.upper > 0.02 or bits_per_byte.diff.upper > 0.01`.
        metrics: those that the comparison measures.
        tasks: those that it reads.

    Raises:
        UnknownNameError: if a name is misspelt; the nearest one is named.
        UsageError: if it is no such condition.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"{text!r} is no condition: {_GRAMMAR}.") from error
    found: dict[str, Quantity] = {}
    for node in _numbers(tree, text):
        if _constant(node) is None:
            found[ast.unparse(node)] = _quantity(node, text, metrics, tasks)
    if not found:
        raise UsageError(f"{text!r} names no quantity: {_GRAMMAR}.")
    return Condition(text.strip(), tree, found)


def _numbers(node: ast.expr, text: str) -> Iterator[ast.expr]:
    """Yield what stands for numbers; refuse all that is not in the grammar."""
    if isinstance(node, ast.BoolOp):
        for own in node.values:
            yield from _numbers(own, text)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield from _numbers(node.operand, text)
    elif isinstance(node, ast.Compare) and all(type(own) in _COMPARE for own in node.ops):
        yield from (node.left, *node.comparators)
    else:
        raise UsageError(f"{text!r} has {ast.unparse(node)!r}, and {_GRAMMAR}.")


def _constant(node: ast.expr) -> float | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _constant(node.operand)
        return None if inner is None else -inner if isinstance(node.op, ast.USub) else inner
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool):
        return None
    return float(node.value) if isinstance(node.value, int | float) else None


def _quantity(
    node: ast.expr, text: str, metrics: Collection[str], tasks: Collection[str]
) -> Quantity:
    task, inner = None, node
    if isinstance(node, ast.Subscript):
        task, inner = _task(node.slice, text, tasks), node.value
    name = _dotted(inner)
    if name is None:
        raise UsageError(f"{text!r} has {ast.unparse(node)!r}, and {_GRAMMAR}.")
    known = [*_PREDICTIONS, *_STATES, *metrics]
    # A metric's own name may have a point in it.
    first = max((own for own in known if f"{name}.".startswith(f"{own}.")), key=len, default=None)
    if first is None:
        stem = name.partition(".")[0]
        raise UnknownNameError(f"There is no quantity {stem!r} in {text!r}; {_near(stem, known)}")
    part = name[len(first) + 1 :]
    metric = None
    if first in _PREDICTIONS:
        parts = _PREDICTIONS[first]
        table = "compared_predictions"
    elif first in _STATES:
        parts = dict.fromkeys(_LAYERS[::-1] if first in _FALL else _LAYERS, _STATES[first])
        parts = {"min" if first in _FALL else "max": _STATES[first]} | parts
        table = "compared_states"
    else:
        metric, parts, table = first, _METRIC, "compared_metrics"
    if task is not None and first not in _PREDICTIONS:
        raise UsageError(
            f"{first} has no value of a task; leave out [{task}], or take "
            f"{', '.join(_PREDICTIONS)}, which have."
        )
    chosen = part or next(iter(parts))
    if chosen not in parts:
        raise UnknownNameError(
            f"{first} has no {part!r} in {text!r}; {suggestion(part, tuple(parts))}"
        )
    reduce = chosen if table == "compared_states" else ""
    return Quantity(ast.unparse(node), Place(table, parts[chosen], reduce), metric, task)


def _near(name: str, known: Collection[str]) -> str:
    return suggestion(name, tuple(known))


def _task(node: ast.expr, text: str, tasks: Collection[str]) -> str:
    name = node.value if isinstance(node, ast.Constant) else ast.unparse(node)
    if name not in tasks:
        raise UnknownNameError(f"There is no task {name!r} in {text!r}; {_near(str(name), tasks)}")
    return str(name)


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = _dotted(node.value)
        return None if inner is None else f"{inner}.{node.attr}"
    return None
