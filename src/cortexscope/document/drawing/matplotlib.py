"""Draw figures with matplotlib, into PNG, SVG or PDF files; no global state is used."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from cortexscope.document._figure import Figure
from cortexscope.document.drawing._text import for_matplotlib
from cortexscope.files import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

__all__ = ["draw", "save"]

_DOTS_PER_INCH = 150


def save(figure: Figure, paths: Sequence[Path]) -> None:
    """Draw a figure into files, each whole or not at all; the names' endings say the formats.

    The bytes depend on the figure alone.

    Raises:
        StoreError: if a file cannot be written.
    """
    import matplotlib

    with (
        matplotlib.rc_context({"svg.hashsalt": "cortexscope", "font.size": 9.0}),
        warnings.catch_warnings(),
    ):
        # A label in a script that the font lacks is drawn as boxes; the HTML report has it whole.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        canvas = draw(figure)
        # Laid out once, and written without `savefig`, which draws everything twice: together these
        # take most of the time.
        canvas.set_dpi(_DOTS_PER_INCH)
        if (engine := canvas.get_layout_engine()) is not None:
            engine.execute(canvas)
            canvas.set_layout_engine("none")
        for path in paths:
            # Some writers of matplotlib fail at a full disk with errors that do not say so.
            drawn = _drawn(canvas, path.suffix)
            with whole_file(path) as part:
                part.write_bytes(drawn)


def _drawn(canvas: Canvas, suffix: str) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    out = io.BytesIO()
    canvas.set_dpi(_DOTS_PER_INCH)
    # They have no types.
    own: Any
    if suffix == ".png":
        own = FigureCanvasAgg(canvas)
        own.print_png(out)
    elif suffix == ".svg":
        own = FigureCanvasSVG(canvas)
        own.print_svg(out, metadata={"Date": None})
    else:
        own = FigureCanvasPdf(canvas)
        own.print_pdf(out, metadata={"CreationDate": None})
    return out.getvalue()


def draw(figure: Figure) -> Canvas:
    """Return the figure drawn by matplotlib, in inches that suit its content."""
    from matplotlib.figure import Figure as Canvas

    panels = figure.panels
    columns = max(1, min(figure.columns, len(panels)))
    rows = max(1, -(-len(panels) // columns))
    size = panels[0].inches(panels, columns, rows) if panels else (6.4, 3.8)
    canvas = Canvas(figsize=size, layout="constrained")
    canvas.suptitle(for_matplotlib(figure.title), fontsize=12, fontweight="bold")
    grid = canvas.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for number, (axes, panel) in enumerate(zip(grid.flat, panels, strict=False)):
        axes.set_title(fill(for_matplotlib(panel.title), panel.title_width[0]), fontsize=10)
        panel.matplotlib(axes, first=number % columns == 0)
    if any(panel.legend for panel in panels):
        _legend(canvas, columns)
    return canvas


def _legend(canvas: Canvas, columns: int) -> None:
    handles = {
        label: handle
        for axes in canvas.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    across = 1 if max(map(len, handles), default=0) > 30 and columns == 1 else min(3, len(handles))
    canvas.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=across,
        frameon=False,
        handlelength=3.5,
    )
