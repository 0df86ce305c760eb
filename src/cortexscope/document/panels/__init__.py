"""The kinds of panel: one file a kind, with its numbers and what each drawing makes of them."""

from cortexscope.document.panels._panel import Panel
from cortexscope.document.panels.brain import Area, Brain
from cortexscope.document.panels.heat_map import HeatMap
from cortexscope.document.panels.lines import Line, Lines
from cortexscope.document.panels.ranges import Range, Ranges
from cortexscope.document.panels.raster import Raster
from cortexscope.document.panels.scatter import Points, Scatter

__all__ = [
    "PANELS",
    "Area",
    "Brain",
    "HeatMap",
    "Line",
    "Lines",
    "Panel",
    "Points",
    "Range",
    "Ranges",
    "Raster",
    "Scatter",
]

PANELS: tuple[type[Panel], ...] = (Brain, HeatMap, Lines, Ranges, Raster, Scatter)
"""Every kind; `cortexscope.testing.check_panel` holds for each."""
