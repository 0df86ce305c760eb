"""What two models make of the same prompts equals whole logits and states in float64."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from comparing.conftest import Comparer, of_family, saved, small, texts_of
from families import tiny_model
from models.tiny import tiny_tokenizer
from numpy.typing import NDArray

from cortexscope.comparing import _pairing
from cortexscope.comparing._sides import ModelSide
from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.store import Measurements, Run

Floats = NDArray[np.float64]

FAMILIES = ("llama", "gpt2", "gemma2", "mixtral", "falcon")


class Whole:
    """Reads one prompt at a time, by the model's own forward pass."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForCausalLM

        self.model = AutoModelForCausalLM.from_pretrained(folder).eval()
        self.tokenizer = tiny_tokenizer()

    def __call__(self, text: str) -> tuple[list[int], Floats, list[Floats]]:
        ids = self.tokenizer(text)["input_ids"]
        with torch.no_grad():
            output = self.model(torch.tensor([ids]), output_hidden_states=True)
        logits = output.logits[0].double()
        logs = logits - logits.logsumexp(-1, keepdim=True)
        # The last one is behind the last norm.
        return ids, logs.numpy(), [own[0].double().numpy() for own in output.hidden_states[:-1]]


def pairs(run: Run) -> tuple[Any, Any]:
    return Measurements.of(run).pairs()


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_rows_are_those_of_whole_logits_and_states(
    family: str, suite_file: Path, tmp_path: Path, comparer: Comparer
) -> None:
    first, second = of_family(tmp_path / "models", family)
    predictions, drifts = pairs(comparer([f"first={first}", f"second={second}"]))
    ours, theirs = Whole(first), Whole(second)
    compared = 0
    for prompt, text in texts_of(suite_file).items():
        ids, p, xs = ours(text)
        _, q, ys = theirs(text)
        row = predictions.set_index("prompt_id").loc[prompt]
        if len(ids) == 1:
            assert row.kl is None
            assert row.reason == "it has one token, and none is predicted"
        else:
            kl = (np.exp(p) * (p - q)).sum(-1)[:-1]
            assert kl.max() > 1e-3
            np.testing.assert_allclose(row.kl, kl, rtol=0, atol=1e-6)
            place = np.arange(len(ids) - 1), ids[1:]
            np.testing.assert_allclose(row.log_p_base, p[place], rtol=0, atol=1e-5)
            np.testing.assert_allclose(row.log_p, q[place], rtol=0, atol=1e-5)
            np.testing.assert_array_equal(row.same_top, (p.argmax(-1) == q.argmax(-1))[:-1])
            # The first word is not predicted, nor its space.
            size = len(text.encode()) - len(text.split()[0].encode())
            for column, logs in (("bits_per_byte_base", p), ("bits_per_byte", q)):
                bits = -logs[place].sum() / math.log(2) / size
                assert row[column] == pytest.approx(bits, abs=1e-6)
        own = drifts[drifts.prompt_id == prompt].set_index("layer")
        assert len(own) == len(xs) + 1
        for layer, (x, y) in enumerate(zip(xs, ys, strict=True)):
            sizes = np.linalg.norm(x, axis=-1), np.linalg.norm(y, axis=-1)
            distance = np.linalg.norm(y - x, axis=-1) / sizes[0]
            cosine = (x * y).sum(-1) / sizes[0] / sizes[1]
            assert own.distance[layer] == pytest.approx(distance.mean(), abs=1e-6)
            assert own.cosine[layer] == pytest.approx(cosine.mean(), abs=1e-6)
            if len(ids) > 1:
                assert own.distance_rest[layer] == pytest.approx(distance[1:].mean(), abs=1e-6)
                assert own.cosine_rest[layer] == pytest.approx(cosine[1:].mean(), abs=1e-6)
            compared += 1
    assert compared == 12 * len(xs)


@pytest.mark.slow
def test_a_model_beside_itself_differs_in_nothing(tmp_path: Path, comparer: Comparer) -> None:
    folder = small(tmp_path / "model")
    predictions, drifts = pairs(comparer([f"one={folder}", f"again={folder}"]))
    kl = np.concatenate(predictions.kl.dropna().tolist())
    assert len(kl) == 210
    assert not kl.any()
    assert np.concatenate(predictions.same_top.dropna().tolist()).all()
    assert not drifts.distance.to_numpy().any()


