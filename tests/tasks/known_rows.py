"""A row of each data set in its own columns, with the prompt and the target that it gives."""

from __future__ import annotations

from typing import Any, NamedTuple

from tasks.copies import LANGUAGES

__all__ = ["ROWS", "Row"]


class Row(NamedTuple):
    """One row, made up, of a data set."""

    columns: dict[str, Any]
    text: str
    target: str | None


_FLORES = dict(LANGUAGES.values()) | {"sentence_eng_Latn": "The river is wide."}

ROWS: dict[str, Row] = {
    "sst2": Row(
        {"idx": 0, "sentence": "a slow and lovely film ", "label": 1},
        "a slow and lovely film\nIs this film review positive or negative?",
        "positive",
    ),
    "ag_news": Row(
        {"text": "Chip maker opens a plant in the north.", "label": 3},
        "Chip maker opens a plant in the north.\n"
        "Is this news about the world, sports, business, or science and technology?",
        "Sci/Tech",
    ),
    "mnli": Row(
        {"premise": "She sold the boat.", "hypothesis": "She has no boat.", "label": 1, "idx": 4},
        "Premise: She sold the boat.\nHypothesis: She has no boat.\n"
        "Does the premise entail the hypothesis, contradict it, or neither?",
        "neutral",
    ),
    "mrpc": Row(
        {"sentence1": "Rain fell.", "sentence2": "It rained.", "label": 1, "idx": 9},
        "First: Rain fell.\nSecond: It rained.\nDo both sentences mean the same?",
        "equivalent",
    ),
    "cola": Row(
        {"sentence": "Him went home.", "label": 0, "idx": 2},
        "Him went home.\nIs this sentence grammatically acceptable?",
        "unacceptable",
    ),
    "winogrande": Row(
        {
            "sentence": "The cup fit in the box as the _ was small.",
            "option1": "cup",
            "option2": "box",
            "answer": "1",
        },
        "The cup fit in the box as the _ was small.\nWhat belongs in the gap: cup or box?",
        "cup",
    ),
    "copa": Row(
        {
            "premise": "The glass broke.",
            "choice1": "It fell.",
            "choice2": "It was full.",
            "question": "cause",
            "idx": 3,
            "label": 0,
        },
        "The glass broke.\nWhat was the cause of this?\nA. It fell.\nB. It was full.",
        "It fell.",
    ),
    "rte": Row(
        {"sentence1": "Anna has two cats.", "sentence2": "Anna has cats.", "label": 0, "idx": 1},
        "Text: Anna has two cats.\nStatement: Anna has cats.\n"
        "Does the statement follow from the text?",
        "entailment",
    ),
    "squad": Row(
        {
            "id": "a1",
            "title": "Bridges",
            "context": "The old bridge was built in 1890 of iron.",
            "question": " When was the bridge built? ",
            "answers": {"text": ["1890", "in 1890"], "answer_start": [28, 25]},
        },
        "The old bridge was built in 1890 of iron.\nWhen was the bridge built?",
        "1890",
    ),
    "cb": Row(
        {"premise": "A: Is he in? B: I doubt it.", "hypothesis": "he is in", "idx": 5, "label": 1},
        "A: Is he in? B: I doubt it.\nStatement: he is in\n"
        "Is the statement true, false, or neither?",
        "contradiction",
    ),
    "narrativeqa": Row(
        {
            "document": {
                "id": "d1",
                "kind": "gutenberg",
                "url": "http://example.org/book",
                "file_size": 12,
                "word_count": 2,
                "start": "Once",
                "end": "End",
                "summary": {
                    "text": " A boy finds a lamp. ",
                    "tokens": ["A", "boy", "finds", "a", "lamp", "."],
                    "url": "http://example.org/summary",
                    "title": "The Lamp",
                },
                "text": "Once, a boy ...",
            },
            "question": {
                "text": "What does the boy find?",
                "tokens": ["What", "does", "the", "boy", "find", "?"],
            },
            "answers": [
                {"text": "A lamp", "tokens": ["A", "lamp"]},
                {"text": "An old lamp", "tokens": ["An", "old", "lamp"]},
            ],
        },
        "A boy finds a lamp.\nWhat does the boy find?",
        "A lamp",
    ),
    "babi": Row(
        {
            "passage": "Tom went to the hall.\nTom took the ball.\n",
            "question": "Where is the ball?",
            "answer": "hall",
            "task": 2,
        },
        "Tom went to the hall.\nTom took the ball.\nWhere is the ball?",
        "hall",
    ),
    "conceptnet": Row(
        {"sentence": "A knife is for cutting ", "raw_data": "1\tknife", "lang": "en"},
        "A knife is for cutting",
        None,
    ),
    "math_qa": Row(
        {
            "Problem": "what is 3 times 4 ?",
            "Rationale": "3 * 4 = 12",
            "options": "a ) 7 , b ) 12 , c ) 34 , d ) 1 , e ) none",
            "correct": "b",
            "annotated_formula": "multiply(3, 4)",
            "linear_formula": "multiply(n0,n1)|",
            "category": "general",
        },
        "what is 3 times 4 ?\na ) 7 , b ) 12 , c ) 34 , d ) 1 , e ) none",
        "b",
    ),
    "drop": Row(
        {
            "section_id": "s",
            "query_id": "q",
            "passage": "They won 3 games and lost 2.",
            "question": "How many games were played?",
            "answers_spans": {"spans": ["5"], "types": ["number"]},
        },
        "They won 3 games and lost 2.\nHow many games were played?",
        "5",
    ),
    "writingprompts": Row(
        {"prompt": "The last letter arrives a year late. ", "story": "It was blue."},
        "Write a story on this idea: The last letter arrives a year late.",
        None,
    ),
    "daily_dialog": Row(
        {
            "dialog": ["Is it far?", "Two streets from here.", "Thank you."],
            "act": [2, 1, 1],
            "emotion": [0, 0, 4],
        },
        "Is it far?\nTwo streets from here.\nThank you.",
        None,
    ),
    "poetry": Row(
        {
            "author": "NOBODY",
            "content": "The rain,\nthe rain\n",
            "poem name": "Rain",
            "age": "Modern",
            "type": "Nature",
        },
        "The rain,\nthe rain",
        None,
    ),
    "emotion": Row(
        {"text": "i feel light today", "label": 1},
        "i feel light today\nIs this sadness, joy, love, anger, fear or surprise?",
        "joy",
    ),
    "irony": Row(
        {"text": "great, rain again ", "label": 1},
        "great, rain again\nIs this message ironic?",
        "irony",
    ),
    "hate": Row({"text": "hello", "label": 0}, "hello\nIs this message hateful?", "non-hate"),
    "fever": Row(
        {
            "cid": 7,
            "fid": "f",
            "premise": "Oslo is in Norway.",
            "hypothesis": "Oslo is the capital of Norway.",
            "label": 0,
            "verifiable": "VERIFIABLE",
            "fever_gold_label": "SUPPORTS",
        },
        "Claim: Oslo is in Norway.\nEvidence: Oslo is the capital of Norway.\n"
        "Does the evidence support the claim, refute it, or neither?",
        "SUPPORTS",
    ),
    "natural_questions": Row(
        {"question": "who built the old bridge", "answer": ["Ada Low", "A. Low"]},
        "who built the old bridge?",
        "Ada Low",
    ),
    "gsm8k": Row(
        {"question": "Jo has 3 bags of 4 nuts. How many nuts?", "answer": "3 * 4 = 12\n#### 12"},
        "Jo has 3 bags of 4 nuts. How many nuts?",
        "3 * 4 = 12\n#### 12",
    ),
    "mmlu": Row(
        {
            "question": "What is the unit of force?",
            "subject": "physics",
            "choices": ["volt", "newton", "ohm", "mole"],
            "answer": 1,
        },
        "What is the unit of force?\nA. volt\nB. newton\nC. ohm\nD. mole",
        "newton",
    ),
    "hellaswag": Row(
        {
            "ind": 4,
            "activity_label": "Baking",
            "ctx_a": "A man cracks an egg.",
            "ctx_b": "he",
            "ctx": "A man cracks an egg. he",
            "endings": ["stirs it.", "flies.", "sings to it.", "paints a wall."],
            "source_id": "s",
            "split": "val",
            "split_type": "indomain",
            "label": "0",
        },
        "A man cracks an egg. he\nHow does it go on?\n"
        "A. stirs it.\nB. flies.\nC. sings to it.\nD. paints a wall.",
        "stirs it.",
    ),
    "arc": Row(
        {
            "id": "q1",
            "question": "What melts ice?",
            "choices": {"text": ["heat", "dark", "noise"], "label": ["1", "2", "3"]},
            "answerKey": "1",
        },
        "What melts ice?\n1. heat\n2. dark\n3. noise",
        "heat",
    ),
    "truthfulqa": Row(
        {
            "type": "Adversarial",
            "category": "Myths",
            "question": "Do bulls hate red?",
            "best_answer": "Bulls react to movement",
            "correct_answers": ["Bulls react to movement"],
            "incorrect_answers": ["Yes"],
            "source": "http://example.org",
        },
        "Do bulls hate red?",
        "Bulls react to movement",
    ),
    "humaneval": Row(
        {
            "task_id": "T/0",
            "prompt": 'def twice(x):\n    """Return 2 x."""\n',
            "canonical_solution": "    return 2 * x\n",
            "test": "assert twice(2) == 4",
            "entry_point": "twice",
        },
        'def twice(x):\n    """Return 2 x."""',
        "    return 2 * x",
    ),
    "mbpp": Row(
        {
            "task_id": 11,
            "text": "Write a function to add two numbers.",
            "code": "def add(a, b):\n    return a + b",
            "test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"],
            "test_setup_code": "",
            "challenge_test_list": [],
        },
        "Write a function to add two numbers.\nassert add(1, 2) == 3\nassert add(0, 0) == 0",
        "def add(a, b):\n    return a + b",
    ),
} | {name: Row(_FLORES, text, None) for name, (_, text) in LANGUAGES.items()}
