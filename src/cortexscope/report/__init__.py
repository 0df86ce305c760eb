"""Tables, figures and one report of a run: data first, then one renderer a format.

A `Table` or a `Figure` holds numbers, titles and notes, and nothing of how it looks; it is made of
a run by one file in `tables/` or `figures/`. Importing this package imports neither pandas nor a
drawing library.
"""

from cortexscope.report._figure import Figure, HeatMap, Line, Lines, Points, Raster, Scatter
from cortexscope.report._matplotlib import draw
from cortexscope.report._table import UNDEFINED, Column, Part, Table
from cortexscope.report._terminal import summary
from cortexscope.report._write import (
    FigureFormat,
    TableFormat,
    Written,
    build_figures,
    build_tables,
    tables_as,
    write_figures,
    write_html,
    write_report,
    write_tables,
)
from cortexscope.report.tables import TABLES

__all__ = [
    "UNDEFINED",
    "Column",
    "Figure",
    "FigureFormat",
    "HeatMap",
    "Line",
    "Lines",
    "Part",
    "Points",
    "Raster",
    "Scatter",
    "TABLES",
    "Table",
    "TableFormat",
    "Written",
    "build_figures",
    "build_tables",
    "draw",
    "summary",
    "tables_as",
    "write_figures",
    "write_html",
    "write_report",
    "write_tables",
]
