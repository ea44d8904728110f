"""A LLaVA of SigLIP and Phi as small as it can be, in the Hub's format on disk, and questions to train it on."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

SIDE, PATCH = 16, 8
COLORS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 220), "white": (240, 240, 240)}
WORDS = """A chat between curious user and an artificial intelligence assistant The gives helpful detailed
polite answers to questions s ' . , : ? USER ASSISTANT What color is this image shade it bright dark"""


def write_tiny_llava(folder: Path, seed: int = 0) -> Path:
    """The model, its tokenizer and its image processor: 2 blocks of width 32 in each tower, 4 image tokens."""
    import torch
    from transformers import (
        LlavaConfig,
        LlavaForConditionalGeneration,
        PhiConfig,
        SiglipImageProcessor,
        SiglipVisionConfig,
    )

    size = write_tokenizer(folder)
    SiglipImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlavaConfig(
        vision_config=SiglipVisionConfig(**tower, image_size=SIDE, patch_size=PATCH, vision_use_head=False),
        text_config=PhiConfig(**tower, vocab_size=size, max_position_embeddings=128, tie_word_embeddings=False),
        image_token_index=1,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=False,
    )
    torch.manual_seed(seed)
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    return folder


def write_tokenizer(folder: Path, image: bool = True) -> int:
    """A tokenizer of whole words, with or without `<image>`; returns how many it has."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<|endoftext|>", *(["<image>"] if image else []), "<pad>", "<unk>"]
    words = [*special, *dict.fromkeys([*WORDS.split(), *COLORS])]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|endoftext|>",
        pad_token="<pad>",
        unk_token="<unk>",
        additional_special_tokens=["<image>"] if image else [],
    ).save_pretrained(folder)
    return len(words)


def write_questions(folder: Path, count: int = 64, seed: int = 0) -> Path:
    """`train.json` of so many questions about images of one color, and half as many in `test.json`, with the images."""
    generator = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    for part, number in (("train", count), ("test", count // 2)):
        samples = []
        for i in range(number):
            name = list(COLORS)[i % len(COLORS)]
            dark = bool(generator.integers(2))
            pixels = np.array(COLORS[name]) * (0.4 if dark else 1) + generator.normal(0, 12, (SIDE, SIDE, 3))
            image = f"images/{part}{i}.png"
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / image)
            turns = [("human", "<image>\nWhat color is this image?"), ("gpt", name)]
            if i % 3 == 0:
                turns += [("human", "What shade is it?"), ("gpt", "dark" if dark else "bright")]
            said = [{"from": who, "value": value} for who, value in turns]
            samples.append({"id": f"{part}{i}", "image": image, "conversations": said})
        (folder / f"{part}.json").write_text(json.dumps(samples))
    return folder
