"""Data sets of the hub, read from small local copies in their own columns."""

from __future__ import annotations

import importlib.util
import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import datasets
import pytest
from tasks.copies import FORMATS, LANGUAGES, write_copy
from tasks.known_rows import ROWS

from cortexscope.errors import SuiteError, UnknownNameError, UsageError
from cortexscope.records import Prompt
from cortexscope.tasks import load_suite
from cortexscope.tasks._datasets import data_sets

ASKED = {
    "sentiment": "sst2",
    "topic": "ag_news",
    "inference": "mnli",
    "paraphrase": "mrpc",
    "acceptability": "cola",
    "commonsense": "winogrande",
    "causal": "copa",
    "entailment": "rte",
    "reading": "squad",
    "logic": "cb",
    "long_context": "narrativeqa",
    "short_memory": "babi",
    "semantic_memory": "conceptnet",
    "mathematics": "math_qa",
    "numbers": "drop",
    "stories": "writingprompts",
    "dialogue": "daily_dialog",
    "poems": "poetry",
    "emotion": "emotion",
    "irony": "irony",
    "hate_speech": "hate",
    "fact_checking": "fever",
    "open_questions": "natural_questions",
}
"""The tasks of the study's script and the data set behind each."""
FURTHER = {"gsm8k", "mmlu", "hellaswag", "arc", "truthfulqa", "humaneval", "mbpp"}


def sentences(path: Path, count: int, *, form: str = ".jsonl", **more: list[Any]) -> Path:
    """Write a copy of sst2 whose sentences are numbered."""
    columns: dict[str, Any] = {
        "idx": list(range(count)),
        "sentence": [f"film number {number}" for number in range(count)],
        "label": [number % 2 for number in range(count)],
    }
    return write_copy(path, columns | more, form)


def prompts_of(asked: str) -> Sequence[Prompt]:
    return load_suite(f"datasets:{asked}").prompts


def test_the_table_holds_the_data_sets_that_people_know() -> None:
    known = data_sets()
    assert {row.task: name for name, row in known.items() if name in ASKED.values()} == ASKED
    assert set(known) == {*ASKED.values(), *FURTHER, *LANGUAGES}
    assert len({row.task for row in known.values()}) == len(known)
    assert {row.group for row in known.values() if row.name in LANGUAGES} == {"flores"}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_every_row_of_the_table_gives_its_prompt_in_every_format(form: str, tmp_path: Path) -> None:
    copies = {
        name: write_copy(tmp_path / name, {k: [v] for k, v in row.columns.items()}, form)
        for name, row in ROWS.items()
    }
    suite = load_suite("datasets:" + ",".join(f"{name}={path}" for name, path in copies.items()))
    assert set(ROWS) == set(data_sets())
    for prompt, (name, row) in zip(suite.prompts, ROWS.items(), strict=True):
        known = data_sets()[name]
        place = f"{copies[name].name}:0"
        kept = {label: row.columns[label] for label in known.labels}
        named = {
            label: known.labels[label][value] if isinstance(value, int) else value
            for label, value in kept.items()
        }
        assert prompt == Prompt(
            f"{name}-0", known.task, row.text, place, target=row.target, attributes=named
        )


def test_class_labels_are_written_by_name(tmp_path: Path) -> None:
    features = datasets.Features(
        sentence=datasets.Value("string"),
        label=datasets.ClassLabel(names=["negative", "positive"]),
        idx=datasets.Value("int32"),
    )
    rows = {"sentence": ["good", "bad", "unknown"], "label": [1, 0, -1], "idx": [0, 1, 2]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "copy"))
    found = prompts_of(f"sst2={tmp_path / 'copy'}")
    assert [prompt.target for prompt in found] == ["positive", "negative", None]


@pytest.mark.parametrize("label", ["1", 1.0, "positive"])
def test_a_label_may_be_a_number_in_any_form_or_a_name(label: Any, tmp_path: Path) -> None:
    path = sentences(tmp_path / "copy", 2, label=[label, label])
    assert {prompt.target for prompt in prompts_of(f"sst2={path}")} == {"positive"}


@pytest.mark.parametrize("label", [2, -1, 0.5, math.nan, math.inf, None, "seven"])
def test_a_label_without_a_name_is_no_target(label: Any, tmp_path: Path) -> None:
    path = sentences(tmp_path / "copy", 2, form="folder", label=[label, label])
    assert {prompt.target for prompt in prompts_of(f"sst2={path}")} == {None}


