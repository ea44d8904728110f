"""Criteria of pruned networks, of a language model: a few conversations at once, of which some have no image."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from oraclecheck.criteria.damage import after_steps, gradient_norm
from oraclecheck.engines.evaluation import evaluate
from oraclecheck.multimodal.conversations import Conversation, Conversations
from oraclecheck.multimodal.questions import QuestionSet


@pytest.fixture
def network(llava):
    from oraclecheck.multimodal.llava import Llava, network_state

    network = Llava(str(llava))
    network.load_state_dict(network_state(llava))
    return network


@pytest.fixture
def questions(llava, questions_folder) -> QuestionSet:
    """Four without an image, then five with one."""
    train, _ = Conversations(str(questions_folder), "train.json", str(llava), "test.json").sets()
    blind = [Conversation(f"blind{i}", None, (("What color?", "red green"),)) for i in range(4)]
    return QuestionSet(train.reader, [*blind, *train.samples[:5]], train.shape, train.padding)


def at_once(network) -> list[int]:
    """How many conversations the network is asked at once from now on."""
    seen: list[int] = []
    network.register_forward_pre_hook(lambda _, asked: seen.append(len(asked[0])))
    return seen


def test_gradient_norm_is_that_of_the_mean_over_all_tokens(network, questions):
    ((batch, labels),) = questions.batches(9)
    assert len(labels) != len(questions)
    cross_entropy(network.eval()(batch), labels).backward()
    squares = sum(weight.grad.double().square().sum() for weight in network.parameters() if weight.grad is not None)
    network.zero_grad()
    seen = at_once(network)
    assert gradient_norm(network, questions) == pytest.approx(math.sqrt(squares), rel=1e-5)
    assert seen == [4, 4, 1]


def test_after_steps_takes_whole_steps_of_a_few_at_a_time(network, questions, llava):
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    state = {name: value.clone() for name, value in network.state_dict().items()}
    seen = at_once(network)
    found = after_steps(network, questions, steps=2, lr=0.05, batch_size=6)
    assert max(seen) == 4
    network.load_state_dict(state)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    for indices in order.split(6):
        optimizer.zero_grad()
        ((batch, labels),) = questions.subset(indices).batches(6)
        cross_entropy(network.train()(batch), labels).backward()
        optimizer.step()
    assert found == pytest.approx(evaluate(network, questions).loss, rel=1e-5)
