"""How the study's columns and tasks are called, and what they are measured in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["capital", "counted", "listed", "metric_unit", "spoken"]

_UNITS = {
    "Final_Activation": "hidden-state units",
    "Attention_Entropy": "nats",
    "Max_Sparsity": "share",
}


def spoken(name: str) -> str:
    """Return a column or task in words.

    Example:
        >>> spoken("Attention_Entropy"), spoken("logical_puzzles")
        ('attention entropy', 'logical puzzles')
    """
    return name.replace("_", " ").lower()


def metric_unit(column: str) -> str:
    """Return the unit of one of the study's columns; empty where it has none.

    Example:
        >>> metric_unit("Max_Sparsity"), metric_unit("Parameters")
        ('share', '')
    """
    return _UNITS.get(column, "")


def counted(count: int, one: str) -> str:
    """Return a number of things.

    Example:
        >>> counted(1, "model"), counted(2, "model")
        ('1 model', '2 models')
    """
    return f"{count} {one}{'' if count == 1 else 's'}"


def listed(names: Iterable[str]) -> str:
    """Return names as one says them.

    Example:
        >>> listed(["a"]), listed(["a", "b", "c"])
        ('a', 'a, b and c')
    """
    own: Sequence[str] = list(names)
    return " and ".join(filter(None, (", ".join(own[:-1]), *own[-1:])))


def capital(text: str) -> str:
    """Return the text with a capital at its start, and the rest as it is.

    Example:
        >>> capital("of GPT2-117M")
        'Of GPT2-117M'
    """
    return text[:1].upper() + text[1:]