def test_the_same_rows_are_chosen_whatever_else_is_asked(tmp_path: Path) -> None:
    film, news = sentences(tmp_path / "film", 50), tmp_path / "news"
    columns = {"text": [f"news {number}" for number in range(50)], "label": [0] * 50}
    write_copy(news, columns, ".jsonl")
    one, two = f"sst2@7={film}", f"ag_news@5={news}.jsonl"
    alone = prompts_of(one)
    assert len(alone) == 7
    assert [p for p in prompts_of(f"{one},{two}") if p.task == "sentiment"] == list(alone)
    assert [p for p in prompts_of(f"{two},{one}") if p.task == "sentiment"] == list(alone)
    # Not the first rows, and in the order of the rows.
    numbers = [int(prompt.id.removeprefix("sst2-")) for prompt in alone]
    assert numbers == sorted(numbers) != list(range(7))
    assert [prompt.text.splitlines()[0] for prompt in alone] == [
        f"film number {number}" for number in numbers
    ]


def test_a_larger_sample_holds_the_smaller_and_at_most_all_rows(tmp_path: Path) -> None:
    path = sentences(tmp_path / "copy", 120)
    samples = [
        {prompt.id for prompt in prompts_of(f"sst2{asked}={path}")}
        for asked in ("@1", "@40", "", "@119", "@5000")
    ]
    assert [len(sample) for sample in samples] == [1, 40, 100, 119, 120]
    assert all(less < more for less, more in pairwise(samples))


def test_languages_read_the_same_sentences(tmp_path: Path) -> None:
    columns = {code: [f"{code} {n}" for n in range(30)] for code, _ in LANGUAGES.values()}
    path = write_copy(tmp_path / "flores", columns, ".parquet")
    suite = load_suite(f"datasets:flores@4={path}")
    assert len(suite.tasks) == len(LANGUAGES)
    numbers = {tuple(p.text.split()[1] for p in task.prompts) for task in suite.tasks}
    assert len(numbers) == 1


def test_rows_without_text_are_skipped_and_counted(tmp_path: Path) -> None:
    texts = ["one", None, "  ", "a\0b", "two"]
    path = sentences(tmp_path / "copy", 5, form="folder", sentence=texts)
    suite = load_suite(f"datasets:sst2={path}")
    # sst2 asks a question after the sentence, so that white space alone still makes a text.
    assert [prompt.id for prompt in suite.prompts] == ["sst2-0", "sst2-2", "sst2-4"]
    said = suite.tasks[0].description
    assert "(3 of 5 rows of " in said
    assert "2 skipped, the first as " in said
    columns = {"content": texts, "author": ["x"] * 5}
    poems = write_copy(tmp_path / "poems", columns, "folder")
    assert [p.id for p in prompts_of(f"poetry={poems}")] == ["poetry-0", "poetry-4"]


def test_no_row_with_a_prompt_is_an_error_with_the_reason(tmp_path: Path) -> None:
    path = write_copy(tmp_path / "p", {"content": [" ", ""]}, ".parquet")
    with pytest.raises(SuiteError, match=r"No row of .*p\.parquet gives a prompt .*the text is em"):
        prompts_of(f"poetry={path}")
    empty = tmp_path / "empty"
    datasets.Dataset.from_dict({"content": ["a"]}).filter(lambda row: False).save_to_disk(
        str(empty)
    )
    with pytest.raises(SuiteError, match="has no rows for data set 'poetry'"):
        prompts_of(f"poetry={empty}")


def test_a_missing_column_is_named_with_those_there(tmp_path: Path) -> None:
    path = write_copy(tmp_path / "copy", {"text": ["a"], "label": [1]}, ".csv")
    with pytest.raises(SuiteError) as raised:
        prompts_of(f"sst2={path}")
    assert str(raised.value) == (
        f"{path} lacks the column 'sentence' of data set 'sst2' and has text, label; give a copy "
        "of nyu-mll/glue (sst2) with its own columns."
    )
    with pytest.raises(SuiteError, match="lacks the columns 'hypothesis', 'premise' of data set"):
        prompts_of(f"mnli={path}")


