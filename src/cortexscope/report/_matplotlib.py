"""Draw figures with matplotlib, into PNG, SVG or PDF files; no global state is used."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from cortexscope.files import whole_file
from cortexscope.report._figure import (
    Figure,
    HeatMap,
    Lines,
    Panel,
    Ranges,
    Raster,
    Scatter,
)
from cortexscope.report._labels import shortened
from cortexscope.report._style import decimals_for, look
from cortexscope.report._table import UNDEFINED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

__all__ = ["draw", "save"]

_LABEL = 40
_TICK = 26
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
        # Laid out once: each file would otherwise be, twice, which takes most of the time.
        canvas.set_dpi(_DOTS_PER_INCH)
        canvas.draw_without_rendering()
        canvas.set_layout_engine("none")
        for path in paths:
            stamp = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix, {})
            # Some writers of matplotlib fail at a full disk with errors that do not say so.
            drawn = io.BytesIO()
            canvas.savefig(drawn, format=path.suffix[1:], dpi=_DOTS_PER_INCH, metadata=stamp)
            with whole_file(path) as part:
                part.write_bytes(drawn.getvalue())


def draw(figure: Figure) -> Canvas:
    """Return the figure drawn by matplotlib, in inches that suit its content."""
    from matplotlib.figure import Figure as Canvas

    columns = max(1, min(figure.columns, len(figure.panels)))
    rows = max(1, -(-len(figure.panels) // columns))
    width, height = _size(figure.panels, columns, rows)
    canvas = Canvas(figsize=(width, height), layout="constrained")
    canvas.suptitle(_safe(figure.title), fontsize=12, fontweight="bold")
    grid = canvas.subplots(rows, columns, squeeze=False)
    for number, axes in enumerate(grid.flat):
        if number >= len(figure.panels):
            axes.set_axis_off()
            continue
        panel = figure.panels[number]
        narrow = isinstance(panel, HeatMap) and len(panel.columns) < 4
        axes.set_title(fill(_safe(panel.title), 30 if narrow else 90), fontsize=10)
        if isinstance(panel, HeatMap):
            _heat_map(axes, panel, named=number % columns == 0)
        elif isinstance(panel, Raster):
            _raster(axes, panel)
        elif isinstance(panel, Lines):
            _lines(axes, panel)
        elif isinstance(panel, Ranges):
            _ranges(axes, panel, named=number % columns == 0)
        else:
            _scatter(axes, panel)
    handles = {
        label: handle
        for axes in grid.flat
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if any(isinstance(panel, Lines | Ranges) for panel in figure.panels):
        across = 1 if max(map(len, handles)) > 30 and columns == 1 else min(3, len(handles))
        canvas.legend(
            list(handles.values()),
            list(handles),
            loc="outside lower center",
            ncols=across,
            frameon=False,
            handlelength=3.5,
        )
    return canvas


def _size(panels: tuple[Panel, ...], columns: int, rows: int) -> tuple[float, float]:
    first = panels[0] if panels else None
    if isinstance(first, HeatMap):
        longest = max(map(len, first.rows), default=0)
        width = 0.075 * longest + columns * max(2.4, 0.75 * len(first.columns) + 0.9)
        return width + 0.5, 2.1 + 0.32 * len(first.rows)
    if isinstance(first, Raster):
        tallest = max(p.height for p in panels if isinstance(p, Raster))
        return 7.0, 0.5 + rows * (0.9 + 1.6 * tallest)
    if isinstance(first, Ranges):
        return 2.0 + 3.6 * columns, 1.2 + rows * (0.9 + 0.27 * len(first.rows))
    clouds = max((len(p.clouds) for p in panels if isinstance(p, Scatter)), default=0)
    return max(6.4, 4.9 * columns), 0.9 + (3.5 if clouds else 2.9) * rows + 0.2 * clouds


def _safe(text: str, limit: int = 90) -> str:
    # A dollar sign would start a formula.
    return shortened(text, limit).replace("$", r"\$")


def _entry(label: str) -> str:
    # matplotlib leaves labels that begin with an underscore out of the legend.
    text = _safe(label, _LABEL)
    return f" {text}" if text.startswith("_") else text


def _heat_map(axes: Axes, panel: HeatMap, *, named: bool) -> None:
    shades = panel.shades()
    image = axes.imshow(shades, cmap="cividis", aspect="auto", vmin=0, vmax=1)
    axes.set_xticks(range(len(panel.columns)))
    turned = len(panel.columns) > 1 or max(map(len, panel.columns)) > 12
    axes.set_xticklabels(
        [_safe(name, _TICK) for name in panel.columns],
        rotation=35 if turned else 0,
        ha="right" if turned else "center",
        rotation_mode="anchor" if turned else "default",
    )
    axes.set_yticks(range(len(panel.rows)))
    axes.set_yticklabels([_safe(name, _LABEL) for name in panel.rows] if named else [])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    decimals = decimals_for(float(np.nanmax(np.abs(panel.values))))
    for (row, column), value in np.ndenumerate(panel.values):
        missing = not np.isfinite(value)
        bright = not missing and shades[row, column] > 0.5
        axes.text(
            column,
            row,
            UNDEFINED if missing else f"{value:.{decimals}f}",
            ha="center",
            va="center",
            fontsize=8,
            color="black" if bright or missing else "white",
        )
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.85, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_ticks([0, 1], labels=["model's\nlowest", "model's\nhighest"])
    bar.ax.tick_params(labelsize=8, length=0)


def _raster(axes: Axes, panel: Raster) -> None:
    from matplotlib.ticker import MaxNLocator

    rows, columns = panel.values.shape
    last = panel.first_row + rows - 1
    image = axes.imshow(
        panel.values,
        cmap="cividis",
        aspect="auto",
        interpolation="nearest",
        vmin=0,
        vmax=float(np.nanmax(panel.values)) or 1.0,
        extent=(-0.5, columns - 0.5, last + 0.5, panel.first_row - 0.5),
    )
    for axis, title in ((axes.xaxis, panel.x_title), (axes.yaxis, panel.y_title)):
        axis.set_major_locator(MaxNLocator(integer=True, nbins=9))
        axis.set_label_text(_safe(title))
    bar = axes.figure.colorbar(image, ax=axes, pad=0.02, label=_safe(panel.value_title, 48))
    bar.outline.set_visible(False)


def _plain_axes(axes: Axes, x_title: str, y_title: str) -> None:
    axes.set_xlabel(_safe(x_title))
    axes.set_ylabel(_safe(y_title, 48))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)


def _lines(axes: Axes, panel: Lines) -> None:
    _plain_axes(axes, panel.x_title, panel.y_title)
    for line in panel.lines:
        style = look(line.slot)
        axes.fill_between(line.x, line.low, line.high, color=style.colour, alpha=0.18, linewidth=0)
        axes.plot(
            line.x,
            line.y,
            color=style.colour,
            linewidth=1.6,
            linestyle=(0, style.dash) if style.dash else "-",
            marker=style.marker if len(line.x) < 3 else None,
            label=_entry(line.label),
        )
    if panel.log:
        axes.set_yscale("log")
    axes.set_xlim(-0.02, 1.02)


def _ranges(axes: Axes, panel: Ranges, *, named: bool) -> None:
    _plain_axes(axes, panel.x_title, "")
    places = np.arange(len(panel.rows), dtype=np.float64)
    for one, offset in zip(panel.ranges, panel.offsets(), strict=True):
        style = look(one.slot)
        axes.hlines(places + offset, one.low, one.high, color=style.colour, linewidth=1.6)
        axes.scatter(
            one.x,
            places + offset,
            s=18,
            color=style.colour,
            marker=style.marker,
            linewidths=0,
            zorder=3,
            label=_entry(one.label),
        )
    axes.set_yticks(
        places, [_safe(row, _TICK) for row in panel.rows] if named else [""] * len(places)
    )
    axes.set_ylim(len(panel.rows) - 0.5, -0.5)


def _scatter(axes: Axes, panel: Scatter) -> None:
    _plain_axes(axes, panel.x_title, panel.y_title)
    for cloud in panel.clouds:
        style = look(cloud.slot)
        axes.scatter(
            cloud.x,
            cloud.y,
            s=16,
            color=style.colour,
            marker=style.marker,
            alpha=0.7,
            linewidths=0,
            label=f"{_entry(cloud.label)}\n{_safe(cloud.statement, 70)}",
        )
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(0.0, -0.16),
        frameon=False,
        fontsize=8,
        borderaxespad=0.0,
        handletextpad=0.3,
    )
