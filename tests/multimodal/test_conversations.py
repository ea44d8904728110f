"""Conversations as a model reads them, and what becomes of those of which nothing is left to be answered."""

import json
from dataclasses import replace

import pytest
import torch

from oraclecheck.engines.evaluation import evaluate, first_loss
from oraclecheck.engines.recipe import Recipe
from oraclecheck.engines.trainer import TrainerSettings, fit
from oraclecheck.multimodal.conversations import Conversation, ConversationReader, Conversations, read_conversations
from oraclecheck.multimodal.questions import QuestionSet

MOST = 64


@pytest.fixture(scope="module")
def reader(llava, questions_folder) -> ConversationReader:
    return ConversationReader.of(str(questions_folder), str(llava), MOST)


@pytest.fixture(scope="module")
def short(questions_folder, llava) -> list[Conversation]:
    source = Conversations(str(questions_folder), "train.json", str(llava), "test.json")
    return list(source.parts[0][:7])


def long(number: int) -> Conversation:
    """One whose only answer comes after the cut; its image is not even there."""
    return Conversation(f"long{number}", "images/gone.png", (("What color is this " * 40, "red"),))


def asked(reader: ConversationReader, samples: list[Conversation]) -> QuestionSet:
    return QuestionSet(reader, samples, (3, 16, 16), reader.padding)


def trained(llava, questions: QuestionSet, accumulate: int, **said) -> dict[str, torch.Tensor]:
    """The weights after an epoch of batches of 8."""
    network = begun(llava)
    recipe = Recipe(epochs=1, batch_size=8, schedule=((0, 0.1),), momentum=0.0, weight_decay=0.0, **said)
    settings = TrainerSettings(accelerator="cpu", accumulate=accumulate)
    return dict(fit(network, questions, recipe, 1, settings, []).named_parameters())


def begun(llava):
    from oraclecheck.multimodal.llava import Llava, network_state

    network = Llava(str(llava))
    network.load_state_dict(network_state(llava))
    return network


def test_a_conversation_whose_answers_are_cut_off_has_no_labels_and_no_image(reader, short):
    assert reader.tokens(long(0)).answers == [] and len(reader.tokens(long(0)).tokens) == 1
    ((questions, labels),) = asked(reader, [long(0), long(1)]).batches(2)
    assert questions.images is None and len(labels) == 0 and questions.rows.dtype == torch.int64
    ((questions, labels),) = asked(reader, [short[0], long(0), short[1]]).batches(3)
    ((alone, expected),) = asked(reader, [short[0], short[1]]).batches(2)
    assert torch.equal(labels, expected) and torch.equal(questions.images, alone.images)
    assert torch.equal(questions.columns, alone.columns) and set(questions.rows.tolist()) == {0, 2}


@pytest.mark.parametrize("accumulate", [1, 8])
def test_it_adds_nothing_to_the_gradient(accumulate, reader, short, llava):
    """One step: where the mean over the other seven's tokens leads, as torch has it."""
    network = begun(llava)
    ((questions, labels),) = asked(reader, short).batches(7)
    torch.nn.functional.cross_entropy(network.train()(questions), labels).backward()
    after = trained(llava, asked(reader, [*short[:3], long(0), *short[3:]]), accumulate)
    for name, weight in network.named_parameters():
        wanted = weight if weight.grad is None else weight - 0.1 * weight.grad
        torch.testing.assert_close(after[name], wanted, rtol=1e-5, atol=1e-6, msg=name)


def test_a_batch_of_such_moves_nothing(reader, llava):
    after, before = trained(llava, asked(reader, [long(i) for i in range(8)]), 2), begun(llava)
    assert all(torch.equal(after[name], weight) for name, weight in before.named_parameters())


def test_it_is_left_out_of_what_is_measured(reader, short, llava):
    network = begun(llava)
    # the first batch that is measured has no answers at all
    mixed = asked(reader, [*(long(i) for i in range(4)), *short])
    measured, expected = evaluate(network, mixed), evaluate(network, asked(reader, short))
    assert measured.loss == pytest.approx(expected.loss, rel=1e-6)
    assert torch.equal(measured.correct, expected.correct)
    assert first_loss(network, mixed) == 0


def test_parts_weigh_as_they_have_tokens_of_answers(reader, short, llava):
    """However unequal the parts are, they make the step of the whole batch; and what each counts, by hand."""
    unequal = [*short, replace(short[1], turns=tuple(("What shade is it?", "red green") for _ in range(3)))]
    counts = [len(reader.tokens(each).answers) for each in unequal]
    assert len(set(counts)) > 1
    parts = list(asked(reader, unequal).parts_of_pass(8, torch.arange(8), 4))
    for number, (_, labels, weight) in enumerate(parts):
        mine = counts[2 * number] + counts[2 * number + 1]
        assert len(labels) == mine and weight / 4 == pytest.approx(mine / sum(counts))
    whole, parted = (trained(llava, asked(reader, unequal), accumulate) for accumulate in (1, 8))
    for name, weight in whole.items():
        torch.testing.assert_close(parted[name], weight, rtol=1e-5, atol=1e-6, msg=name)


def said(*turns: tuple[str, str], **more: str) -> dict:
    return {"id": "c", "conversations": [{"from": who, "value": value} for who, value in turns], **more}


def read(path, *samples: dict) -> tuple[Conversation, ...]:
    path.write_text(json.dumps(samples))
    return read_conversations("data.train", path)


def test_an_images_place_is_taken_out_of_answers_too(reader, tmp_path):
    markup = said(("human", "What shade is it <image>?"), ("gpt", "red <image>\n"), ("human", "What?"), ("gpt", " red"))
    (found,) = read(tmp_path / "markup.json", markup)
    assert found.turns == (("What shade is it ?", "red"), ("What?", " red"))
    assert reader.image_token[0] not in reader.tokens(found).tokens
    (seen,) = read(tmp_path / "seen.json", {**markup, "image": "images/train0.png"})
    assert reader.tokens(seen).tokens.count(reader.image_token[0]) == reader.image_token[1] == 4


def test_image_tokens_without_an_image_are_refused(reader, tmp_path):
    (found,) = read(tmp_path / "nested.json", said(("human", "What?"), ("gpt", "red <im<image>age>")))
    with pytest.raises(ValueError) as error:
        reader.tokens(found)
    assert str(error.value) == (
        "data.train and data.test must not say <image> but for an image; conversation c becomes 4 tokens of an image, "
        "and has 0"
    )


WHOLE = (("human", "What?"), ("gpt", "red"))


@pytest.mark.parametrize(
    "turns",
    [(("gpt", "A chat"), *WHOLE), (*WHOLE, ("human", "Which?")), (("system", "A"), *WHOLE, ("human", "Which?"))],
)
def test_a_first_turn_that_is_not_the_humans_and_a_question_without_an_answer_are_left_out(turns, tmp_path):
    assert read(tmp_path / "train.json", said(*turns))[0].turns == (("What?", "red"),)


@pytest.mark.parametrize(
    "turns",
    [(), (("gpt", "red"),), (("human", "What?"),), (("gpt", "A"), ("human", "What?")), (*WHOLE, ("gpt", "blue"))],
)
def test_an_entry_without_turns_is_refused(turns, tmp_path):
    with pytest.raises(ValueError, match="whose conversation c is no turns of human and gpt"):
        read(tmp_path / "train.json", said(*turns))
