"""Ranks take the parts that one process has of the same batches, and count them so that gradients come out alike."""

from dataclasses import dataclass

import pytest
import torch

from oraclecheck.multimodal.questions import Encoded, QuestionSet


@dataclass(frozen=True)
class Numbers:
    """Reads a number n as n % 5 + 2 tokens that are all n; every third has an image, which is n everywhere."""

    def tokens(self, sample: int) -> Encoded:
        count = sample % 5 + 2
        return Encoded([sample] * count, list(range(1, count)))

    def image(self, sample: int) -> torch.Tensor | None:
        return torch.full((3, 2, 2), float(sample)) if sample % 3 == 0 else None


def questions(count: int) -> QuestionSet:
    return QuestionSet(Numbers(), range(1, count + 1), (3, 2, 2), 0)


def passed(count: int, size: int, parts: int, rank: int = 0, ranks: int = 1):
    batches = questions(count).in_parts(size, 7, parts, rank, ranks)
    taken = list(batches)
    assert len(taken) == len(batches)
    return taken


@pytest.mark.parametrize(
    ("count", "size", "parts", "ranks"), [(16, 8, 8, 2), (21, 8, 4, 2), (21, 8, 8, 3), (9, 4, 2, 2)]
)
def test_ranks_share_out_the_parts_of_one_process(count, size, parts, ranks):
    alone = passed(count, size, parts)
    shared = [passed(count, size, parts, rank, ranks) for rank in range(ranks)]
    times = -(-parts // ranks)
    assert len({len(taken) for taken in shared}) == 1
    together = [part for turn in zip(*shared, strict=True) for part in turn]
    counted = [part for part in together if part[2]]
    assert len(counted) == len(alone)
    for (mine, labels, weight), (theirs, expected, of_one) in zip(counted, alone, strict=True):
        assert torch.equal(mine.tokens, theirs.tokens) and torch.equal(labels, expected)
        # ranks' gradients are averaged, and a rank's own divided by how often it adds them up
        assert weight / (times * ranks) == pytest.approx(of_one / parts)


@pytest.mark.parametrize("ranks", [2, 3])
def test_all_ranks_see_images_or_none_does(ranks):
    shared = [passed(21, 8, 8, rank, ranks) for rank in range(ranks)]
    turns = [[questions.images for questions, *_ in turn] for turn in zip(*shared, strict=True)]
    assert all(len({image is None for image in images}) == 1 for images in turns)
    seen = [image for images in turns for image in images if image is not None]
    assert sum(bool(image.any()) for image in seen) >= 7  # the real ones are what they were
    assert any(not image.any() for image in seen) and any(images[0] is None for images in turns)
