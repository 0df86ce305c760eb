"""Which heads are called sinks or collapsed, on rows made by hand; thresholds are options."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from batches import inputs_for
from eager import eager, watch
from families import FAMILIES, tiny_model
from torch import Tensor

from cortexscope import load_model
from cortexscope.measure import attach
from cortexscope.measure.observer import Finished, Observer, needs_of
from cortexscope.metrics import MetricOptions, make_metrics
from cortexscope.metrics.base.metric import Layout
from cortexscope.models import find_anatomy
from cortexscope.records import Site
from cortexscope.taps import AttentionRows, Tap, Tokens

SITE = Site("decoder", 1)
FLAGS = ("attention_sink_rate", "attention_sink_rate_64", "attention_entropy_collapse")


def flags_of(
    masses: Tensor,
    *,
    mask: Tensor | None = None,
    visible: Tensor | None = None,
    sink: bool = False,
    entropy: Tensor | None = None,
    options: MetricOptions | None = None,
) -> dict[str, float]:
    """Return each flag of one head that puts these masses on the first token."""
    length = len(masses)
    tokens = Tokens(torch.ones(1, length, dtype=torch.bool) if mask is None else mask)
    keys = torch.arange(1, length + 1) if visible is None else visible
    rows = AttentionRows(
        tokens,
        keys[None, None],
        {
            "entropy": torch.zeros(1, 1, length) if entropy is None else entropy[None, None],
            "first_token": masses[None, None],
            **({"learned_sink": torch.zeros(1, 1, length)} if sink else {}),
        },
    )
    layout = Layout(hidden=(), blocks=(), attention=((SITE,),), final=())
    found = {}
    for metric in make_metrics(FLAGS, options or MetricOptions()):
        (values,) = metric.compute(metric.update({}, SITE, rows), layout)
        assert values.values is not None
        found[metric.spec.name] = values.values.item()
    return found


def test_a_head_is_a_sink_where_its_mean_exceeds_the_threshold() -> None:
    for mass, flag in ((0.31, 1.0), (0.29, 0.0)):
        masses = torch.full((80,), mass)
        got = flags_of(masses)
        assert (got["attention_sink_rate"], got["attention_sink_rate_64"]) == (flag, flag)
        got = flags_of(masses, options=MetricOptions(sink_threshold=0.1))
        assert (got["attention_sink_rate"], got["attention_sink_rate_64"]) == (1.0, flag)


@pytest.mark.parametrize("threshold", [0.3, 0.2, 0.52])
@pytest.mark.parametrize("way", ["causal", "all", "learned sink", "window"])
def test_there_is_no_sink_rate_where_even_attention_would_be_a_sink(
    way: str, threshold: float
) -> None:
    for length in range(1, 40):
        row = np.arange(1, length + 1)
        counts = {
            "causal": row,
            "all": np.full(length, length),
            "learned sink": row + 1,
            "window": row.clip(max=8),
        }[way]
        even = np.where((way != "window") | (row <= 8), 1 / counts, 0)
        got = flags_of(
            torch.tensor(even),
            visible=torch.tensor(counts),
            sink=way == "learned sink",
            options=MetricOptions(sink_threshold=threshold),
        )["attention_sink_rate"]
        # What is not flagged as a sink may be told from one.
        assert np.isnan(got) if even.mean() > threshold else got == 0
        if way == "causal" and threshold == 0.3:
            assert np.isnan(got) == (length <= 9)
        if way == "all" and threshold == 0.3:
            assert np.isnan(got) == (length <= 3)


def test_the_rate_at_64_tokens_takes_the_first_64_and_the_first_row() -> None:
    masses = torch.cat([torch.full((64,), 0.25), torch.ones(40)])
    got = flags_of(masses)
    assert (got["attention_sink_rate"], got["attention_sink_rate_64"]) == (1.0, 0.0)
    masses = torch.zeros(104)
    masses[:20] = 1.0
    got = flags_of(masses)
    assert (got["attention_sink_rate"], got["attention_sink_rate_64"]) == (0.0, 1.0)
    # Padding on the left moves nothing.
    mask = torch.ones(1, 114, dtype=torch.bool)
    mask[:, :10] = False
    masses = torch.cat([torch.full((10,), torch.nan), masses])
    assert flags_of(masses, mask=mask, visible=torch.arange(114) - 9) == got


def test_the_rate_at_64_tokens_is_undefined_where_it_was_not_published_for() -> None:
    assert np.isnan(flags_of(torch.ones(63))["attention_sink_rate_64"])
    all_seen = torch.full((80,), 80)
    assert np.isnan(flags_of(torch.ones(80), visible=all_seen)["attention_sink_rate_64"])
    # A learned sink is one outcome more, and looks nowhere.
    one_more = torch.arange(80) + 2
    got = flags_of(torch.ones(80), visible=one_more, sink=True)
    assert got["attention_sink_rate_64"] == 1


def test_a_mean_that_is_no_number_gives_no_flag() -> None:
    masses = torch.ones(80)
    masses[3] = torch.nan
    got = flags_of(masses)
    assert np.isinf([got["attention_sink_rate"], got["attention_sink_rate_64"]]).all()


def test_a_head_has_collapsed_where_its_normalised_entropy_is_below_a_tenth() -> None:
    ceiling = torch.arange(1, 81).double().log()
    for share, flag in ((0.09, 1.0), (0.11, 0.0)):
        got = flags_of(torch.ones(80), entropy=share * ceiling)
        assert got["attention_entropy_collapse"] == flag


def test_thresholds_and_windows_are_options() -> None:
    model = tiny_model("gpt2")
    batch = inputs_for(FAMILIES["gpt2"], [40])
    probabilities = watch(eager(model), FAMILIES["gpt2"], batch)[0].attention[2].probabilities
    for threshold, window in ((0.11, 3), (0.2, 40)):
        options = MetricOptions(sink_threshold=threshold, window=window)
        metrics = make_metrics(["attention_sink_rate", "attention_local_mass"], options)
        found: dict[str, list[float]] = {}

        def keep(finished: Finished, found: dict[str, list[float]] = found) -> None:
            for metric, values in finished.results:
                (tensor,) = [v.values for v in values if v.values is not None]
                found[metric.spec.name] = tensor[1, 0].tolist()

        anatomy = find_anatomy(model)
        observer = Observer(metrics, anatomy, keep)
        with Tap(model, anatomy, needs=needs_of(metrics), receiver=observer), torch.no_grad():
            model(**batch)
        near = np.tril(np.ones((40, 40))) - np.tril(np.ones((40, 40)), -window)
        sums = (probabilities * near).sum((1, 2)) / 40
        rates = (probabilities[:, :, 0].mean(1) > threshold).astype(float)
        np.testing.assert_allclose(found["attention_local_mass"], sums, rtol=1e-4)
        assert found["attention_sink_rate"] == rates.tolist()


@pytest.mark.weights
def test_the_demo_decoder_has_sinks_and_other_heads() -> None:
    model = load_model("demo-decoder")
    text = (
        "The committee met on Tuesday to discuss the budget of the coming year. Some members spoke "
        "of rising costs, and others said that schools could not wait. After two hours they put "
        "off the vote until a report on the state of local roads was finished, which nobody "
        "expected before the end of the month, and went home through the rain."
    )
    inputs = model.tokenizer(text, return_tensors="pt")
    with attach(model, metrics=FLAGS) as probe, torch.no_grad():
        model.module(**inputs)
    frame = probe.frame()
    for name in FLAGS:
        assert set(frame[frame["metric"] == name]["value"]) == {0.0, 1.0}
