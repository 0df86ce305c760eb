"""Tables, figures and one report of a run, as a document of `cortexscope.document`.

A table is made of a run by one file in `tables/`, a figure by one in `figures/`, a section of the
report by one in `sections/`, a workbook by one in `workbooks/`. Importing this package imports
neither pandas nor a drawing library.
"""

from cortexscope.report._build import build_figures, build_report, build_tables, tables_as
from cortexscope.report._terminal import summary
from cortexscope.report._write import (
    FigureFormat,
    ReportFormat,
    TableFormat,
    Written,
    write_figures,
    write_html,
    write_report,
    write_tables,
)
from cortexscope.report.figures import FIGURES
from cortexscope.report.figures._options import PublishedModel
from cortexscope.report.sections import SECTIONS
from cortexscope.report.tables import TABLES
from cortexscope.report.workbooks import WORKBOOKS
from cortexscope.report.workbooks._write import build_workbook, write_workbooks

__all__ = [
    "FIGURES",
    "SECTIONS",
    "TABLES",
    "WORKBOOKS",
    "FigureFormat",
    "PublishedModel",
    "ReportFormat",
    "TableFormat",
    "Written",
    "build_figures",
    "build_report",
    "build_tables",
    "build_workbook",
    "summary",
    "tables_as",
    "write_figures",
    "write_html",
    "write_report",
    "write_tables",
    "write_workbooks",
]
