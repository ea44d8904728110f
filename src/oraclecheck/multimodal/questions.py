"""Batches of questions about images, and the sets that they are made of: what `ImageSet` is for labelled images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from oraclecheck.data.augmentation import Draws
from oraclecheck.data.images import LabelledImages, ShuffledBatches
from oraclecheck.data.stream import seeded_loader


@dataclass(frozen=True)
class Questions:
    """A batch of conversations about images; the labels beside it are the tokens of all answers, one after the other.

    Attributes:
        tokens: (n, length), int64, padded at the end.
        mask: (n, length), int64, 0 where it is padding.
        images: (images, 3, side, side), normalised, in the order of their conversations; None if no one has one.
        rows: (answers' tokens,): the conversation that a label belongs to.
        columns: (answers' tokens,): the token that comes before it, where it has to be foretold.
    """

    tokens: Tensor
    mask: Tensor
    images: Tensor | None
    rows: Tensor
    columns: Tensor

    def __len__(self) -> int:
        return len(self.tokens)

    def to(self, device: torch.device) -> "Questions":
        """The same on another device."""
        parts = (self.tokens, self.mask, self.images, self.rows, self.columns)
        return Questions(*(part if part is None else part.to(device, non_blocking=True) for part in parts))  # type: ignore[arg-type]


AT_ONCE = 4
"""Conversations that are measured at once: part of a study's identity, for it moves the last bits."""

QuestionBatches = Iterator[tuple[Questions, Tensor]]


@dataclass(frozen=True)
class Encoded:
    """A conversation as a network reads it.

    Attributes:
        tokens: Of all that is said, with as many for the image as it becomes.
        answers: Where the answers' tokens are among them; none of a conversation that counts nothing, whose image
            is not read.
        image: (3, side, side), or None.
    """

    tokens: list[int]
    answers: list[int]
    image: Tensor | None = None


class Reader(Protocol):
    """Turns a conversation into tokens, and its image into pixels."""

    def tokens(self, sample: Any) -> Encoded:
        """What is said."""

    def image(self, sample: Any) -> Tensor | None:
        """What is seen."""


@dataclass(frozen=True)
class QuestionSet(LabelledImages):
    """Conversations about images, read whenever they are needed.

    Args:
        reader: Reads them.
        samples: They.
        shape_of_images: Channels, height and width.
        padding: The token that is put behind what is shorter.
        workers: Processes that decode images.
    """

    reader: Reader = field(compare=False)
    samples: Sequence[Any]
    shape_of_images: tuple[int, ...]
    padding: int
    workers: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width of an image."""
        return self.shape_of_images

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def measured_at_once(self) -> int:
        """Conversations of a batch of an evaluation."""
        return AT_ONCE

    @cached_property
    def labels_in_all(self) -> int:
        """Tokens of all answers."""
        return sum(len(self.reader.tokens(sample).answers) for sample in self.samples)

    def subset(self, indices: Tensor) -> "QuestionSet":
        """The conversations of these indices, in their order."""
        return replace(self, samples=[self.samples[index] for index in indices.tolist()])

    def one_pass(self, size: int, order: Tensor | None, draws: Draws | None) -> QuestionBatches:  # type: ignore[override]
        """Batches in the given or stored order."""
        for encoded in self._read(size, order):
            yield self._batch(encoded)

    def in_parts(self, size: int, seed: int, parts: int, rank: int = 0, ranks: int = 1) -> "PartedBatches":
        """Passes for training whose batches come in parts, for what no memory holds at once."""
        return PartedBatches(self, size, seed, parts, rank, ranks)

    def parts_of_pass(
        self, size: int, order: Tensor, parts: int, rank: int = 0, ranks: int = 1
    ) -> Iterator[tuple[Questions, Tensor, float]]:
        """Batches in an order, each in parts, and what each part counts.

        Ranks take as many parts at a time as there are ranks. The gradients of the parts' means, each times what it
        counts, averaged over the ranks and divided by the times that makes of `parts`, as whoever accumulates them
        does, add up to that of the mean over all answers' tokens of the batch. A rank that no part is left for gets
        one that counts nothing, and one whose part has no image where another's has gets a blank: all ranks compute
        gradients of the same weights, or they would wait for each other forever.
        """
        share, times = -(-size // parts), -(-parts // ranks)
        for encoded in self._read(size, order):
            in_all = max(1, sum(len(each.answers) for each in encoded))
            cut = [encoded[start : start + share] for start in range(0, len(encoded), share)]
            for start in range(0, len(cut), ranks):
                together = cut[start : start + ranks]
                left = rank < len(together)
                questions, labels = self._batch(together[rank] if left else together[0][:1])
                if questions.images is None and any(each.image is not None for part in together for each in part):
                    blank = torch.zeros(1, *self.shape, device=self.device)
                    questions = replace(questions, images=blank)
                yield questions, labels, len(labels) / in_all * times * ranks if left else 0.0

    def _read(self, size: int, order: Tensor | None) -> Iterator[list[Encoded]]:
        indices = range(len(self)) if order is None else order.tolist()
        loader = seeded_loader(_Read(self), indices, size, self.workers, torch.device("cpu"), collate_fn=list)
        for batch in loader:
            if trouble := next((each for each in batch if isinstance(each, ValueError)), None):
                raise trouble
            yield batch

    def _batch(self, encoded: Sequence[Encoded]) -> tuple[Questions, Tensor]:
        length = max(len(each.tokens) for each in encoded)
        tokens = torch.full((len(encoded), length), self.padding)
        mask = torch.zeros(len(encoded), length, dtype=torch.int64)
        for row, each in enumerate(encoded):
            tokens[row, : len(each.tokens)] = torch.tensor(each.tokens)
            mask[row, : len(each.tokens)] = 1
        rows = torch.tensor([row for row, each in enumerate(encoded) for _ in each.answers], dtype=torch.int64)
        places = torch.tensor([place for each in encoded for place in each.answers], dtype=torch.int64)
        images = [each.image for each in encoded if each.image is not None]
        questions = Questions(tokens, mask, torch.stack(images) if images else None, rows, places - 1)
        return questions.to(self.device), tokens[rows, places].to(self.device)


class PartedBatches(ShuffledBatches):
    """As `ShuffledBatches`, in parts; `parts` of them, of the last batch maybe fewer, make a batch.

    Of several ranks each passes over its own parts of the same batches.
    """

    def __init__(self, images: QuestionSet, size: int, seed: int, parts: int, rank: int = 0, ranks: int = 1) -> None:
        super().__init__(images, size, seed)
        self.questions, self.parts, self.rank, self.ranks = images, parts, rank, ranks

    def __len__(self) -> int:
        whole, left = divmod(len(self.images), self.size)
        parts_left = -(-left // (self.size // self.parts))
        return whole * -(-self.parts // self.ranks) + -(-parts_left // self.ranks)

    def __iter__(self) -> Iterator[tuple[Questions, Tensor, float]]:  # type: ignore[override]
        yield from self.questions.parts_of_pass(self.size, self.draw()[0], self.parts, self.rank, self.ranks)


class _Read(Dataset[Any]):
    """Conversations, or what is wrong with them: a worker's exception would lose its sentence."""

    def __init__(self, questions: QuestionSet) -> None:
        self.reader, self.samples = questions.reader, questions.samples

    def __getitem__(self, index: int) -> Encoded | ValueError:
        sample = self.samples[index]
        try:
            encoded = self.reader.tokens(sample)
            return replace(encoded, image=self.reader.image(sample)) if encoded.answers else encoded
        except ValueError as error:
            return error
