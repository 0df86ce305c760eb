"""Two models with real weights, against whole logits and states in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from comparing.conftest import Comparer, texts_of
from numpy.typing import NDArray

from cortexscope.models import Model, load_model
from cortexscope.store import Measurements

pytestmark = [pytest.mark.weights, pytest.mark.slow]

Floats = NDArray[np.float64]
Read = Callable[[str], tuple[list[int], Floats | None, list[Floats]]]

CHANGE = "weights:int4"


def _whole(model: Model) -> Read:
    """Return what reads one prompt by the model's own forward pass."""

    def read(text: str) -> tuple[list[int], Floats | None, list[Floats]]:
        ids = model.tokenizer(text)["input_ids"]
        with torch.no_grad():
            output: Any = model.module(torch.tensor([ids]), output_hidden_states=True)
        states = [own[0].double().numpy() for own in output.hidden_states]
        logits = getattr(output, "logits", None)
        logs = None if logits is None else torch.log_softmax(logits[0].double(), -1).numpy()
        return ids, logs, states

    return read


@pytest.mark.parametrize("reference", ["demo-decoder", "demo-encoder"])
def test_rows_are_those_of_whole_logits_and_states(
    reference: str, suite_file: Path, comparer: Comparer
) -> None:
    found = Measurements.of(comparer([f"whole={reference}", f"coarse={reference}~{CHANGE}"]))
    predictions, drifts = found.pairs()
    intact = load_model(reference)
    ours, theirs = _whole(intact), _whole(load_model(f"{reference}~{CHANGE}"))
    tokenizer = intact.tokenizer
    decoder = reference == "demo-decoder"
    most = 0.0
    for prompt, text in texts_of(suite_file).items():
        ids, p, xs = ours(text)
        _, q, ys = theirs(text)
        row = predictions.set_index("prompt_id").loc[prompt]
        if not decoder:
            assert row.kl is None
        elif len(ids) > 1:
            assert p is not None
            assert q is not None
            kl = (np.exp(p) * (p - q)).sum(-1)[:-1]
            most = max(most, kl.max())
            np.testing.assert_allclose(row.kl, kl, rtol=1e-5, atol=1e-6)
            place = np.arange(len(ids) - 1), ids[1:]
            # The first token is not predicted.
            size = len(text.encode()) - len(tokenizer.decode(ids[:1]).encode())
            for column, logs in (("bits_per_byte_base", p), ("bits_per_byte", q)):
                bits = -logs[place].sum() / math.log(2) / size
                assert row[column] == pytest.approx(bits, abs=1e-6)
        own = drifts[drifts.prompt_id == prompt].set_index("layer")
        # The last state of a decoder is behind its last norm.
        for layer, (x, y) in enumerate(zip(xs[: -1 if decoder else None], ys, strict=False)):
            sizes = np.linalg.norm(x, axis=-1), np.linalg.norm(y, axis=-1)
            distance = np.linalg.norm(y - x, axis=-1) / sizes[0]
            cosine = (x * y).sum(-1) / sizes[0] / sizes[1]
            assert own.distance[layer] == pytest.approx(distance.mean(), abs=1e-6)
            assert own.cosine[layer] == pytest.approx(cosine.mean(), abs=1e-6)
    assert not decoder or most > 0.1
