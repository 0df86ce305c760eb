"""What a number of a figure should be, by what stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from report.oracle import NAN, Oracle
from report.sampling import Cell

from cortexscope.analysis import Analysis
from cortexscope.document import Figure, Panel
from cortexscope.store import Run

Row = Mapping[str, Any]


class Figures:
    """The numbers of every figure of a run with heads and no experts."""

    def __init__(self, run: Run, store: Oracle) -> None:
        self.store, self.specs = store, run.manifest.metrics
        keys = ["metric", "scope", "form", "task"]
        means = Analysis(run).table("means").set_index(keys)[["mean", "low", "high"]]
        self.means: dict[Any, Any] = means.T.to_dict()

    def __call__(self, figure: Figure, panel: Panel, row: Row, name: str) -> Any:
        key = "depth" if figure.key.startswith("depth") else figure.key
        return getattr(self, f"_{key}")(panel.title, row, name)

    def _metric(self, title: str) -> str:
        """Return the metric whose title stands in a panel's, the longest of several."""
        said = title.casefold()
        found = [name for name, spec in self.specs.items() if spec.title.casefold() in said]
        return max(found, key=lambda name: len(self.specs[name].title))

    def _task_map(self, title: str, row: Row, name: str) -> Any:
        task = row["row"].rpartition(" (")[0].replace(" ", "_")
        if name != "value":
            return None
        return self.store.cell(row["column"], self._metric(title), task)

    def _length(self, title: str, row: Row, name: str) -> Any:
        prompt, _, task = row["name"].partition(" · ")
        task = task.replace(" ", "_")
        if name == "x":
            return float(self.store.tokens[row["cloud"], task, prompt])
        values = self.store.prompts[row["cloud"], self._metric(title), task]
        return float(values[prompt]) if name == "y" else None

    def _depth(self, title: str, row: Row, name: str) -> Any:
        stack = title.split(":")[0].casefold().replace("cross-attention", "cross")
        own = self.store.first
        if stack in ("encoder", "decoder", "cross"):
            own = self.store.rows[self.store.rows["stack"] == stack]
        own = own[(own["model"] == row["line"]) & (own["metric"] == self._metric(title))]
        last = int(self.store.models.loc[row["line"], "layers"])
        layer = round(row["x"] * last)
        if name == "x":
            return layer / last
        own = own[own["layer"] == layer].groupby("prompt_id")["value"].mean()
        share = {"low": 25, "value": 50, "high": 75}.get(name)
        return None if share is None else float(np.percentile(own.dropna(), share))

    def _task_means(self, title: str, row: Row, name: str) -> Any:
        forms = {"as measured": "raw", "at equal lengths": "adjusted"}
        metric = self._metric(title)
        scope = title.rpartition(", ")[2]
        form = forms[row["range"]]
        key = metric, scope, form, row["row"].replace(" ", "_")
        kind = "mean" if name == "value" else name
        if key not in self.means:
            return NAN
        # Each form lies about the mean of its own tasks.
        tasks = [own["mean"] for name, own in self.means.items() if name[:3] == key[:3]]
        return self.means[key][kind] - float(np.nanmean(tasks))

    def _heads(self, title: str, row: Row, name: str) -> Any:
        if name != "value":
            return None
        model = title.partition(": ")[2].partition(" (")[0]
        own = self.store.first
        own = own[(own["model"] == model) & (own["metric"] == self._metric(title))]
        own = own[(own["layer"] == row["row"]) & (own["head"] == row["column"])]
        return float(own["value"].mean()) if len(own) else NAN


def cells_of_figure(figure: Figure, figures: Figures) -> Iterator[list[Callable[[], Cell]]]:
    """Yield what makes each number of a panel a cell, a list a panel."""
    for panel in figure.panels:
        makers: list[Callable[[], Cell]] = []
        part = panel.numbers()
        names = [column.name for column in part.columns if column.kind == "number"]
        assert names
        for row in part.frame.to_dict("records"):
            makers += [
                lambda row=row, name=name, panel=panel: Cell(  # type: ignore[misc]
                    f"{figure.key}, {panel.title}: {row}, {name}",
                    row[name],
                    figures(figure, panel, row, name),
                )
                for name in names
            ]
        yield makers
