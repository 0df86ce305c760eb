"""Draw figures with plotly, as the description that its script in the HTML report reads."""

from __future__ import annotations

import math
from textwrap import wrap
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortexscope.report._figure import (
    Figure,
    HeatMap,
    Line,
    Lines,
    Panel,
    Points,
    Range,
    Ranges,
    Raster,
)
from cortexscope.report._labels import shortened
from cortexscope.report._style import decimals_for, look
from cortexscope.report._table import UNDEFINED

__all__ = ["Interactive", "interactive"]


class Interactive(NamedTuple):
    """A figure for the HTML report, laid out for a wide page and for a narrow one."""

    json: str
    """`data`, and the layouts `wide` and `narrow`."""
    height: int
    """On a wide page, in CSS pixels."""
    narrow_height: int
    """On a narrow page, where panels stand below each other, in CSS pixels."""
    least_width: int
    """Below it the figure scrolls, in CSS pixels."""


def interactive(figure: Figure) -> Interactive:
    """Return a figure as plotly draws it; colours of text and grid are left to the page."""
    from plotly.io.json import to_json_plotly

    wide = _canvas(figure, min(figure.columns, len(figure.panels)))
    narrow = _canvas(figure, 1)
    first = figure.panels[0]
    return Interactive(
        json=to_json_plotly(
            {"data": list(wide.data), "wide": wide.layout, "narrow": narrow.layout}
        ),
        height=wide.layout.height,
        narrow_height=narrow.layout.height,
        least_width=220 + 34 * len(first.columns) if isinstance(first, HeatMap) else 300,
    )


def _canvas(figure: Figure, columns: int) -> Any:  # noqa: ANN401 - of plotly
    from plotly.subplots import make_subplots

    rows = -(-len(figure.panels) // columns)
    first = figure.panels[0]
    inner = max(_inner_height(panel) for panel in figure.panels)
    gap = 150 if isinstance(first, HeatMap) else 110
    # Spacing is a share of the height between the outer margins.
    between = gap / (rows * inner + (rows - 1) * gap)
    canvas = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=[_title(panel) for panel in figure.panels],
        shared_yaxes=isinstance(first, HeatMap),
        horizontal_spacing=0.04 if isinstance(first, HeatMap) else 0.11,
        vertical_spacing=between if rows > 1 else 0.0,
    )
    entries: set[str] = set()
    for number, panel in enumerate(figure.panels):
        place = {"row": number // columns + 1, "col": number % columns + 1}
        if isinstance(panel, HeatMap):
            canvas.add_trace(_heat_map(panel), **place)
            canvas.update_xaxes(tickangle=-35, showgrid=False, **place)
            canvas.update_yaxes(autorange="reversed", showgrid=False, **place)
            continue
        canvas.update_xaxes(title_text=_safe(panel.x_title), **place)
        if isinstance(panel, Ranges):
            for one, offset in zip(panel.ranges, panel.offsets(), strict=True):
                canvas.add_trace(_range(one, panel.rows, offset, entries), **place)
            named = number % columns == 0
            canvas.update_yaxes(
                tickvals=list(range(len(panel.rows))),
                ticktext=_ticks(panel.rows, 26) if named else [""] * len(panel.rows),
                range=[len(panel.rows) - 0.5, -0.5],
                zeroline=False,
                **place,
            )
            continue
        canvas.update_yaxes(title_text=_safe(panel.y_title), **place)
        if isinstance(panel, Raster):
            low, high = next(canvas.select_yaxes(row=place["row"], col=place["col"])).domain
            canvas.add_trace(_raster(panel, low, high), **place)
            rows_apart, columns_apart = (max(1, round(size / 8)) for size in panel.values.shape)
            canvas.update_xaxes(dtick=columns_apart, showgrid=False, **place)
            canvas.update_yaxes(autorange="reversed", dtick=rows_apart, showgrid=False, **place)
            continue
        if isinstance(panel, Lines):
            canvas.add_traces(
                [trace for line in panel.lines for trace in _line(line, entries)],
                rows=place["row"],
                cols=place["col"],
            )
            canvas.update_xaxes(range=[-0.02, 1.02], **place)
            if panel.log:
                canvas.update_yaxes(type="log", dtick="D2", **place)
        else:
            for cloud in panel.clouds:
                canvas.add_trace(_points(cloud, entries), **place)
    legend = (22 if columns > 1 else 26) * len(entries)
    canvas.update_layout(**_layout(70 + rows * inner + (rows - 1) * gap + 80 + legend))
    canvas.update_annotations(font_size=14)
    return canvas


def _title(panel: Panel) -> str:
    return "<br>".join(wrap(_safe(panel.title), 40 if isinstance(panel, Raster) else 28))


def _inner_height(panel: Panel) -> int:
    if isinstance(panel, HeatMap | Ranges):
        return 30 * len(panel.rows)
    return round(190 * panel.height) if isinstance(panel, Raster) else 250


def _layout(height: int) -> dict[str, Any]:
    return {
        "height": height,
        "template": "none",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 60, "r": 20, "t": 70, "b": 50},
        "font": {"family": "system-ui, sans-serif", "size": 12},
        "hoverlabel": {"namelength": -1},
        "legend": {
            "orientation": "h",
            "yref": "container",
            "y": 0,
            "yanchor": "bottom",
            "x": 0,
            "xanchor": "left",
        },
    }


