"""A run with chat templates reads what they make of the prompts, says so, and keeps to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from chats import IGNORES, chatting_folder, chatting_tokenizer
from report.made_runs import SMALL

from cortexscope.engine import RunRequest, Settings, run
from cortexscope.engine._batches import Batch
from cortexscope.engine._encode import Encoded, encode
from cortexscope.engine._request import Silent
from cortexscope.engine.passes.text import text_of
from cortexscope.errors import RunExistsError, SuiteError, UsageError
from cortexscope.models import open_chat
from cortexscope.profiles import profile
from cortexscope.records import Prompt, Truncation, Turn
from cortexscope.taps import Text
from cortexscope.tasks import Suite, Task, with_controls

PROMPTS = tuple(
    Prompt(f"p-{number}", "t", text)
    for number, text in enumerate(("one", "two three", "four five one two", "o n on"))
)
SUITE = Suite("s", "1", (Task("t", "", PROMPTS),))
CHAT = Settings(chat_template=True)
METRICS = ("residual_norm", "attention_entropy")
LONG = Prompt("long", "t", " ".join(["one two three four five"] * 20))


class Notes(Silent):
    """A progress that keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def chatting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chatting_folder(tmp_path_factory.mktemp("models") / "chatting")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chatting_folder(tmp_path_factory.mktemp("models") / "base", template=None)


def encoded(
    *prompts: Prompt, context: int | None = None, truncate: bool = False, system: str | None = None
) -> tuple[list[Encoded], list[Truncation]]:
    tokenizer = chatting_tokenizer()
    info = SMALL.info().model_copy(update={"model": "tiny", "stack_kind": "decoder"})
    return encode(
        prompts,
        tokenizer,
        model="tiny",
        context=context,
        truncate=truncate,
        vocabulary=len(tokenizer),
        chat=open_chat(tokenizer, info, system=system),
    )


def test_the_model_reads_what_the_tokenizer_makes_of_the_chat(chatting: Path) -> None:
    found = profile(f"m={chatting}", SUITE, metrics=METRICS, settings=CHAT)
    tokenizer = chatting_tokenizer()
    lengths = found.frame().drop_duplicates("prompt_id").set_index("prompt_id")["n_tokens"]
    for prompt in PROMPTS:
        turns = [{"role": "user", "content": prompt.text}]
        ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True)["input_ids"]
        assert lengths[prompt.id] == len(ids)
    plain = profile(f"m={chatting}", SUITE, metrics=METRICS).frame()
    fewer = plain.drop_duplicates("prompt_id").set_index("prompt_id")["n_tokens"]
    assert (lengths - fewer == 3).all()  # o, </s> and on; both have <s>


def test_the_numbers_are_those_of_the_chat_written_out(chatting: Path, base: Path) -> None:
    # The base model has the same weights; its tokenizer puts <s> in front itself.
    written = tuple(replace(p, text=f"o {p.text} </s> on") for p in PROMPTS)
    by_hand = profile(f"m={base}", Suite("s", "1", (Task("t", "", written),)), metrics=METRICS)
    found = profile(f"m={chatting}", SUITE, metrics=METRICS, settings=CHAT)
    assert found.frame().equals(by_hand.frame())
    assert list(found.prompts()["text"]) == [prompt.text for prompt in PROMPTS]


def test_the_manifest_says_what_stands_around_each_prompt(chatting: Path) -> None:
    settings = Settings(chat_template=True, system="five")
    manifest = profile(f"m={chatting}", SUITE, metrics=METRICS, settings=settings).manifest
    assert manifest.settings["chat_template"] is True
    assert manifest.settings["system"] == "five"
    assert manifest.chats["m"].frame == "<s>n five </s>o {prompt} </s> on"
    assert manifest.chats["m"].reason is None
    plain = profile(f"m={chatting}", SUITE, metrics=METRICS).manifest
    assert plain.settings["chat_template"] is False
    assert plain.chats == {}


