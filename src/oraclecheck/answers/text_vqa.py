"""TextVQA (Singh et al., arXiv 1904.08920): VQA accuracy against what ten people answered, as M4C's evaluator has it.

Answers are compared after both were written alike: lower case, no punctuation, no articles, numbers up to ten as
digits, contractions with their apostrophes. The score of an answer is the mean, over leaving out each person in turn,
of min(1, as many of the other nine as gave it / 3).
"""

import re
from pathlib import Path

from oraclecheck.answers.predictions import read_json, read_predictions

PEOPLE = 10

_NUMBERS = """none zero one two three four five six seven eight nine ten"""
"""As digits, "none" and "zero" both 0."""
_ARTICLES = ("a", "an", "the")
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_MOST_PERIODS = 32  # the evaluator passes re.UNICODE where the count stands

_CONTRACTIONS = """
ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd
he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've
needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've
somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll
that's there'd there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've
weren't what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll
why're why's won't would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've
"""


def _spellings() -> dict[str, str]:
    """Contraction that lacks one of its apostrophes -> the contraction."""
    found = {}
    for whole in _CONTRACTIONS.split():
        for place in [match.start() for match in re.finditer("'", whole)]:
            found[whole[:place] + whole[place + 1 :]] = whole
    return {**found, "somebody'd": "somebodyd"}  # so in the evaluator's own table


_SPELLED = _spellings()
_DIGITS = {word: str(max(0, place - 1)) for place, word in enumerate(_NUMBERS.split())}


def written(answer: str) -> str:
    """An answer as it is compared."""
    text = answer.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    text = text.replace("\n", " ").replace("\t", " ").strip()
    without = text
    for mark in _PUNCTUATION:
        beside_a_space = f"{mark} " in text or f" {mark}" in text or re.search(r"(?<=\d),+(?=\d)", text)
        without = without.replace(mark, "" if beside_a_space else " ")
    without = re.sub(r"\.(?!\d)", "", without, count=_MOST_PERIODS)
    words = [_DIGITS.get(word, word) for word in without.split()]
    return " ".join(_SPELLED.get(word, word) for word in words if word not in _ARTICLES)


def accuracy(answer: str, people: list[str]) -> float:
    """The score of an answer, in [0, 1], given what ten people answered."""
    same = sum(written(each) == written(answer) for each in people)
    if not same:
        return 0.0
    # leaving out one of the `same`, or one of the others
    return (same * min(1, (same - 1) / 3) + (PEOPLE - same) * min(1, same / 3)) / PEOPLE


def question_of(prompt: str) -> str:
    """The question in a prompt, in lower case: the line that is neither the OCR tokens nor how to answer.

    Raises:
        ValueError: If the prompt is not LLaVA-1.5's.
    """
    lines = prompt.split("\n")
    if prompt.startswith("OCR tokens: "):
        found = re.search(r"Question: (.*?) Short answer:", prompt, re.DOTALL)
        if found:
            return found.group(1).lower()
    elif "Reference OCR token: " in prompt and len(lines) == 3:
        return lines[1 if prompt.startswith("Reference OCR token:") else 0].lower()
    elif len(lines) == 2:
        return lines[0].lower()
    raise ValueError(f"a prediction's prompt must be LLaVA-1.5's for TextVQA; got {prompt[:80]!r}")


def score(path: Path, questions: Path) -> float:
    """Mean accuracy in percent.

    Args:
        path: The predictions, whose `question_id` is the image's, with `prompt`.
        questions: Folder of the benchmarks, with `textvqa/TextVQA_0.5.1_val.json`.

    Raises:
        ValueError: If a file cannot be read, or a prediction is about no question.
    """
    asked = read_json(questions / "textvqa" / "TextVQA_0.5.1_val.json")["data"]
    people = {(str(each["image_id"]), each["question"].lower()): each["answers"] for each in asked}
    found = []
    for each in read_predictions(path):
        key = str(each["question_id"]), question_of(each.get("prompt", ""))
        if key not in people:
            raise ValueError(f"{path} must be about TextVQA's questions; it asks {key[1]!r} of image {key[0]}")
        if len(people[key]) != PEOPLE:
            raise ValueError(
                f"--questions must hold {PEOPLE} answers to each question of TextVQA; got {len(people[key])}"
            )
        found.append(accuracy(each["text"], people[key]))
    return 100 * sum(found) / len(found)
