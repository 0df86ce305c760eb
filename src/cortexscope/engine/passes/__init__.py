"""The kinds of pass: one file each, and one row here.

A pass over the prompts measures metrics of prompts and tasks, and goes on after them. A kind of
`AHEAD` finds out what these metrics need to be told of a batch before, named by the need. A kind of
`OWN` reads inputs that it makes itself, for the metrics of one unit of replication.
"""

from cortexscope.engine.passes._reader import Reader
from cortexscope.engine.passes.masked import MaskedPasses, MaskedWordPasses
from cortexscope.engine.passes.prompts import Prompts
from cortexscope.engine.passes.sequences import Sequences
from cortexscope.engine.passes.text import TextSizes, text_of

__all__ = ["AHEAD", "OWN", "Prompts", "Reader", "text_of"]

AHEAD = (TextSizes, MaskedPasses, MaskedWordPasses)

OWN = {kind.unit: kind for kind in (Sequences,)}