@pytest.mark.slow
def test_states_differ_from_the_changed_layer_on(tmp_path: Path, comparer: Comparer) -> None:
    first = small(tmp_path / "first")
    second = small(
        tmp_path / "second", change=lambda m: m.model.layers[2].mlp.down_proj.weight.mul_(1.5)
    )
    _, drifts = pairs(comparer([f"first={first}", f"second={second}"]))
    by_layer = drifts.groupby("layer").distance
    assert by_layer.max().loc[:2].tolist() == [0.0, 0.0, 0.0]
    assert (by_layer.min().loc[3:] > 0).all()


@pytest.mark.slow
def test_other_tokens_and_other_spaces_are_told(tmp_path: Path, comparer: Comparer) -> None:
    first, apart = small(tmp_path / "first"), small(tmp_path / "apart", seed=9)
    other = small(tmp_path / "other")
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.pre_tokenizer = None
    tokenizer.save_pretrained(other)
    predictions, drifts = pairs(comparer([f"first={first}", f"apart={apart}", f"other={other}"]))
    own = predictions[predictions.model == "apart"]
    assert own.kl.notna().sum() == 10
    assert set(own.drift_reason.str.partition(":")[0]) == {"neither stems from the other"}
    own = predictions[(predictions.model == "other") & predictions.kl.isna()]
    assert len(own) == 12
    assert own.reason.str.contains("tokenizers cut the prompt into different tokens").sum() == 10
    assert drifts[drifts.model == "apart"].empty


@pytest.mark.slow
def test_an_encoder_has_drift_and_says_why_it_has_no_more(
    tmp_path: Path, comparer: Comparer
) -> None:
    first = saved(tmp_path / "first", tiny_model("bert"))
    second = saved(tmp_path / "second", tiny_model("bert"))
    predictions, drifts = pairs(comparer([f"first={first}", f"second={second}"]))
    assert set(predictions.reason) == {"the model has no language-model head"}
    assert drifts.distance.notna().all()


@pytest.mark.slow
def test_bfloat16_is_near_and_not_the_same(tmp_path: Path, comparer: Comparer) -> None:
    folder = small(tmp_path / "model")
    predictions, _ = pairs(comparer([f"one={folder}"], noise_floor=True))
    assert set(predictions.model) == {"one in bfloat16"}
    assert predictions.noise.all()
    kl = np.concatenate(predictions.kl.dropna().tolist())
    assert 0 < kl.mean() < 1e-3


@pytest.mark.slow
def test_what_is_there_is_not_read_again(
    tmp_path: Path, comparer: Comparer, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [f"a={small(tmp_path / 'a')}", f"b={small(tmp_path / 'b', seed=1)}"]
    whole, _ = pairs(comparer(models))
    files = sorted((tmp_path / "run" / "pairs").iterdir())
    files[0].unlink()
    files[3].unlink()
    loaded = []
    load = _pairing.Planned.load

    def counted(own: _pairing.Planned) -> ModelSide:
        loaded.append(own.label)
        return load(own)

    monkeypatch.setattr(_pairing.Planned, "load", counted)
    before, _ = pairs(Run(tmp_path / "run"))
    assert before.empty
    again, _ = pairs(comparer(models, resume=True))
    assert again.astype(str).equals(whole.astype(str))
    assert sorted(loaded) == ["a", "b"]
    comparer(models, resume=True)
    assert len(loaded) == 2


def test_a_wrong_request_is_refused_before_anything_runs(
    tmp_path: Path, comparer: Comparer
) -> None:
    folder = small(tmp_path / "model")
    with pytest.raises(UnknownNameError, match="baseline 'onne' is none of the models"):
        comparer([f"one={folder}", f"two={folder}"], baseline="onne")
    with pytest.raises(UsageError, match="A comparison needs two models"):
        comparer([f"one={folder}"])
    assert not (tmp_path / "run").exists()
