"""Check one model: all there is to prove, or quickly what a run relies on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from cortexscope.errors import CortexscopeError, ModelError, UsageError
from cortexscope.measure.observer import needs_of
from cortexscope.metrics import MetricOptions, make_metrics
from cortexscope.metrics.base.metric import Metric
from cortexscope.models import Model
from cortexscope.records import Finding
from cortexscope.selfchecks._plain import Pass, run_plainly
from cortexscope.selfchecks._reading import Reading, watch
from cortexscope.selfchecks._subject import Subject, Text
from cortexscope.selfchecks._texts import make_texts
from cortexscope.selfchecks.attention import attention_rows
from cortexscope.selfchecks.blocks import block_order, hidden_states, residual_stream
from cortexscope.selfchecks.cause import attention_replaced, tokens_apart
from cortexscope.selfchecks.experts import expert_routing
from cortexscope.selfchecks.finite import finite_numbers
from cortexscope.selfchecks.lengths import longer_beside
from cortexscope.selfchecks.outputs import outputs_unchanged
from cortexscope.selfchecks.padding import padding_left, padding_right
from cortexscope.selfchecks.precision import precision_drift

__all__ = ["check_quickly", "selfcheck"]

_NEEDS = frozenset({"hidden", "final", "attention.entropy", "attention.first_key", "experts"})
_ATTENTION = frozenset({"attention.entropy", "attention.first_key"})
_WITNESSES = (
    "study.final_activation",
    "study.attention_entropy",
    "study.max_sparsity",
    "attention_entropy",
    "attention_entropy_normalized",
    "attention_sink_mass",
    "attention_first_token_mass",
    "attention_previous_token",
    "attention_effective_keys",
    "residual_norm",
    "block_influence",
    "attention_contribution",
    "mlp_contribution",
    "near_zero_fraction",
    "neuron_hoyer",
    "expert_load",
    "router_entropy",
)
"""The metrics that are compared: between them they read all that a tap shows. What others make of
the same is no matter of the model; their own tests hold it."""

_QUICK = (24, 9)
"""Tokens of the two prompts of a quick check."""


def selfcheck(
    model: nn.Module | Model,
    *,
    prompts: Sequence[Sequence[int]] | None = None,
    seed: int = 0,
) -> tuple[Finding, ...]:
    """Prove on a model itself that what cortexscope measures of it is right.

    The model is left as it was.

    Args:
        model: a Hugging Face model, a `cortexscope.Model`, or a module whose blocks are in a
            `ModuleList`, which is called with token ids, [prompt, token].
        prompts: token ids to read; random ones of 1 to 40 tokens where None.
        seed: of the random ones.

    Returns:
        What each check found; `passed` is False where one fails and None where it does not apply.

    Raises:
        UsageError: for something that is no model, or a model with an encoder and a decoder whose
            prompts are given.
        ModelError: if the model cannot run, or its blocks cannot be found.
    """
    subject, special, context = _subject_of(model)
    if prompts is not None and (not prompts or not all(prompts)):
        raise UsageError("selfcheck was given a prompt without tokens; give one or more token ids.")
    if prompts is not None and len(subject.anatomy.stacks) > 1:
        raise UsageError(
            "selfcheck makes its own prompts for a model with an encoder and a decoder; "
            "leave prompts out."
        )
    with subject.at_rest():
        if prompts is None:
            texts = make_texts(subject, special=special, context=context, seed=seed)
        else:
            texts = [Text(tuple(ids)) for ids in prompts]
        if not subject.takes_mask:
            # Without a mask only prompts of one length can stand side by side.
            texts = [max(texts, key=lambda text: len(text.ids))]
        found = [_all_checks(subject, group) for group in subject.groups(texts)]
        return (*_worst(found), longer_beside(subject, texts, context))


def _worst(groups: Sequence[Sequence[Finding]]) -> list[Finding]:
    """Return one finding a check: the first that fails, or else the one of the largest figure."""
    checks: dict[str, Finding] = {}
    for finding in (finding for group in groups for finding in group):
        before = checks.setdefault(finding.check, finding)
        if _gravity(finding) > _gravity(before):
            checks[finding.check] = finding
    return list(checks.values())


def _gravity(finding: Finding) -> tuple[int, float]:
    if finding.passed is False:
        return 2, 0.0
    return int(finding.passed is True), finding.figure or 0.0


def _subject_of(model: nn.Module | Model) -> tuple[Subject, list[int], int | None]:
    """Return a model to call, its special tokens and its context."""
    if isinstance(model, Model):
        tokenizer = model.tokenizer
        special = [] if tokenizer is None else list(tokenizer.all_special_ids)
        spare = [getattr(tokenizer, name, None) for name in ("pad_token_id", "eos_token_id")]
        padding = next((token for token in spare if token is not None), None)
        return Subject.of(model.module, padding, model.device), special, model.info.context
    if not isinstance(model, nn.Module):
        raise UsageError(
            f"selfcheck takes a torch module, and was given {type(model).__name__}; "
            "load one with cortexscope.load_model(reference)."
        )
    return Subject.of(model), [], None


def _all_checks(subject: Subject, texts: list[Text]) -> list[Finding]:
    metrics = make_metrics(_WITNESSES, MetricOptions())
    batch = subject.batch(texts)
    plain = _running(subject, lambda: run_plainly(subject, batch))
    findings = [block_order(subject, plain), finite_numbers(subject, batch, plain)]
    if not findings[1].passed:
        # All that is compared further on would differ for this reason alone.
        return findings
    try:
        reading = watch(subject, batch, metrics=metrics, needs=_NEEDS)
    except CortexscopeError as error:
        return [*findings, Finding(check="probe", passed=False, sentence=str(error))]
    # Long enough that tokens have others to look at, short enough for one pass a layer.
    short = min(texts, key=lambda text: abs(min(map(len, filter(None, text))) - 7))
    sites = list(reading.rows)

    def tried(name: str, check: Callable[[], Finding | list[Finding]]) -> None:
        try:
            found = check()
        except CortexscopeError as error:
            found = Finding(check=name, passed=False, sentence=str(error))
        findings.extend(found if isinstance(found, list) else [found])

    tried("hidden states", lambda: hidden_states(subject, plain, reading))
    tried("residual stream", lambda: residual_stream(subject, plain))
    tried("attention rows", lambda: attention_rows(subject, batch, reading))
    tried("attention replaced", lambda: attention_replaced(subject, short, sites))
    tried("nothing unseen", lambda: tokens_apart(subject, short, reading))
    tried("padding right", lambda: padding_right(subject, texts, metrics, reading))
    tried("padding left", lambda: padding_left(subject, texts, metrics))
    tried("outputs unchanged", lambda: outputs_unchanged(plain, reading))
    tried("expert load", lambda: expert_routing(subject, batch, plain, reading))
    tried("bf16 drift", lambda: precision_drift(subject, batch, metrics, reading))
    return findings


def check_quickly(model: Model, metrics: Sequence[Metric]) -> list[Finding]:
    """Return what the checks found that a run makes of each model before it measures.

    Two short prompts: padding, the rows of attention against plain matrices, whether tokens reach
    each other in other ways, the order of blocks, and the output with and without a probe.

    Args:
        model: loaded.
        metrics: those of the run; only what they read is checked.

    Raises:
        ModelError: if the model cannot run or be measured.
    """
    subject, special, context = _subject_of(model)
    with subject.at_rest():
        texts = make_texts(subject, special=special, context=context, lengths=_QUICK)
        asked = needs_of(metrics)
        chosen = [
            metric
            for metric in make_metrics(_WITNESSES, MetricOptions())
            if asked.issuperset(metric.spec.needs)
        ]
        found = [_quick_checks(subject, group, chosen) for group in subject.groups(texts)]
        return [*_worst(found), longer_beside(subject, texts, context)]


def _quick_checks(subject: Subject, texts: list[Text], metrics: Sequence[Metric]) -> list[Finding]:
    batch = subject.batch(texts)
    plain = _running(subject, lambda: run_plainly(subject, batch))
    findings = [block_order(subject, plain), finite_numbers(subject, batch, plain)]
    if not all(finding.passed for finding in findings):
        return findings
    needs = needs_of(metrics)
    needs |= {"hidden", "final"} | (_ATTENTION if needs & _ATTENTION else frozenset())
    reading: Reading = watch(subject, batch, metrics=metrics, needs=needs)
    findings.append(hidden_states(subject, plain, reading))
    if needs & _ATTENTION:
        findings += attention_rows(subject, batch, reading)
        findings.append(tokens_apart(subject, texts[-1], reading))
    findings.append(padding_right(subject, texts, metrics, reading))
    findings.append(outputs_unchanged(plain, reading))
    return findings


def _running(subject: Subject, run: Callable[[], Pass]) -> Pass:
    try:
        return run()
    except CortexscopeError:
        raise
    except Exception as error:
        raise ModelError(
            f"{type(subject.module).__name__} cannot be checked, since it does not run on token "
            f"ids ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}); "
            "see --debug."
        ) from error
