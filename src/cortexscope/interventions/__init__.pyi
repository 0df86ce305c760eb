from ._change import (
    Change as Change,
    parts as parts,
    unit_rows as unit_rows,
)
from .direction import vector_text as vector_text
from ._edit import Edit as Edit
from ._hooks import (
    Removed as Removed,
    removed_from as removed_from,
)
from ._kinds import EDITS as EDITS
from ._places import Place as Place
from ._reading import Reference as Reference
from ._units import Row as Row
from ._target import Target as Target