def test_a_folder_of_several_splits_gives_the_split_of_the_table(tmp_path: Path) -> None:
    def made(text: str) -> datasets.Dataset:
        return datasets.Dataset.from_dict({"sentence": [text], "label": [0]})

    both = datasets.DatasetDict(train=made("no"), validation=made("yes"))
    both.save_to_disk(str(tmp_path / "both"))
    assert prompts_of(f"sst2={tmp_path / 'both'}")[0].text.startswith("yes")
    datasets.DatasetDict(other=made("sole")).save_to_disk(str(tmp_path / "sole"))
    assert prompts_of(f"sst2={tmp_path / 'sole'}")[0].text.startswith("sole")
    datasets.DatasetDict(train=made("no"), test=made("no")).save_to_disk(str(tmp_path / "none"))
    with pytest.raises(SuiteError, match="has the splits train, test and not 'validation'"):
        prompts_of(f"sst2={tmp_path / 'none'}")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("gone.parquet", None, "There is no .*gone.parquet to read the data set 'sst2' from"),
        ("a.tsv", "sentence\tlabel\n", "has the ending '.tsv', and the data set 'sst2' is read"),
        ("a.parquet", "nothing of the kind", "a.parquet cannot be read as a copy"),
        ("a.jsonl", '{"sentence": "a", "label', "a.jsonl cannot be read as a copy"),
        ("a.csv", "", "a.csv cannot be read as a copy"),
    ],
)
def test_a_wrong_copy_is_one_sentence(
    name: str, content: str | None, said: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(SuiteError, match=said) as raised:
        prompts_of(f"sst2={file}")
    assert "\n" not in str(raised.value)


def test_a_folder_of_other_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"was not saved by Dataset\.save_to_disk"):
        prompts_of(f"sst2={tmp_path}")


@pytest.mark.parametrize(
    ("asked", "kind", "said"),
    [
        ("sst", UnknownNameError, "There is no data set 'sst'; did you mean 'sst2'"),
        ("", UnknownNameError, "There is no data set ''"),
        ("flore", UnknownNameError, "did you mean 'flores'"),
        ("sst2@0", UsageError, "is '0'; write a whole number above 0"),
        ("sst2@many", UsageError, "such as sst2@200"),
        ("sst2=", UsageError, "'sst2=' names no path; write sst2=PATH"),
        ("squad,sst2@3,squad", UsageError, "The data set 'squad' is named twice"),
        ("flores,flores_deu", UsageError, "The data set 'flores_deu' is named twice"),
    ],
)
def test_a_wrong_request_is_one_sentence(asked: str, kind: type[UsageError], said: str) -> None:
    with pytest.raises(kind, match=said) as raised:
        prompts_of(asked)
    assert "\n" not in str(raised.value)


def test_columns_may_stand_in_place_of_the_tables(tmp_path: Path) -> None:
    film = sentences(tmp_path / "film.jsonl", 3)
    suite = load_suite(
        f"datasets:sst2={film}", template="Say: {sentence}", columns={"mood": "label"}
    )
    assert suite.prompts[0].text.startswith("Say: ")
    assert set(suite.prompts[0].attributes) == {"mood"}
    with pytest.raises(UsageError, match="sheet was given, and data sets are read by"):
        load_suite("datasets:sst2", sheet="one")


def test_a_limit_is_one_on_all_data_sets(tmp_path: Path) -> None:
    film = sentences(tmp_path / "film.jsonl", 9)
    whole = load_suite(f"datasets:sst2={film}")
    some = load_suite(f"datasets:sst2={film}", limit=4)
    assert (len(whole.prompts), len(some.prompts)) == (9, 4)
    assert set(some.prompts) < set(whole.prompts)


def test_a_saved_folder_is_read_as_any_rows_are(tmp_path: Path) -> None:
    copy = write_copy(tmp_path / "qa", {"question": ["Why?"], "answer": ["So."]}, "folder")
    suite = load_suite(copy)
    assert [(p.id, p.text, p.target) for p in suite.prompts] == [("qa-1", "Why?", "So.")]


def test_a_path_may_hold_commas_and_signs(tmp_path: Path) -> None:
    film = sentences(tmp_path / "a, b c=d@e", 3)
    news = write_copy(tmp_path / "e", {"text": ["x"], "label": [0]}, ".jsonl")
    suite = load_suite(f"datasets:sst2@2={film}, ag_news={news}")
    assert suite.name == "datasets:sst2@2,ag_news"
    assert Counter(prompt.task for prompt in suite.prompts) == {"sentiment": 2, "topic": 1}


def test_a_missing_package_is_one_sentence_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name, *more: None if name == "datasets" else found(name, *more),
    )
    with pytest.raises(UsageError, match=r"pip install 'cortexscope\[datasets\]'"):
        prompts_of(f"sst2={tmp_path}")


def test_reading_leaves_the_logs_and_bars_of_others_as_they_were(tmp_path: Path) -> None:
    path = sentences(tmp_path / "copy", 2)
    before = datasets.logging.get_verbosity(), datasets.are_progress_bars_disabled()
    prompts_of(f"sst2={path}")
    assert before == (datasets.logging.get_verbosity(), datasets.are_progress_bars_disabled())
