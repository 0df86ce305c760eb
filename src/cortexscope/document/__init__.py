"""A document as data, and the formats and drawings that show it.

`Document > Section > Prose | Facts | Definitions | Table | Figure | Bars | Items | Fold`: frozen
dataclasses which hold words, numbers and notes, and nothing of how they look. `render` writes one
in a format of `FORMATS`. A figure consists of panels, of a kind in `PANELS`; `draw` and `save` show
it by matplotlib, the page by plotly. Nothing here knows of runs. Importing this package imports
neither pandas nor a drawing library.
"""

from cortexscope.document._blocks import (
    Bar,
    Bars,
    Definition,
    Definitions,
    Fact,
    Facts,
    Fold,
    Items,
    Prose,
)
from cortexscope.document._document import Block, Document, Section
from cortexscope.document._figure import Figure
from cortexscope.document._table import UNDEFINED, Column, Part, Table, cell_text
from cortexscope.document._words import Span, Tone, Words, read_aloud
from cortexscope.document.drawing.matplotlib import draw, save
from cortexscope.document.formats import FORMATS, render
from cortexscope.document.panels import (
    PANELS,
    Area,
    Brain,
    HeatMap,
    Line,
    Lines,
    Panel,
    Points,
    Range,
    Ranges,
    Raster,
    Scatter,
)

__all__ = [
    "FORMATS",
    "PANELS",
    "UNDEFINED",
    "Area",
    "Bar",
    "Bars",
    "Block",
    "Brain",
    "Column",
    "Definition",
    "Definitions",
    "Document",
    "Fact",
    "Facts",
    "Figure",
    "Fold",
    "HeatMap",
    "Items",
    "Line",
    "Lines",
    "Panel",
    "Part",
    "Points",
    "Prose",
    "Range",
    "Ranges",
    "Raster",
    "Scatter",
    "Section",
    "Span",
    "Table",
    "Tone",
    "Words",
    "cell_text",
    "draw",
    "read_aloud",
    "render",
    "save",
]
