"""Which tasks models treat alike: a tree of the tasks, and a map of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortexscope.document import Figure, Join, Points, Scatter, Tree
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, task_title
from cortexscope.report._stacks import stacks_note
from cortexscope.report.figures._standard import MEANING, USUAL, standard_scores
from cortexscope.report.figures._words import counted

__all__ = ["Similarity", "build", "classical_map"]

_FEWEST = 3
"""Tasks, below which there is nothing to join."""
_CAPTION = (
    "The distance of two tasks is the root of the mean squared difference of their z over {k} "
    "pairs of model and metric. Left, tasks are joined where the mean of all distances between "
    "two branches is smallest (average linkage); the tree's distances have a correlation of "
    "{cophenetic:.2f} with those it is made of. Right, classical scaling (Torgerson) into two "
    "dimensions, which hold {kept:.0f} % of the variance of the distances; the axes have no "
    "meaning of their own. No interval is given: neighbours that are close to one another may "
    "change places in other prompts. "
)


@dataclass(frozen=True, slots=True)
class Similarity:
    """A dendrogram of the tasks, and their map."""

    metrics: tuple[str, ...] = USUAL
    tasks: tuple[str, ...] = ()
    """Only these are compared, all where empty."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; fewer than three tasks make none."""
        scores = standard_scores(frames, self.metrics, self.tasks)
        title = "Which tasks are treated alike"
        if scores["task"].nunique() < _FEWEST:
            return Figure("similarity", title, "", ())
        from scipy.cluster.hierarchy import cophenet, linkage
        from scipy.spatial.distance import pdist, squareform

        grid = scores.pivot(index="task", columns=["model", "metric"], values="z")
        grid = grid.reindex(index=list(dict.fromkeys(scores["task"])))
        distances = pdist(grid.to_numpy(dtype=np.float64)) / np.sqrt(grid.shape[1])
        joins = linkage(distances, method="average")
        found, names = classical_map(squareform(distances)), tuple(map(task_title, grid.index))
        square = squareform(distances) + np.diag(np.full(len(names), np.inf))
        one, other = np.unravel_index(square.argmin(), square.shape)
        alone = int(square.min(axis=1).argmax())
        return Figure(
            key="similarity",
            title=title,
            caption=_CAPTION.format(
                k=grid.shape[1],
                cophenetic=np.corrcoef(cophenet(joins), distances)[0, 1],
                kept=100 * found.kept,
            )
            + MEANING
            + counted(frames, self.tasks),
            panels=(
                Tree(
                    title="Tree of the tasks",
                    x_title="Distance (SD)",
                    leaves=names,
                    joins=tuple(Join(int(a), int(b), float(d)) for a, b, d, _ in joins),
                ),
                Scatter(
                    title="Map of the tasks",
                    x_title="First dimension (SD)",
                    y_title="Second dimension (SD)",
                    clouds=(Points("Tasks", 0, found.places[:, 0], found.places[:, 1], names, ""),),
                    x_word="SD",
                    named=True,
                ),
            ),
            notes=stacks_note(frames.many_stacked),
            finding=(
                f"The two tasks most alike are {names[one]} and {names[other]}, "
                f"{square.min():.2f} SD apart; {names[alone]} is farthest from its nearest "
                f"neighbour, {square[alone].min():.2f} SD."
            ),
        )


build = Similarity()


class Map(NamedTuple):
    """Points in a plane that lie about as far apart as they should."""

    places: NDArray[np.float64]
    """[point, 2]; of each dimension, the largest entry is positive."""
    kept: float
    """The share of the positive variance that the two dimensions hold."""


def classical_map(distances: NDArray[np.float64]) -> Map:
    """Return the classical scaling of distances, [point, point], into two dimensions.

    The two largest eigenvectors of -1/2 J D² J, J taking the means out of rows and columns, times
    the roots of their eigenvalues (Torgerson 1952, Psychometrika 17, 401-419). Points that lie in
    a plane are found as they are, but for a rotation and a reflection.
    """
    squares = distances**2
    rows = squares.mean(axis=1, keepdims=True)
    centred = -0.5 * (squares - rows - rows.T + squares.mean())
    sizes, vectors = np.linalg.eigh(centred)
    sizes, vectors = sizes[::-1].clip(min=0), vectors[:, ::-1]
    places = vectors[:, :2] * np.sqrt(sizes[:2])
    # An eigenvector has no sign of its own.
    largest = places[np.abs(places).argmax(axis=0), [0, 1]]
    return Map(places * np.where(largest < 0, -1.0, 1.0), float(sizes[:2].sum() / sizes.sum()))
