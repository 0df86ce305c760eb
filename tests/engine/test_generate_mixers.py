"""What recurrent mixers do with one generated token is what they do with it in one pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from generated import folder_of, forced_row, forced_values, small_request, suite_of

from cortexscope.engine import Generation, Settings, run
from cortexscope.metrics import metric_names
from cortexscope.models import load_model

STEPS = 3
MIXERS = tuple(metric_names(("mixers",)))
FAMILIES = {"mamba": 3, "mamba2": 3, "bamba": 2, "qwen3_5_text": 2, "jamba": 2, "qwen3_next": 2}
"""With the number of their layers that have a mixer."""


@pytest.mark.parametrize("family", FAMILIES)
def test_mixers_are_heard_at_every_generated_token(family: str, tmp_path: Path) -> None:
    folder = folder_of(family, tmp_path / family)
    suite_of(folder)
    generation = Generation(tokens=STEPS)
    settings = Settings(generate=generation, sample_tokens=None, batch_tokens=64)
    asked = small_request(folder, tmp_path / "run", generation, metrics=MIXERS, settings=settings)
    finished = run(asked)
    model = load_model(str(folder))
    frame = finished.measurements(steps=True)
    prompts = finished.prompts().set_index("prompt_id")["text"]
    for row in finished.generations().to_dict("records"):
        ids = model.tokenizer(prompts[row["prompt_id"]], return_tensors="pt")["input_ids"]
        for step in range(1, STEPS + 1):
            own = frame[(frame["prompt_id"] == row["prompt_id"]) & (frame["step"] == step)]
            got = forced_values(own)
            text = [*ids[0].tolist(), *row["token_ids"][:step].tolist()]
            wanted = forced_row(model, list(MIXERS), input_ids=ids.new_tensor([text]))
            assert len(wanted) == len(MIXERS) * FAMILIES[family]
            assert got.index.equals(wanted.index)
            np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=1e-6)
