"""Draw figures with matplotlib, into PNG, SVG or PDF files; no global state is used."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal

from cortexscope.document._figure import Figure
from cortexscope.document.drawing._text import for_matplotlib, points
from cortexscope.files import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from cortexscope.document.panels import Panel

__all__ = ["Form", "Width", "draw", "pictures", "save"]

Form = Literal["png", "svg", "pdf", "still"]
"""Of a picture; `still` is a small WebP of few colours."""

Width = Literal["one", "two"]
"""Of a figure in print: one column of a journal, 85 mm, or two, 178 mm."""

_DOTS_PER_INCH = 150
_DOTS_IN_PRINT = 300
_COLOURS_OF_A_STILL = 32
_POINTS = 9.0
_POINTS_IN_PRINT = 6.9
"""Of most texts; the smallest have eight ninths of it."""
_INCHES: dict[Width, float] = {"one": 85 / 25.4, "two": 178 / 25.4}
_LONGEST = 2.5
"""What the height of a figure of many panels is at most, in widths."""
_TIGHTER = 1.3
"""A panel may be drawn this much narrower than its texts would have it."""


def save(figure: Figure, paths: Sequence[Path], *, width: Width | None = None) -> None:
    """Draw a figure into files, each whole or not at all; the names' endings say the formats.

    The bytes depend on the figure and the width alone.

    Args:
        figure: what is drawn.
        paths: where.
        width: how wide it is in print; as its content has it where None.

    Raises:
        StoreError: if a file cannot be written.
    """
    forms = [path.suffix[1:] for path in paths]
    for path, drawn in zip(paths, pictures(figure, forms, width=width), strict=True):  # type: ignore[arg-type]
        with whole_file(path) as part:
            part.write_bytes(drawn)


def pictures(figure: Figure, forms: Sequence[Form], *, width: Width | None = None) -> list[bytes]:
    """Return a figure drawn in several forms, laid out once; `width` as for `save`."""
    import matplotlib

    # Written without `savefig`, which draws everything twice.
    dots = _DOTS_PER_INCH if width is None else _DOTS_IN_PRINT
    size = _POINTS if width is None else _POINTS_IN_PRINT
    with (
        matplotlib.rc_context({"svg.hashsalt": "cortexscope", "font.size": size}),
        warnings.catch_warnings(),
    ):
        # A label in a script that the font lacks is drawn as boxes; the HTML report has it whole.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        canvas = draw(figure, width=width)
        canvas.set_dpi(dots)
        if (engine := canvas.get_layout_engine()) is not None:
            engine.execute(canvas)
            canvas.set_layout_engine("none")
        # Into memory: at a full disk some writers of matplotlib fail with errors that hide it.
        drawn: dict[Form, bytes] = {}
        for form in dict.fromkeys("png" if own == "still" else own for own in forms):
            drawn[form] = _drawn(canvas, form, dots)
        if "still" in forms:
            # Made smaller, which is quicker than drawing all once more.
            drawn["still"] = _still(drawn["png"])
        return [drawn[form] for form in forms]


def _drawn(canvas: Canvas, form: Form, dots: int) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    out = io.BytesIO()
    canvas.set_dpi(dots)
    # They have no types.
    own: Any
    if form == "svg":
        own = FigureCanvasSVG(canvas)
        own.print_svg(out, metadata={"Date": None})
    elif form == "pdf":
        own = FigureCanvasPdf(canvas)
        own.print_pdf(out, metadata={"CreationDate": None})
    else:
        own = FigureCanvasAgg(canvas)
        own.print_png(out)
    return out.getvalue()


def _still(png: bytes) -> bytes:
    from PIL import Image

    small = Image.open(io.BytesIO(png)).convert("RGB").reduce(2)
    few = small.quantize(_COLOURS_OF_A_STILL, method=Image.Quantize.FASTOCTREE)
    out = io.BytesIO()
    few.convert("RGB").save(out, "WEBP", lossless=True, method=4)
    return out.getvalue()


def draw(figure: Figure, *, width: Width | None = None) -> Canvas:
    """Return the figure drawn by matplotlib, in inches that suit its content or have a width."""
    from matplotlib.figure import Figure as Canvas

    panels = figure.panels
    columns, size = _size(figure, width)
    rows = max(1, -(-len(panels) // columns))
    canvas = Canvas(figsize=size, layout="constrained")
    # A bold letter is about 0.6 of its size wide.
    across = int(72 * size[0] / points(12) / 0.6)
    title = fill(for_matplotlib(figure.title), across)
    canvas.suptitle(title, fontsize=points(12), fontweight="bold")
    grid = canvas.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for number, (axes, panel) in enumerate(zip(grid.flat, panels, strict=False)):
        letters = min(panel.title_width[0], int(72 * size[0] / columns / points(10) / 0.6))
        axes.set_title(fill(for_matplotlib(panel.title), letters), fontsize=points(10))
        panel.matplotlib(axes, first=number % columns == 0)
    if any(panel.legend for panel in panels):
        _legend(canvas, columns)
    return canvas


def _size(figure: Figure, width: Width | None) -> tuple[int, tuple[float, float]]:
    """Return how many panels stand side by side, and the size in inches."""
    panels = figure.panels
    most = max(1, min(figure.columns, len(panels)))
    if not panels:
        return most, (6.4 if width is None else _INCHES[width], 3.8)
    if width is None:
        return _free(panels, most)
    for columns in range(most, 0, -1):
        rows = -(-len(panels) // columns)
        wide, high = panels[0].inches(panels, columns, rows)
        smaller = _POINTS_IN_PRINT / _POINTS
        if columns == 1 or smaller * wide <= _TIGHTER * _INCHES[width]:
            return columns, (_INCHES[width], smaller * high)
    raise AssertionError("one column always fits")


def _free(panels: Sequence[Panel], columns: int) -> tuple[int, tuple[float, float]]:
    """Return the same where no width is asked for: more columns than would make a long ribbon."""

    def size(columns: int) -> tuple[float, float]:
        return panels[0].inches(panels, columns, -(-len(panels) // columns))

    found = size(columns)
    while columns < len(panels) and found[1] > _LONGEST * found[0]:
        more = size(columns + 1)
        # What is always as wide as the figure would only be squeezed.
        if more[0] <= found[0]:
            break
        columns, found = columns + 1, more
    return columns, found


def _legend(canvas: Canvas, columns: int) -> None:
    handles = {
        label: handle
        for axes in canvas.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    longest = max(map(len, handles), default=0)
    # A line of a legend has its handle beside some letters of half their size.
    room = 72 * canvas.get_figwidth() / (points(_POINTS) * (0.55 * longest + 5))
    across = 1 if longest > 30 and columns == 1 else max(1, min(3, len(handles), int(room)))
    canvas.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=across,
        frameon=False,
        handlelength=3.5,
    )