@pytest.mark.slow
def test_beside_a_chatting_model_a_base_model_reads_the_prompts_as_they_are(
    chatting: Path, base: Path
) -> None:
    notes = Notes()
    found = profile(
        [f"base={base}", f"m={chatting}"], SUITE, metrics=METRICS, settings=CHAT, progress=notes
    )
    assert any(
        note.startswith("base: reads the prompts without chat template: its tokenizer has no")
        for note in notes.notes
    )
    assert found.manifest.chats["base"].frame is None
    assert "has no chat template" in str(found.manifest.chats["base"].reason)
    alone = profile(f"base={base}", SUITE, metrics=METRICS).frame()
    assert found.frame(models=["base"]).equals(alone)


def test_no_model_with_a_chat_template_is_wrong_use(base: Path, tmp_path: Path) -> None:
    request = RunRequest(
        models=(f"a={base}", f"b={base}"), suite=SUITE, out=tmp_path / "run", settings=CHAT
    )
    with pytest.raises(UsageError, match=r"no model of the run takes one \(a: its .*; b: its "):
        run(request)
    assert not request.out.exists()


def test_a_template_without_system_role_stops_the_run(tmp_path: Path) -> None:
    folder = chatting_folder(tmp_path / "model", template=IGNORES)
    settings = Settings(chat_template=True, system="five")
    with pytest.raises(UsageError, match="of m has no system role: it ignores it"):
        profile(f"m={folder}", SUITE, settings=settings)


def test_a_system_text_needs_the_chat_template() -> None:
    with pytest.raises(UsageError, match="no chat template to hold it; ask for that too"):
        Settings(system="five")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Settings(), r"chats\.m was .*settings\.chat_template was true and is false"),
        (
            Settings(chat_template=True, system="two"),
            r"chats\.m\.frame was .*settings\.system was null and is \"two\"",
        ),
    ],
)
def test_a_run_is_not_continued_with_another_chat(
    other: Settings, said: str, chatting: Path, tmp_path: Path
) -> None:
    asked = RunRequest((f"m={chatting}",), tmp_path / "run", SUITE, settings=CHAT, metrics=METRICS)
    run(asked)
    assert run(replace(asked, resume=True)).manifest.status == "complete"
    with pytest.raises(RunExistsError, match=said):
        run(replace(asked, settings=other, resume=True))


@pytest.mark.parametrize("context", [5, 6, 17, 40])
def test_a_long_prompt_is_cut_within_its_chat_template(context: int) -> None:
    (item,), (cut,) = encoded(LONG, context=context, truncate=True)
    words = chatting_tokenizer().convert_ids_to_tokens(list(item.ids))
    # A word is a token, and the template has four.
    assert words == ["<s>", "o", *LONG.text.split()[: context - 4], "</s>", "on"]
    assert (cut.tokens, cut.kept) == (104, context)


def test_a_prompt_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(SuiteError, match="of tiny takes 4 tokens and the model reads at most 4"):
        encoded(LONG, context=4, truncate=True)
    with pytest.raises(SuiteError, match="has 104 tokens and tiny reads at most 40"):
        encoded(LONG, context=40)


def test_the_random_control_leaves_the_chat_template_as_it_is() -> None:
    text = "on one two three four five on"
    control = Prompt("p~random", "t", text, control="random", origin="p")
    (plain, mixed), _ = encoded(Prompt("p", "t", text), control, system="one on")
    own = slice(6, -2)  # behind <s> n one on </s> o, before </s> on
    assert chatting_tokenizer().decode(plain.ids[own]) == text
    assert mixed.ids[:6] == plain.ids[:6]
    assert mixed.ids[-2:] == plain.ids[-2:]
    assert sum(a != b for a, b in zip(mixed.ids[own], plain.ids[own], strict=True)) >= 4


def test_the_bytes_of_a_chat_are_those_behind_its_first_token() -> None:
    (item,), _ = encoded(Prompt("p", "t", "one two"))
    seen = text_of(Batch((item,)), chatting_tokenizer(), decoder=False)
    assert isinstance(seen, Text)
    assert seen.sizes.tolist() == [len("<s>o one two </s> on") - len("<s>")]


