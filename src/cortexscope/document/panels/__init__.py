"""The kinds of panel: one file a kind, with its numbers and what each drawing makes of them."""

from cortexscope.document.panels._panel import Panel
from cortexscope.document.panels.boxes import Box, Boxes, Far
from cortexscope.document.panels.brain import Area, Brain
from cortexscope.document.panels.heat_map import HeatMap
from cortexscope.document.panels.lines import Line, Lines
from cortexscope.document.panels.radar import Radar, Round
from cortexscope.document.panels.ranges import Range, Ranges
from cortexscope.document.panels.raster import Raster
from cortexscope.document.panels.scatter import Points, Scatter
from cortexscope.document.panels.strip import Strip
from cortexscope.document.panels.tree import Join, Tree

__all__ = [
    "PANELS",
    "Area",
    "Box",
    "Boxes",
    "Brain",
    "Far",
    "HeatMap",
    "Join",
    "Line",
    "Lines",
    "Panel",
    "Points",
    "Radar",
    "Range",
    "Ranges",
    "Raster",
    "Round",
    "Scatter",
    "Strip",
    "Tree",
]

PANELS: tuple[type[Panel], ...] = (
    Boxes,
    Brain,
    HeatMap,
    Lines,
    Radar,
    Ranges,
    Raster,
    Scatter,
    Strip,
    Tree,
)
"""Every kind; `cortexscope.testing.check_panel` holds for each."""
