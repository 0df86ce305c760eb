"""Write `docs/gallery.md`: every figure of a run, with what it shows and how it is made.

`python docs/gallery.py RUN` writes the page and its pictures; statistics that take a while are
made where they are not kept.
"""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from cortexscope.document import Figure, save
from cortexscope.errors import UnknownNameError
from cortexscope.report import FIGURES, build_figures
from cortexscope.report.figures import STATISTICS
from cortexscope.store import Run

__all__ = ["write"]

DOCS = Path(__file__).parent
LARGEST = 48_000
"""Bytes of a picture."""
WIDEST = 1100
"""Pixels."""
COLOURS = 32

HEAD = """# Figures

Written by `python docs/gallery.py RUN` from a run of {prompts} prompts and {models}: do not edit
it by hand. `cortexscope figures RUN` draws all that a run has into its folder `figures`, as PNG,
SVG or PDF; `--only KEY` draws one. What stands under a picture is what the figure says of itself.

| option | what it does |
|---|---|
| `--metric NAME` | draws this metric in the place of the figure's own; may be repeated |
| `--task NAME` | only this task; may be repeated |
| `--prompt ID` | the prompt that `logit_lens`, `tokens` and `brain_tokens` draw |
| `--published FILE` | the study's models beside the run's, in `parameters` |
| `--width one`, `--width two` | as wide as one column of a journal, 85 mm, or two, 178 mm |
| `--format png`, `svg`, `pdf` | may be repeated |

From Python: `cortexscope.report.build_figures(run, only=["depth"], metrics=["residual_norm"])`
gives figures as data, and `write_figures` writes them. A figure of your own is one file: a
dataclass of options that makes a `Figure` of a run when it is called, named in the entry points
`cortexscope.figures`.
"""

ABSENT = """
## Not in this run

"""


def write(run: Run, docs: Path = DOCS) -> Path:
    """Write the page and its pictures into a folder of documents; return the page's path."""
    figures = _figures(run)
    pictures = docs / "images" / "gallery"
    pictures.mkdir(parents=True, exist_ok=True)
    models = len(run.manifest.models)
    parts = [
        HEAD.format(
            prompts=run.manifest.suite.prompts,
            models=f"{models} models" if models > 1 else "1 model",
        )
    ]
    for figure in figures:
        (pictures / f"{figure.key}.png").write_bytes(_picture(figure))
        parts.append(_entry(figure))
    parts.append("".join([ABSENT, *_absent({figure.key for figure in figures})]))
    page = docs / "gallery.md"
    page.write_text("".join(parts), encoding="utf-8")
    return page


def _figures(run: Run) -> list[Figure]:
    found = {figure.key: figure for figure in build_figures(run) if figure.panels}
    for key in STATISTICS:
        if key not in found:
            try:
                (figure,) = build_figures(run, only=[key])
            except UnknownNameError:
                continue
            if figure.panels:
                found[key] = figure
    order = FIGURES.names()
    return sorted(
        found.values(), key=lambda own: order.index(own.key) if own.key in order else len(order)
    )


def _picture(figure: Figure) -> bytes:
    """Return a figure as PNG of few colours, no larger than a page can bear."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "figure.png"
        save(figure, [path])
        drawn = Image.open(path).convert("RGB")
    width = WIDEST
    while True:
        drawn.thumbnail((width, 2 * width))
        out = io.BytesIO()
        # Colours of small marks are kept, which a median of all pixels would turn grey.
        few = drawn.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(out, "PNG", optimize=True)
        if out.tell() <= LARGEST:
            return out.getvalue()
        width -= 100


def _entry(figure: Figure) -> str:
    notes = "".join(f"\n\n*{_plain(note)}*" for note in figure.notes)
    return (
        f"\n## `{figure.key}`: {_plain(figure.title)}\n\n"
        f"**{_plain(figure.finding)}**\n\n"
        f"![{_plain(figure.title)}](images/gallery/{figure.key}.png)\n\n"
        f"{_plain(figure.caption)}{notes}\n\n"
        f"    cortexscope figures RUN --only {figure.key}\n"
    )


def _absent(drawn: set[str]) -> Iterator[str]:
    for key in FIGURES.names():
        if key not in drawn:
            module = importlib.import_module(FIGURES.place(key).partition(":")[0])
            yield f"- `{key}`: {(module.__doc__ or '').splitlines()[0]}\n"


def _plain(text: str) -> str:
    """Return text whose signs mean themselves in Markdown."""
    return "".join(f"\\{sign}" if sign in "*_<~[" else sign for sign in text)


if __name__ == "__main__":
    print(write(Run(Path(sys.argv[1]))))
