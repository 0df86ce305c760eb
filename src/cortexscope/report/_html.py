"""Write the report: one HTML file that opens without a network and needs no other file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cortexscope.report._correlations import (
    NORMALIZED_ENTROPY,
    STUDY_ENTROPY,
    length_correlation,
)
from cortexscope.report._facts import facts
from cortexscope.report._figure import Figure
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, parameters_text, plain
from cortexscope.report._table import UNDEFINED, Part, Table, cell_text

__all__ = ["as_html"]


def as_html(
    frames: RunFrames, labels: Labels, tables: Sequence[Table], figures: Sequence[Figure]
) -> str:
    """Return the report of a run as one HTML page.

    Every label, task and reason of the run is taken as hostile: all are escaped, and the page's
    content security policy forbids it to load anything.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("cortexscope.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = any(figure.panels for figure in figures)
    page = environment.get_template("report.html.j2").render(
        manifest=frames.manifest,
        shards=_shards(frames),
        prompts=len(frames.prompts),
        targets=_targets(frames),
        facts=facts(frames),
        models=_models(frames),
        figures=[_figure_view(figure) for figure in figures],
        correlations=list(_correlations(frames, labels)),
        tables=[_table_view(table) for table in tables],
        definitions=list(_definitions(frames, labels)),
        settings=[(key, _setting(value)) for key, value in frames.manifest.settings.items()],
        missing=[
            {
                **row,
                "model": frames.named(str(row["model"]), str(row["stack"])),
                "title": labels.title(str(row["metric"])),
            }
            for row in frames.missing().to_dict("records")
        ],
        plotly=Markup(get_plotlyjs()) if drawn else "",
    )
    return str(page)


def _shards(frames: RunFrames) -> str:
    planned = sum(frames.manifest.shards.values())
    read = int(frames.cells([])["inputs"].sum())
    asked = len(frames.labels) * len(frames.prompts)
    return f"{read} of {asked} prompts read, over all models, in {planned} planned shards"


def _targets(frames: RunFrames) -> str:
    count = int(frames.prompts["target"].notna().sum())
    kinds = {info.stack_kind for info in frames.manifest.models}
    if "encoder-decoder" not in kinds:
        return f"{count} prompts, which no model here reads" if count else ""
    return f"{count} of {len(frames.prompts)} prompts; of others the decoder's start token alone"


def _models(frames: RunFrames) -> list[dict[str, str]]:
    views = []
    for info in frames.manifest.models:
        timing = frames.manifest.timings.get(info.model, {})
        seconds = sum(value for key, value in timing.items() if key.endswith("_seconds"))
        views.append(
            {
                "Model": plain(info.model),
                "Checkpoint": plain(info.name),
                "Revision": plain(info.revision or UNDEFINED),
                "Family": plain(info.family),
                "Architecture": info.stack_kind,
                "Parameters": parameters_text(info.parameters),
                "Layers": str(info.layers),
                "Heads (key/value)": f"{info.heads} ({info.kv_heads})",
                "Hidden size": str(info.hidden_size),
                "Weights": info.dtype,
                "Seconds": f"{seconds:.1f}" if seconds else UNDEFINED,
            }
        )
    return views


def _figure_view(figure: Figure) -> dict[str, Any]:
    from markupsafe import Markup

    from cortexscope.report._plotly import interactive

    view: dict[str, Any] = {
        "key": figure.key,
        "number": figure.number,
        "title": figure.title,
        "caption": figure.caption,
        "alt": figure.alt,
        "notes": figure.notes,
        "drawn": bool(figure.panels),
    }
    if figure.panels:
        drawing = interactive(figure)
        # Within a script element only these characters could end it.
        text = drawing.json.replace("<", "\\u003c").replace(">", "\\u003e")
        view |= {
            "json": Markup(text.replace("&", "\\u0026")),
            "height": drawing.height,
            "narrow_height": drawing.narrow_height,
            "least_width": drawing.least_width,
        }
    return view


def _table_view(table: Table) -> dict[str, Any]:
    return {
        "number": table.number,
        "title": table.title,
        "notes": [plain(note) for note in table.notes],
        "parts": [_part_view(part) for part in table.parts],
    }


def _part_view(part: Part) -> dict[str, Any]:
    rows = []
    for row in part.frame[[column.name for column in part.columns]].itertuples(index=False):
        cells = []
        for value, column in zip(row, part.columns, strict=True):
            text = plain(cell_text(value, column))
            exact = f"{value:.8g}" if column.kind == "number" and text != UNDEFINED else ""
            cells.append({"text": text, "exact": exact, "kind": column.kind})
        rows.append(cells)
    return {"title": part.title, "columns": part.columns, "rows": rows}


def _correlations(frames: RunFrames, labels: Labels) -> Iterator[dict[str, str]]:
    for model in frames.labels:
        for metric in (STUDY_ENTROPY, NORMALIZED_ENTROPY):
            found = length_correlation(frames, model, metric)
            known = found.low is not None and found.high is not None
            yield {
                "model": plain(model),
                "metric": labels.title(metric),
                "r": UNDEFINED if found.r is None else f"{found.r:.3f}",
                "interval": f"{found.low:.3f} to {found.high:.3f}" if known else UNDEFINED,
                "n": str(found.n),
                "reason": plain(found.reason or ""),
            }


def _definitions(frames: RunFrames, labels: Labels) -> Iterator[dict[str, str]]:
    names = dict.fromkeys([*frames.manifest.metrics, *frames.metrics])
    for name in names:
        spec = labels.specs.get(name)
        yield {
            "name": name,
            "title": labels.title(name),
            "unit": spec.unit if spec else "",
            "version": str(spec.version) if spec else UNDEFINED,
            "definition": spec.definition if spec else "",
            "source": spec.source if spec else "",
            "measured": "" if name in frames.metrics else "no measurement in this run",
        }


def _setting(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping | list | tuple):
        return plain(json.dumps(value, ensure_ascii=False))
    return str(value)
