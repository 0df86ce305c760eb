"""A document as data, and the formats and drawings that show it.

`Document > Section > Prose | Listing | Facts | Definitions | Table | Figure | Bars | Items | Fold |
Chooser | Pages`: frozen dataclasses which hold words, numbers and notes, and nothing of how they
look. `render` writes one in a format of `FORMATS`. A figure consists of panels, of a kind in
`PANELS`; `draw` and `save` show it by matplotlib, the page by plotly. Nothing here knows of runs.
Importing this package imports neither pandas nor a drawing library.
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
    Listing,
    Prose,
)
from cortexscope.document._document import Block, Document, Section
from cortexscope.document._explorers import Chooser, Depths, Grid, Pages
from cortexscope.document._figure import Figure
from cortexscope.document._table import UNDEFINED, Column, Part, Table, cell_text
from cortexscope.document._words import Span, Tone, Words, read_aloud
from cortexscope.document.drawing.beside import Beside
from cortexscope.document.drawing.matplotlib import Form, Width, draw, save
from cortexscope.document.formats import FORMATS, render
from cortexscope.document.panels import (
    PANELS,
    Area,
    Box,
    Boxes,
    Brain,
    Far,
    HeatMap,
    Join,
    Line,
    Lines,
    Panel,
    Points,
    Radar,
    Range,
    Ranges,
    Raster,
    Round,
    Scatter,
    Strip,
    Tree,
)

__all__ = [
    "FORMATS",
    "PANELS",
    "UNDEFINED",
    "Area",
    "Bar",
    "Bars",
    "Beside",
    "Block",
    "Box",
    "Boxes",
    "Brain",
    "Chooser",
    "Column",
    "Definition",
    "Definitions",
    "Depths",
    "Document",
    "Fact",
    "Facts",
    "Far",
    "Figure",
    "Fold",
    "Form",
    "Grid",
    "HeatMap",
    "Items",
    "Join",
    "Line",
    "Lines",
    "Listing",
    "Pages",
    "Panel",
    "Part",
    "Points",
    "Prose",
    "Radar",
    "Range",
    "Ranges",
    "Raster",
    "Round",
    "Scatter",
    "Section",
    "Span",
    "Strip",
    "Table",
    "Tone",
    "Tree",
    "Width",
    "Words",
    "cell_text",
    "draw",
    "read_aloud",
    "render",
    "save",
]
