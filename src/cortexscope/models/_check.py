"""Compare catalogued figures with the models that transformers builds from their configurations."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Literal

from cortexscope.errors import ModelError
from cortexscope.models._catalog import Entry, magnitude

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

__all__ = ["FIELDS", "Check", "Facts", "check_entry"]

FIELDS = ("parameters", "layers", "heads", "kv_heads", "hidden_size", "context")
"""What is compared, in this order."""

Facts = dict[str, int | str | None]
"""A value for each of `FIELDS`; the parameters as they are printed."""


@dataclass(frozen=True, slots=True)
class Check:
    """One catalogued model beside the one that was built."""

    alias: str
    expected: Facts
    """With as many key heads as heads where the catalogue names none."""
    built: Facts | None = None
    """None where no configuration is written down, or none can be built from it."""
    parameters: int | None = None
    """Counted in the built model, tied ones once."""
    problem: str | None = None
    """Why nothing was built though a configuration is written down."""

    @property
    def differing(self) -> tuple[str, ...]:
        """The fields of which something else was built."""
        built = self.expected if self.built is None else self.built
        return tuple(field for field in FIELDS if built[field] != self.expected[field])

    @property
    def verdict(self) -> Literal["same", "differs", "not built", "no config"]:
        """What came out of it; `no config` says nothing against the entry."""
        if self.built is None:
            return "not built" if self.problem else "no config"
        return "differs" if self.differing else "same"


def check_entry(alias: str, entry: Entry) -> Check:
    """Build a model of the catalogue without memory for its weights, and compare the two.

    The number of parameters is rounded to the digits of the catalogue's figure, half up, and must
    then be that figure: 1,235,814,400 is `1.24B` and is not `1.23B`. The other fields must be
    equal.
    """
    heads = entry.heads or 0
    expected: Facts = {field: getattr(entry, field) for field in FIELDS}
    expected |= {"heads": heads, "kv_heads": entry.kv_heads or heads}
    if entry.config is None or entry.architecture is None:
        return Check(alias, expected)

    from cortexscope.models._config import reason
    from cortexscope.models._describe import count_parameters, sizes_of

    try:
        config, module = _build(entry.family, entry.architecture, entry.config)
        sizes = sizes_of(config, vocabulary=0)._asdict()
    except Exception as error:
        # A configuration class raises errors of its own making; one row must not end the check.
        return Check(alias, expected, problem=reason(error))
    count = count_parameters(module)
    built: Facts = {field: sizes.get(field) for field in FIELDS}
    built["parameters"] = _printed_like(entry.parameters, count)
    return Check(alias, expected, built, count)


def _build(
    family: str, architecture: str, settings: dict[str, object]
) -> tuple[PreTrainedConfig, PreTrainedModel]:
    import torch
    import transformers

    from cortexscope.models._describe import outline
    from cortexscope.models._quiet import quiet

    known = getattr(transformers, architecture, None)
    if known is None:
        raise ModelError(f"transformers {transformers.__version__} has no {architecture}.")
    with quiet():
        config = transformers.AutoConfig.for_model(family, **settings)
    return config, outline(known, config, dtype=torch.float32, attention=None)


def _printed_like(figure: str, count: int) -> str:
    """Return a count with the unit and as many digits as a figure has."""
    unit, step = magnitude("1" + figure[-1])[0], magnitude(figure)[1]
    number = (count / step).quantize(Decimal(1), ROUND_HALF_UP) * step / unit
    return f"{number.quantize(step / unit)}{figure[-1]}"
