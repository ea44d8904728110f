"""LLaVA-1.5's data: JSON files of conversations, and a folder with the images they are about."""

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image
from torch import Tensor, nn

from oraclecheck.errors import first_line, tell
from oraclecheck.files import digest
from oraclecheck.multimodal.hub import KEY, image_side, model_folder
from oraclecheck.multimodal.questions import Encoded, QuestionSet

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
"""What LLaVA-1.5's and TinyLLaVA's conversations begin with."""

IMAGE = "<image>"

CONVERSATIONS = "Conversations"
"""The class below, as a configuration's `data.source` names it."""

READING = (
    *("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "merges.txt", "added_tokens.json"),
    *("special_tokens_map.json", "preprocessor_config.json"),
)
"""Files of a model's folder that decide what it reads."""

PROCESSOR_FILE = "processor_config.json"
"""What decides how other programs ask it, and in some folders also what it sees of an image."""


def is_language_model(network: nn.Module) -> bool:
    """Whether a network, or its shadow, is asked questions instead of images."""
    return hasattr(network, "never_pruned")


@dataclass(frozen=True)
class Conversation:
    """Questions and answers about an image, in turn.

    Attributes:
        name: Its `id`, for messages.
        image: The image's file, or None.
        turns: (question, answer) pairs, with no image's place in either, as LLaVA-1.5's code takes it out of both.
    """

    name: str
    image: str | None
    turns: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Conversations:
    """Conversations as LLaVA-1.5 is trained on, read as a model's tokenizer and image processor do.

    A conversation is written as Vicuna's: a system sentence, then `USER: ... ASSISTANT: ...` and the end-of-text token,
    the image before the first question. The loss is that of the answers' tokens, the end-of-text token among them.

    Args:
        root: Folder that the names of images, and of the files below, begin in.
        train: JSON file of the training conversations.
        test: JSON file of the test conversations; None holds `held_out` of the training ones out.
        held_out: How many, if there is no test file; chosen by the hash of their number.
        model: Folder of the model, or its name on the Hub.
        max_length: Most tokens of a conversation, those of the image included; what is longer is cut off at the end. A
            conversation of which that leaves no answer counts nothing.
        workers: Processes that decode images.
    """

    root: str
    train: str
    model: str
    test: str | None = None
    held_out: int = 0
    max_length: int = 2048
    workers: int = 0

    classes: ClassVar[int] = 1  # no answer is one of several

    def __post_init__(self) -> None:
        if self.root is not None:  # a process that changes its folder must not take one for another
            object.__setattr__(self, "root", os.path.abspath(self.root))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the images that the network sees."""
        side = image_side(self.model)
        return (3, side, side)

    def check(self) -> None:
        """Raise ValueError, with the remedy, if a file cannot be read, or an image or an answer is missing."""
        train, test = self.parts
        for part, found in (("train", train), ("test", test)):
            for each in found:
                if each.image is not None and not os.path.isfile(os.path.join(self.root, each.image)):
                    raise ValueError(
                        f"data.root must hold the images of data.{part}; {each.image} of conversation {each.name} is "
                        f"not in {self.root}"
                    )
        if self.max_length < 1:
            raise ValueError(f"data.source.max_length must be at least 1; got {self.max_length}")
        reader = self.reader  # its files are there
        for part, found in (("train", train), ("test", test)):
            if not any(reader.tokens(each).answers for each in found):  # as a rule the first has some
                raise ValueError(
                    f"data.source.max_length must leave something of the answers; {self.max_length} leaves nothing of "
                    f"any conversation of data.{part}"
                )

    def identity(self) -> dict[str, Any]:
        """What decides the tokens and pixels: the files' content, the images' names and sizes; never a path."""
        train, test = self.parts
        names = sorted({each.image for each in (*train, *test) if each.image is not None})
        try:
            sizes = [os.stat(os.path.join(self.root, name)).st_size for name in names]
        except OSError as error:
            raise ValueError(f"data.root must hold the images; {error.filename}: {error.strerror}") from None
        folder = model_folder(self.model)
        processing = {name: _hash(folder / name) for name in READING if (folder / name).is_file()}
        if images := _told_of_images(folder / PROCESSOR_FILE):
            processing[PROCESSOR_FILE] = digest(images)
        files = {part: _hash(self._path(name)) for part, name in (("train", self.train), ("test", self.test)) if name}
        return {
            "dataset": "conversations",
            **files,
            "held_out": None if self.test else self.held_out,
            "images": len(names),
            "files": digest([names, sizes]),
            "processing": digest(processing),
            "template": "vicuna_v1",
            "max_length": self.max_length,
        }

    @property
    def parts(self) -> tuple[tuple[Conversation, ...], tuple[Conversation, ...]]:
        """The training and the test conversations."""
        train = read_conversations("data.train", self._path(self.train))
        if self.test:
            return train, read_conversations("data.test", self._path(self.test))
        if not 1 <= self.held_out < len(train):
            raise ValueError(
                f"data.source.held_out must lie in [1, {len(train) - 1}] where there is no data.test; got "
                f"{self.held_out}"
            )
        out = {*sorted(range(len(train)), key=lambda i: hashlib.sha256(str(i).encode()).digest())[: self.held_out]}
        return tuple(each for i, each in enumerate(train) if i not in out), tuple(train[i] for i in sorted(out))

    def sets(self) -> tuple[QuestionSet, QuestionSet]:
        """The training and the test set."""
        reader = self.reader
        train, test = (QuestionSet(reader, part, self.shape, reader.padding, self.workers) for part in self.parts)
        return train, test

    @cached_property
    def reader(self) -> "ConversationReader":
        """What turns conversations into tokens and pixels."""
        return ConversationReader.of(self.root, self.model, self.max_length)

    def _path(self, name: str | None) -> Path:
        if self.root is None or name is None:
            key = "root" if self.root is None else "train"
            raise ValueError(f"data.{key} must say where the conversations are; got none: give data.{key}=...")
        return Path(self.root, name)


@dataclass(frozen=True)
class ConversationReader:
    """Reads conversations as a model does.

    Args:
        root: Folder of the images.
        tokenizer: The model's.
        processor: The model's, of images.
        image_token: The token that stands for a piece of an image, and how many of it an image becomes.
        max_length: See `Conversations`.
    """

    root: str
    tokenizer: Any
    processor: Any
    image_token: tuple[int, int]
    max_length: int

    @classmethod
    def of(cls, root: str, model: str, max_length: int) -> "ConversationReader":
        """The reader of a model's folder.

        Raises:
            ValueError: If what it reads with is not there, or does not know images.
        """
        from oraclecheck.multimodal.llava import LlavaConfig, image_tokens

        folder = model_folder(model)
        config = LlavaConfig.from_pretrained(folder).to_dict()
        tokenizer, processor = _loaded(folder)
        token = config.get("image_token_id", config.get("image_token_index"))
        if tokenizer.convert_tokens_to_ids(IMAGE) != token or tokenizer.eos_token is None:
            raise ValueError(
                f"{KEY} must hold a tokenizer with an end-of-text token that knows {IMAGE} as {token}, as its "
                f"config.json says; got {folder}"
            )
        if not tokenizer.is_fast:
            raise ValueError(f"{KEY} must hold a tokenizer that says where tokens begin, tokenizer.json; got {folder}")
        return cls(root, tokenizer, processor, (token, image_tokens(config)), max_length)

    @property
    def padding(self) -> int:
        """The token that is put behind what is shorter; nothing attends to it."""
        padding = self.tokenizer.pad_token_id
        return self.tokenizer.eos_token_id if padding is None else padding

    def tokens(self, sample: Conversation) -> Encoded:
        """What is said in a conversation, and where its answers are; its first token alone if none is left of them.

        An image whose tokens are cut off somewhere would lend its features to the next one, and before it there is no
        answer.

        Raises:
            ValueError: If what is said has image tokens of its own.
        """
        text, spans = written(sample, self.tokenizer.eos_token)
        encoding = self.tokenizer(text, return_offsets_mapping=True, verbose=False)
        token, count = self.image_token
        tokens: list[int] = []
        answers: list[int] = []
        for each, (start, end) in zip(encoding["input_ids"], encoding["offset_mapping"], strict=True):
            if any(start < last and end > first for first, last in spans):
                answers.append(len(tokens))
            tokens.extend([token] * count if each == token else [each])
        expected = count * (sample.image is not None)
        if (found := tokens.count(token)) != expected:
            raise ValueError(
                f"data.train and data.test must not say {IMAGE} but for an image; conversation {sample.name} becomes "
                f"{found} tokens of an image, and has {expected}"
            )
        answers = [place for place in answers if 0 < place < self.max_length]
        return Encoded(tokens[: self.max_length] if answers else tokens[:1], answers)

    def image(self, sample: Conversation) -> Tensor | None:
        """A conversation's image, if it has one.

        Raises:
            ValueError: If it cannot be read.
        """
        if sample.image is None:
            return None
        path = os.path.join(self.root, sample.image)
        try:
            with Image.open(path) as file:
                image = file.convert("RGB")
        except Exception as error:  # PIL raises many kinds
            raise ValueError(f"data.root must hold readable images; {path} is none: {tell(error)}") from None
        return self.processor(image, return_tensors="pt")["pixel_values"][0]


def written(sample: Conversation, end: str) -> tuple[str, list[tuple[int, int]]]:
    """A conversation as text, and where its answers begin and end, each with the end-of-text token."""
    text, spans = SYSTEM, []
    for number, (question, answer) in enumerate(sample.turns):
        asked = f"{IMAGE}\n{question}" if number == 0 and sample.image is not None else question
        text += f"{'' if number else ' '}USER: {asked} ASSISTANT: "
        spans.append((len(text), len(text) + len(answer) + len(end)))
        text += answer + end
    return text, spans


@lru_cache(maxsize=4)
def read_conversations(key: str, path: Path) -> tuple[Conversation, ...]:
    """The conversations of a file.

    Args:
        key: The configuration key that names it, for messages.
        path: The file.

    Raises:
        ValueError: If it cannot be read, or a conversation is none.
    """
    rule = f"{key} must be a JSON list of conversations as LLaVA-1.5 has them"
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else first_line(error)
        raise ValueError(f"{rule}; got {path}: {reason}") from None
    if not isinstance(content, list) or not content:
        raise ValueError(f"{rule}; got {path}, which holds none")
    return tuple(_conversation(each, i, f"{rule}; got {path}, whose") for i, each in enumerate(content))


def _conversation(content: Any, number: int, rule: str) -> Conversation:
    name = str(content.get("id", number)) if isinstance(content, dict) else str(number)
    try:
        said = [(turn["from"], turn["value"]) for turn in content["conversations"]]
        image = content.get("image")
    except (TypeError, KeyError, AttributeError):
        raise ValueError(f"{rule} entry {name} has no conversations of from and value") from None
    # as LLaVA-1.5 does: what comes before the first question is skipped, and a question without an answer has no loss
    said = said[1:] if said and said[0][0] != "human" else said
    said = said[:-1] if said and said[-1][0] == "human" else said
    speakers = [who for who, _ in said]
    if not said or speakers != ["human", "gpt"] * (len(said) // 2) or not all(type(text) is str for _, text in said):
        raise ValueError(f"{rule} conversation {name} is no turns of human and gpt")
    if image is not None and type(image) is not str:
        raise ValueError(f"{rule} conversation {name} has an image that is no file's name")
    asked = [text.replace(IMAGE, "").strip() for _, text in said[::2]]
    answered = [text.replace(IMAGE, "").strip() if IMAGE in text else text for _, text in said[1::2]]
    return Conversation(name, image, tuple(zip(asked, answered, strict=True)))


@lru_cache(maxsize=2)
def _loaded(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoImageProcessor, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # whatever files make their readers stumble over
        raise ValueError(
            f"{KEY} must hold a tokenizer and an image processor; got {folder}: {first_line(error)}"
        ) from None
    return tokenizer, processor


def _told_of_images(path: Path) -> Any:
    """What a processor's file says of images, as transformers 5 writes it; others lie in a file of their own."""
    try:
        return json.loads(path.read_bytes()).get("image_processor")
    except (OSError, ValueError, AttributeError):
        return None


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ValueError(f"data.train and data.test must be files; {path}: {error.strerror}") from None