def _safe(text: str, limit: int = 90) -> str:
    # plotly reads a few HTML tags in every text.
    text = shortened(text, limit)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _list(values: NDArray[np.float64]) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]


def _heat_map(panel: HeatMap) -> Any:  # noqa: ANN401 - of plotly
    from plotly import graph_objects as go

    decimals = decimals_for(float(np.nanmax(np.abs(panel.values))))
    text = [
        [f"{value:.{decimals}f}" if math.isfinite(value) else UNDEFINED for value in row]
        for row in panel.values
    ]
    return go.Heatmap(
        z=[_list(row) for row in panel.shades()],
        customdata=[_list(row) for row in panel.values],
        x=_ticks(panel.columns, 26),
        y=_ticks(panel.rows, 46),
        text=text,
        texttemplate="%{text}",
        colorscale="Cividis",
        zmin=0,
        zmax=1,
        hovertemplate="%{y}<br>%{x}<br>%{customdata:.5g}<extra></extra>",
        xgap=1,
        ygap=1,
        showscale=False,
    )


def _raster(panel: Raster, low: float, high: float) -> Any:  # noqa: ANN401 - of plotly
    """Return the grid; its scale stands beside it, from `low` to `high` of the figure's height."""
    from plotly import graph_objects as go

    return go.Heatmap(
        z=[_list(row) for row in panel.values],
        y0=panel.first_row,
        colorscale="Cividis",
        zmin=0,
        zmax=float(np.nanmax(panel.values)) or 1.0,
        hovertemplate=(
            f"{_safe(panel.y_title)} %{{y}}, {_safe(panel.x_title).lower()} %{{x}}: %{{z:.4g}}"
            "<extra></extra>"
        ),
        hoverongaps=False,
        colorbar={"y": (low + high) / 2, "len": high - low, "thickness": 12, "outlinewidth": 0},
    )


def _ticks(names: tuple[str, ...], limit: int) -> list[str]:
    # plotly puts equal names of an axis into one place.
    texts = [_safe(name, limit) for name in names]
    return [
        text if texts.count(text) == 1 else f"{text} [{number}]"
        for number, text in enumerate(texts, 1)
    ]


def _line(line: Line, entries: set[str]) -> list[Any]:
    from plotly import graph_objects as go

    style, name = look(line.slot), _safe(line.label, 60)
    band = go.Scatter(
        x=_list(np.concatenate([line.x, line.x[::-1]])),
        y=_list(np.concatenate([line.high, line.low[::-1]])),
        mode="lines",
        fill="toself",
        fillcolor=style.colour,
        opacity=0.2,
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        legendgroup=name,
    )
    middle = go.Scatter(
        x=_list(line.x),
        y=_list(line.y),
        mode="lines" if len(line.x) > 2 else "lines+markers",
        name=name,
        legendgroup=name,
        showlegend=name not in entries,
        line={"color": style.colour, "dash": style.plotly_dash, "width": 2},
        customdata=np.stack([line.low, line.high], axis=1).tolist(),
        hovertemplate="depth %{x:.2f}: %{y:.4g} (%{customdata[0]:.4g} to %{customdata[1]:.4g})",
    )
    entries.add(name)
    return [band, middle]


def _range(one: Range, rows: tuple[str, ...], offset: float, entries: set[str]) -> Any:  # noqa: ANN401 - of plotly
    from plotly import graph_objects as go

    style, name = look(one.slot), _safe(one.label, 60)
    trace = go.Scatter(
        x=_list(one.x),
        y=[place + offset for place in range(len(rows))],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": _list(one.high - one.x),
            "arrayminus": _list(one.x - one.low),
            "width": 0,
            "color": style.colour,
        },
        mode="markers",
        name=name,
        legendgroup=name,
        showlegend=name not in entries,
        marker={"color": style.colour, "symbol": style.plotly_marker, "size": 7},
        text=[_safe(row) for row in rows],
        customdata=np.stack([one.low, one.high], axis=1).tolist(),
        hovertemplate="%{text}: %{x:.4g} (%{customdata[0]:.4g} to %{customdata[1]:.4g})",
    )
    entries.add(name)
    return trace


def _points(cloud: Points, entries: set[str]) -> Any:  # noqa: ANN401 - of plotly
    from plotly import graph_objects as go

    style, name = look(cloud.slot), _safe(cloud.label, 60)
    trace = go.Scatter(
        x=_list(cloud.x),
        y=_list(cloud.y),
        mode="markers",
        name=name,
        legendgroup=name,
        showlegend=name not in entries,
        marker={
            "color": style.colour,
            "symbol": style.plotly_marker,
            "size": 7,
            "opacity": 0.75,
        },
        text=[_safe(point) for point in cloud.names],
        hovertemplate="%{text}<br>%{x} tokens: %{y:.5g}",
    )
    entries.add(name)
    return trace