def test_only_the_encoder_of_two_stacks_reads_the_chat() -> None:
    tokenizer = chatting_tokenizer()
    info = SMALL.info().model_copy(update={"model": "tiny", "stack_kind": "encoder-decoder"})
    (item,), _ = encode(
        [Prompt("p", "t", "one", target="two three")],
        tokenizer,
        model="tiny",
        context=None,
        truncate=False,
        decoder_start=0,
        chat=open_chat(tokenizer, info),
    )
    assert tokenizer.convert_ids_to_tokens(list(item.ids)) == ["<s>", "o", "one", "</s>", "on"]
    assert item.target == (0, *tokenizer("two three")["input_ids"][:-1])


TALK = (Turn("user", "one"), Turn("assistant", "two"), Turn("user", "three four"))
MIXED = (
    Prompt("talk", "t", "user: one ...", turns=TALK),
    Prompt("plain", "t", "one two"),
)


def test_a_conversation_is_read_in_the_chat_template_and_a_prompt_beside_it_is_not(
    chatting: Path,
) -> None:
    notes = Notes()
    suite = Suite("s", "1", (Task("t", "", MIXED),))
    found = profile(f"m={chatting}", suite, metrics=METRICS, progress=notes)
    tokenizer = chatting_tokenizer()
    said = [turn._asdict() for turn in TALK]
    ids = tokenizer.apply_chat_template(said, add_generation_prompt=True)["input_ids"]
    lengths = found.frame().drop_duplicates("prompt_id").set_index("prompt_id")["n_tokens"]
    assert dict(lengths) == {"talk": len(ids), "plain": len(tokenizer("one two")["input_ids"])}
    # The same numbers as the conversation written out, in a prompt of its own.
    written = tokenizer.apply_chat_template(said, add_generation_prompt=True, tokenize=False)
    by_hand = Suite("s", "1", (Task("t", "", (Prompt("talk", "t", written),)),))
    alone = profile(f"m={chatting}", by_hand, metrics=METRICS).frame()
    talk = found.frame().query("prompt_id == 'talk'").reset_index(drop=True)
    columns = ["metric", "layer", "head", "value"]
    assert talk[columns].equals(alone[columns].reset_index(drop=True))


def test_a_base_model_reads_a_conversation_as_its_text(base: Path) -> None:
    notes = Notes()
    suite = Suite("s", "1", (Task("t", "", MIXED),))
    found = profile(f"m={base}", suite, metrics=METRICS, progress=notes)
    lengths = found.frame().drop_duplicates("prompt_id").set_index("prompt_id")["n_tokens"]
    assert lengths["talk"] == len(chatting_tokenizer()("user: one ...")["input_ids"])
    assert any("m: reads 1 conversations without chat template" in note for note in notes.notes)


def test_controls_of_a_conversation_change_its_last_turn_alone() -> None:
    suite = with_controls(Suite("s", "1", (Task("t", "", MIXED[:1]),)), ["shuffled", "random"])
    talk, mixed, drawn = suite.prompts
    assert mixed.turns == (*TALK[:2], Turn("user", "four three"))
    items, _ = encoded(talk, mixed, drawn)
    ahead = len(encoded(replace(talk, turns=(*TALK[:2], Turn("user", ""))))[0][0].ids) - 2
    same = [a == b for a, b in zip(items[0].ids, items[2].ids, strict=True)]
    assert all(same[:ahead])
    assert all(same[-2:])
    assert len(items[0].ids) == len(items[2].ids)


def test_a_conversation_that_is_too_long_loses_the_end_of_its_last_turn() -> None:
    whole = encoded(MIXED[0])[0][0].ids
    items, cut = encoded(MIXED[0], context=len(whole) - 1, truncate=True)
    assert len(items[0].ids) == len(whole) - 1
    assert items[0].ids[-2:] == whole[-2:]
    assert cut[0].tokens == len(whole)
    with pytest.raises(SuiteError, match="the conversation before its last turn"):
        encoded(MIXED[0], context=4, truncate=True)
