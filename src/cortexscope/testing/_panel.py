"""Check that a kind of panel keeps its contract."""

from __future__ import annotations

import io
import json

from cortexscope.document import Figure, Panel, cell_text, draw
from cortexscope.document.drawing.plotly import interactive

__all__ = ["check_panel"]


def check_panel(panel: Panel) -> None:
    """Check that every drawing shows a panel, alone and beside another, the same each time.

    Args:
        panel: with numbers, an undefined one among them.

    Raises:
        AssertionError: naming what does not hold.
    """
    kind = type(panel).__name__
    for panels in ((panel,), (panel, panel, panel)):
        figure = Figure(key="check", title="A title", caption="", panels=panels)
        pictures = [_png(figure) for _ in range(2)]
        assert pictures[0] == pictures[1], f"{kind}: matplotlib draws it differently each time."
        drawing = interactive(figure)
        assert drawing == interactive(figure), f"{kind}: plotly draws it differently each time."
        spec = json.loads(drawing.json, parse_constant=lambda text: _refuse(kind, text))
        assert len(spec["data"]) >= len(panels), f"{kind}: plotly was given no trace."
    part = panel.numbers()
    assert part.title == panel.title, f"{kind}: numbers() must bear the panel's title."
    assert len(part.frame), f"{kind}: numbers() has no row."
    assert all(cell_text(part.frame[own.name].iloc[0], own) for own in part.columns)


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    draw(figure).savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _refuse(kind: str, text: str) -> None:
    raise AssertionError(f"{kind}: plotly was given {text}, which JSON does not have; give null.")
