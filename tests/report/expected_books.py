"""What a cell of a workbook should hold, by the names in its row."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
from report.oracle import NAN, Oracle, interval
from report.sampling import Cell

from cortexscope.analysis import STANDARDISED, Analysis
from cortexscope.store import Run

Row = Mapping[str, Any]

_ENDS = ("low 95 %", "high 95 %")


class Books:
    """The numbers of every sheet that holds some; None for a column that is no number."""

    def __init__(self, run: Run, store: Oracle) -> None:
        self.store = store
        self.models, self.tasks = list(store.models.index), store.order
        self.specs = run.manifest.metrics
        analysis = Analysis(run)
        names = ("means", "effects", "leaders", "model_contrasts")
        self.stats = {name: analysis.table(name) for name in names}
        means = self.stats["means"]
        keys = ["metric", "scope", "form", "task"]
        self.means: dict[Any, Any] = means.set_index(keys)[["mean", "low", "high", "n"]].T.to_dict()

    def __call__(self, sheet: str, row: Row, name: str) -> Any:
        return getattr(self, "_" + sheet.lower().replace(" ", "_"))(row, name)

    def _measure(self, name: str, unit: str | None = None) -> tuple[str, int] | None:
        """Return the metric of a column and which of mean, low and high it is."""
        for metric, spec in self.specs.items():
            own = spec.unit if unit is None else unit
            of = f" ({own})" if own != "1" else ""
            heads = [spec.title, *(f"{spec.title}, {end}" for end in _ENDS)]
            if name in (shown := [head + of for head in heads]):
                return metric, shown.index(name)
        return None

    def _of_model(self, model: str, metric: str) -> tuple[float, float, float]:
        return interval(self.store.of(model, metric).dropna().to_numpy())

    def _model_profiles(self, row: Row, name: str) -> Any:
        model = row["Model"]
        described = {"Parameters": "parameters", "Layers": "layers", "Heads": "heads"}
        described |= {"Hidden size": "hidden_size"}
        if name in described:
            return float(self.store.models.loc[model, described[name]])
        if name in ("Prompts", "Mean tokens"):
            tokens = self.store.tokens[model]
            return float(len(tokens) if name == "Prompts" else tokens.mean())
        found = self._measure(name)
        return None if found is None else self._of_model(model, found[0])[found[1]]

    def _task_analysis(self, row: Row, name: str) -> Any:
        task = row["Task"]
        lengths = [self.store.tokens[model, task] for model in self.models]
        if name in ("Prompts", "Mean tokens"):
            every = pd.concat(lengths)
            return float(len(lengths[0]) if name == "Prompts" else every.mean())
        found = self._measure(name, "sd")
        if found is None:
            return None
        own = self.means.get((found[0], STANDARDISED, "raw", task), {})
        return float(own.get(("mean", "low", "high")[found[1]], NAN))

    def _family_comparison(self, row: Row, name: str) -> Any:
        models = row["Of them"].split(", ")
        if name == "Models":
            return len(models)
        if name == "Readings":
            return sum(len(self.store.tokens[model]) for model in models)
        found = self._measure(name)
        if found is None:
            return None
        means = np.array([self.store.of(model, found[0]).mean() for model in models])
        return interval(means[~np.isnan(means)])[found[1]]

    def _layer_networks(self, row: Row, name: str) -> Any:
        if name not in ("r", *(f"r, {end}" for end in _ENDS), "Prompts"):
            return None
        wide = self.store.bands(row["Model"], row["Metric"])[[row["Band"], row["With"]]].dropna()
        if name == "Prompts" or len(wide) < 4:
            return len(wide) if name == "Prompts" else NAN
        if (wide.std() < 1e-9 * wide.mean().abs()).any():
            return NAN
        r = float(np.corrcoef(wide.to_numpy().T)[0, 1])
        if abs(r) > 1 - 1e-12:
            return r if name == "r" else NAN
        reach = 1.959963984540054 / math.sqrt(len(wide) - 3)
        ends = [math.tanh(math.atanh(r) + side * reach) for side in (-1, 1)]
        return {"r": r, "r, low 95 %": ends[0], "r, high 95 %": ends[1]}[name]

    def _raw_data(self, row: Row, name: str) -> Any:
        key = row["Model"], row["Task"], row["Prompt"]
        if name == "Tokens":
            return float(self.store.tokens[key])
        found = self._measure(name)
        if found is None:
            return None
        return float(self.store.prompts[row["Model"], found[0], row["Task"], row["Prompt"]])

    def _key_insights(self, row: Row, name: str) -> Any:
        shares = ("Share of variance", "Share, low 95 %", "Share, high 95 %")
        if name not in shares:
            return None
        place, metric = shares.index(name), row["Metric"]
        if row["Of"] == "tasks":
            own = self.stats["effects"].query("factor == 'task' and form == 'adjusted'")
            own = own[(own["metric"] == metric) & (own["scope"] == STANDARDISED)].iloc[0]
            return float(own[["omega_squared_partial", "low", "high"][place]])
        if row["Of"] == "models":
            own = self.stats["model_contrasts"]
            own = own[own["task"].isna() & (own["metric"] == metric) & own["low"].notna()]
            first = own.loc[own["hedges_g"].abs().idxmax()]
            ends = sorted(abs(first[end]) for end in ("hedges_g_low", "hedges_g_high"))
            g = [abs(first["hedges_g"]), *ends][place]
            return float(g**2 / (g**2 + 4))
        if row["Of"] == "length":
            r = min((self._length(model) for model in self.models), key=lambda own: abs(own[0]))
            return r[place] ** 2
        own = self.stats["leaders"]
        own = own[(own["metric"] == metric) & own["scope"].isin(self.models)]
        task = row["Finding"].split(" has the highest ")[0].lower().replace(" ", "_")
        rows = own[(own["task"] == task) & (own["holds"] == True)]  # noqa: E712
        said = [own for own in rows.to_dict("records") if own["scope"] in row["Finding"]]
        form = "adjusted" if any(own["form"] == "adjusted" for own in said) else "raw"
        (one,) = (own for own in said if own["form"] == form)
        spread = self.store.of(one["scope"], metric).std(ddof=1)
        g = [one["difference"] / spread, one["low"] / spread, NAN][place]
        return float(g**2 / (g**2 + 4))

    def _length(self, model: str) -> tuple[float, float, float]:
        values = self.store.of(model, "study.attention_entropy")
        pair = pd.concat([values, self.store.tokens[model]], axis=1).dropna().to_numpy().T
        if pair.shape[1] < 4:
            return math.inf, NAN, NAN
        r = float(np.corrcoef(pair)[0, 1])
        reach = 1.959963984540054 / math.sqrt(pair.shape[1] - 3)
        low, high = (math.tanh(math.atanh(r) + side * reach) for side in (-1, 1))
        return r, low, high

    def _three(self, name: str, head: str) -> str | None:
        heads = [head, *(f"{head}, {end}" for end in _ENDS)]
        return ("mean", "low", "high")[heads.index(name)] if name in heads else None

    def _master(self, row: Row, name: str) -> Any:
        metric, model, task = row["Metric"], row["Model"], row["Task"]
        values = self.store.prompts[model, metric, task].dropna()
        if name == "Prompts":
            return len(values)
        if name == "Place among tasks":
            mean = self.store.cell(model, metric, task)
            every = [self.store.cell(model, metric, own) for own in self.tasks]
            return NAN if math.isnan(mean) else 1 + sum(own > mean for own in every)
        if (kind := self._three(name, "Mean")) is not None:
            return interval(values.to_numpy())[("mean", "low", "high").index(kind)]
        kind = self._three(name, "At equal lengths")
        return None if kind is None else self.means[metric, model, "adjusted", task][kind]

    def _task_summary(self, row: Row, name: str) -> Any:
        metric, task = row["Metric"], row["Task"]
        means = np.array([self.store.cell(model, metric, task) for model in self.models])
        means = means[~np.isnan(means)]
        if name in ("Models", "Mean over models", "SD over models"):
            made = {"Models": len(means), "Mean over models": means.mean()}
            return made.get(name, means.std(ddof=1))
        if name == "Prompts":
            return self.means[metric, STANDARDISED, "raw", task]["n"]
        for head, form in (("As measured", "raw"), ("At equal lengths", "adjusted")):
            if (kind := self._three(name, head)) is not None:
                return self.means[metric, STANDARDISED, form, task][kind]
        return None

    def _pair(self, row: Row, a: str, b: str, task: str) -> Any:
        own = self.stats["model_contrasts"]
        own = own[own["metric"] == row["Metric"]]
        own = own[own["task"].isna() if task == "all tasks" else own["task"] == task]
        own = own[own["a"].isin([a, b]) & own["b"].isin([a, b])].iloc[0].to_dict()
        if own["a"] == a:
            return own
        turned = {"difference": -own["difference"], "low": -own["high"], "high": -own["low"]}
        return {**own, **turned}

    def _model_comparison(self, row: Row, name: str) -> Any:
        own = self._pair(row, row["A"], row["B"], row["Task"])
        known = {"p": "p", "p, all pairs": "p_max_t", "Hedges g": "hedges_g"}
        known |= {"A less B": "difference", "A less B, low 95 %": "low", "Prompts": "n_a"}
        known |= {"A less B, high 95 %": "high", "Hedges g, low 95 %": "hedges_g_low"}
        known |= {"Hedges g, high 95 %": "hedges_g_high"}
        return own[known[name]] if name in known else None

    def _layer_bands(self, row: Row, name: str) -> Any:
        values = self.store.bands(row["Model"], row["Metric"])[row["Band"]][row["Task"]]
        if name == "Prompts":
            return len(values.dropna())
        kind = self._three(name, "Mean")
        if kind is None:
            return None
        return interval(values.dropna().to_numpy())[("mean", "low", "high").index(kind)]

    def _highest_values(self, row: Row, name: str) -> Any:
        kind = self._three(name, "Ahead by")
        if kind is None and name != "Prompts":
            return None
        if row["What"] == "highest task":
            own: Any = self.stats["leaders"].query("form == 'raw'")
            own = own[(own["metric"] == row["Metric"]) & (own["scope"] == row["Of"])].iloc[0]
            assert (own["task"], own["other"]) == (row["Is"], row["Next"])
        else:
            tasks = self.tasks if row["Of"] == "all tasks" else [row["Of"]]
            means = {model: self._over(model, row["Metric"], tasks) for model in self.models}
            ranked = sorted((own for own in means if not math.isnan(means[own])), key=means.get)  # type: ignore[arg-type]
            assert ranked[-1:-3:-1] == [row["Is"], row["Next"]]
            own = self._pair(row, row["Is"], row["Next"], row["Of"])
        if name == "Prompts":
            return own["n"] if "n" in own else min(own["n_a"], own["n_b"])
        return own["difference" if kind == "mean" else kind]

    def _over(self, model: str, metric: str, tasks: list[str]) -> float:
        return float(self.store.of(model, metric)[tasks].mean())

    def _matrix(self, row: Row, name: str) -> Any:
        metric, task = row["Metric"], row["Task"]
        if name in self.models:
            return self.store.cell(name, metric, task)
        means = pd.Series([self.store.cell(model, metric, task) for model in self.models])
        over = {"Mean over models": means.mean(), "SD over models": means.std(ddof=1)}
        over |= {"Highest": means.max(), "Lowest": means.min()}
        return over.get(name)

    def _metrics(self, row: Row, name: str) -> Any:
        spec = self.specs[row["Metric"]]
        low, high = (NAN if end is None else end for end in spec.bounds)
        known = {"Lowest possible": low, "Highest possible": high, "Version": spec.version}
        return known.get(name)


def cells_of_book(path: Path, books: Books) -> Iterator[list[Callable[[], Cell]]]:
    """Yield what makes each number of a sheet a cell, a list a sheet."""
    book = openpyxl.load_workbook(path)
    for name in book.sheetnames[1:-1]:
        rows = [list(row) for row in book[name].iter_rows(values_only=True)]
        heads = [str(head) for head in rows[0]]
        makers: list[Callable[[], Cell]] = []
        if name == "Insights":
            continue
        for values in rows[1:]:
            row: dict[str, Any] = dict(zip(heads, values, strict=True))
            numbers = [head for head in heads if isinstance(row[head], int | float)]
            if makers == []:
                known = [head for head in heads if books(name, row, head) is not None]
                assert set(numbers) <= set(known), (name, set(numbers) - set(known))
            makers += [
                lambda row=row, head=head, name=name: Cell(  # type: ignore[misc]
                    f"{name}: {row}, {head}",
                    row[head],
                    books(name, row, head),
                )
                for head in known
            ]
        yield makers
