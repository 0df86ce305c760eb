"""Take parts out of a model from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cortexscope.engine import Progress, Settings, asked, carried_out, with_shared_arguments
from cortexscope.lesioning._lesion import Asked, lesion_request
from cortexscope.lesioning._lesions import Lesions

__all__ = ["lesion"]


@with_shared_arguments
def lesion(  # noqa: D417 - the decorator says the others
    model: str,
    *,
    part: str | Sequence[str] = "layers",
    loss: str = "surprisal",
    top: int = 20,
    suite: Any = "cognitive",  # noqa: ANN401 - whatever `load_suite` takes
    columns: str | Mapping[str, str] | None = None,
    template: str | None = None,
    tasks: Sequence[str] | None = None,
    controls: Sequence[str] = (),
    metrics: Sequence[str] | None = None,
    plugins: Sequence[Path | str] = (),
    out: Path | str | None = None,
    settings: Settings | None = None,
    resume: bool = False,
    force: bool = False,
    selfcheck: bool = True,
    progress: Progress | None = None,
) -> Lesions:
    """Take the parts of a model out one by one, and measure what each is needed for.

    The model is measured as it is first, as by `profile`, so that metrics can be held against what
    parts are needed for.

    Args:
        model: a model reference, such as `demo-decoder`.
        part: `layers`, `attention`, `mlp`, `heads`, `neurons` or `experts`, or several of them.
        loss: what findings judge parts by: `surprisal`, the change of bits per byte, or `kl`, the
            divergence from the intact model's predictions, which are both measured in any case; or
            a metric, which is then measured without each part too.
        top: of heads and of neurons, how many are taken out: the foremost of all by estimate.
        progress: told what happens.

    Raises:
        UsageError: if the request cannot be carried out as it stands.
        ModelError: if the model cannot be read or fails.
        StoreError: if the folder cannot be read or written.
    """
    wanted = Asked(kinds=(part,) if isinstance(part, str) else tuple(part), loss=loss, top=top)

    def work(folder: Path, progress: Progress) -> Lesions:
        request = asked(
            (model,),
            folder,
            suite=suite,
            columns=columns,
            template=template,
            tasks=tasks,
            controls=controls,
            metrics=metrics,
            plugins=plugins,
            settings=settings,
            resume=resume,
            force=force,
            selfcheck=selfcheck,
        )
        return lesion_request(request, wanted, progress)

    return carried_out(work, out, progress, resume=resume, force=force)
