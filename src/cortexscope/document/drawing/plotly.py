"""Draw figures with plotly, as the description that its script in the HTML report reads."""

from __future__ import annotations

from dataclasses import replace
from textwrap import wrap
from typing import Any, NamedTuple

from cortexscope.document._figure import Figure
from cortexscope.document.drawing._text import for_plotly
from cortexscope.document.panels._panel import Panel, Place

__all__ = ["Interactive", "interactive", "layout"]


class Interactive(NamedTuple):
    """A figure for the HTML report, laid out for a wide page and for a narrow one."""

    json: str
    """`data`, or a list of such data a step, and the layouts `wide` and `narrow`."""
    height: int
    """On a wide page, in CSS pixels."""
    narrow_height: int
    """On a narrow page, where panels stand below each other, in CSS pixels."""
    least_width: int
    """Below it the figure scrolls, in CSS pixels."""


def interactive(figure: Figure) -> Interactive:
    """Return a figure as plotly draws it; colours of text and grid are left to the page."""
    from plotly.io.json import to_json_plotly

    if figure.steps:
        # One place for all panels, whose titles stand at the buttons.
        wide = narrow = _canvas(replace(figure, panels=figure.panels[:1]), 1, titled=False)
        steps, place = [list(wide.data)], Place(1, 1, next(wide.select_yaxes()).domain)
        for panel in figure.panels[1:]:
            before = len(wide.data)
            panel.plotly(wide, place, set())
            steps.append(list(wide.data)[before:])
        content = {"steps": steps}
        wide.update_layout(height=wide.layout.height - 50, margin_t=20)
    else:
        wide = _canvas(figure, min(figure.columns, len(figure.panels)))
        narrow = _canvas(figure, 1, drawn=False)
        content = {"data": list(wide.data)}
    return Interactive(
        json=to_json_plotly({**content, "wide": wide.layout, "narrow": narrow.layout}),
        height=wide.layout.height,
        narrow_height=narrow.layout.height,
        least_width=figure.panels[0].least_width,
    )


def _canvas(figure: Figure, columns: int, *, titled: bool = True, drawn: bool = True) -> Any:  # noqa: ANN401 - of plotly
    from plotly.subplots import make_subplots

    panels, first = figure.panels, figure.panels[0]
    rows = -(-len(panels) // columns)
    inner = max(panel.pixels for panel in panels)
    # Spacing is a share of the height between the outer margins.
    between = first.gap / (rows * inner + (rows - 1) * first.gap)
    canvas = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=[_title(panel) for panel in panels] if titled else None,
        shared_yaxes=first.shares_rows,
        horizontal_spacing=0.04 if first.shares_rows else 0.11,
        vertical_spacing=between if rows > 1 else 0.0,
    )
    if not drawn:
        # A narrow page shows the same traces; only their places differ.
        canvas.add_trace = canvas.add_traces = _nothing
    entries: set[str] = set()
    for number, panel in enumerate(panels):
        row, column = number // columns + 1, number % columns + 1
        domain = next(canvas.select_yaxes(row=row, col=column)).domain
        panel.plotly(canvas, Place(row, column, domain), entries)
    below = first.foot + (22 if columns > 1 else 26) * len(entries)
    canvas.update_layout(**layout(70 + rows * inner + (rows - 1) * first.gap + 80 + below))
    canvas.update_annotations(font_size=14)
    return canvas


def _nothing(*_: object, **__: object) -> None:
    pass


def _title(panel: Panel) -> str:
    return "<br>".join(wrap(for_plotly(panel.title), panel.title_width[1]))


def layout(height: int) -> dict[str, Any]:
    """Return what the layouts of all figures share; `height` in CSS pixels."""
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
