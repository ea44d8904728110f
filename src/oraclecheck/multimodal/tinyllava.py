"""TinyLLaVA's own format (Zhou et al., arXiv 2402.14289, as its TinyLLaVA Factory writes it) and the Hub's, either way.

They differ in the names of weights, in the configuration, and in the tokenizer: TinyLLaVA's knows no `<image>`, because
its code puts images in the place of a number that is no token's. Here it becomes the first number that no token has.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from oraclecheck.errors import first_line
from oraclecheck.files import whole_folder, write_json
from oraclecheck.multimodal.asking import write_asking
from oraclecheck.multimodal.conversations import IMAGE
from oraclecheck.multimodal.hub import INDEX, WEIGHTS, configuration, fetched, weights_of
from oraclecheck.multimodal.llava import BIASED, ORIGIN, Headed, LlavaConfig, network_state

NAMES = {
    "language_model.model.": "model.language_model.",
    "language_model.lm_head.": "lm_head.",
    "connector._connector.0.": "model.multi_modal_projector.linear_1.",
    "connector._connector.2.": "model.multi_modal_projector.linear_2.",
    "vision_tower._vision_tower.vision_model.": "model.vision_tower.",
}
"""How names of weights begin, TinyLLaVA's -> transformers'."""

RECOMPUTED = ("rotary_emb.inv_freq", "position_ids")
"""Buffers that old versions wrote and nothing reads."""

CONNECTOR, RATIO = "mlp2x_gelu", "square"
"""The projector and the way to fit images that transformers' LLaVA has, as TinyLLaVA calls them."""

STRATEGIES = {"patch": "default", "cls_patch": "full"}
"""Which of the vision tower's outputs are taken, TinyLLaVA's word -> transformers'."""


def from_tinyllava(source: Path, target: Path, tokenizer: str | None = None, processor: str | None = None) -> None:
    """Write a model of TinyLLaVA's as a LLaVA of the Hub's format.

    Args:
        source: Its folder: `config.json` with `model_type: tinyllava`, and weights as safetensors.
        target: The folder that is made.
        tokenizer: Folder, or name on the Hub, of the tokenizer; None takes the model's own, or the one it names.
        processor: The same of the image processor; None takes the one of the vision tower that the model names.

    Raises:
        ValueError: If it cannot be converted; nothing is written.
    """
    content = configuration(source, "SOURCE")
    rule = f"{source / 'config.json'} must say"
    config = _configuration(content, rule)
    words = _tokenizer(source, content, tokenizer)
    config.image_token_index = words.convert_tokens_to_ids(IMAGE)
    size = config.text_config.vocab_size
    if config.image_token_index >= size:
        raise ValueError(
            f"SOURCE must leave one of its {size:,} tokens to {IMAGE}; its tokenizer has {len(words) - 1:,}"
        )
    images = _processor(source, content, processor, config.vision_config.image_size)
    state = _renamed(_weights(source), NAMES, source)
    setattr(config, BIASED, "lm_head.bias" in state)
    setattr(config, ORIGIN, content)
    try:
        with torch.device("meta"):
            network = Headed(config)
    except Exception as error:  # whatever values make a network stumble over
        raise ValueError(f"{rule} what network it is; got one that cannot be made: {_spelt(error)}") from None
    embedded = "model.language_model.embed_tokens.weight"
    if config.text_config.tie_word_embeddings and embedded in state:
        state.setdefault("lm_head.weight", state[embedded])
    _fill(network, state, source)
    with _written(target) as folder:
        network.write(folder)
        words.save_pretrained(folder)
        images.save_pretrained(folder)
        write_asking(folder, config.to_dict())


def to_tinyllava(source: Path, target: Path) -> None:
    """Write a model that came from TinyLLaVA's format, such as a retrained one, in that format again.

    Weights are float32; its configuration is the one that it came with.

    Raises:
        ValueError: If it did not come from there; nothing is written.
    """
    from safetensors.torch import save_file

    origin = configuration(source, "SOURCE").get(ORIGIN)
    if not isinstance(origin, dict):
        raise ValueError(
            f"SOURCE must be a model of TinyLLaVA, model_type tinyllava in its config.json, or one that was converted "
            f"from it; got {source}, which is neither"
        )
    weights = network_state(source, "SOURCE")
    with _written(target) as folder:
        back = {after: before for before, after in NAMES.items()}
        state = {name: value.clone() for name, value in _renamed(weights, back, source).items()}  # none shared
        save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
        write_json(folder / "config.json", {**origin, "torch_dtype": "float32"})


@contextmanager
def _written(target: Path) -> Iterator[Path]:
    try:
        with whole_folder(target) as folder:
            yield folder
    except (OSError, ValueError):
        raise
    except Exception as error:  # a full disk is a kind of safetensors' own
        raise ValueError(f"TARGET must be where there is room to write; got {target}: {_spelt(error)}") from None


def _spelt(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}"


def _configuration(content: dict[str, Any], rule: str) -> Any:
    """The configuration of a LLaVA, by TinyLLaVA's."""
    from transformers import AutoConfig

    for key, wanted in (("connector_type", CONNECTOR), ("image_aspect_ratio", RATIO)):
        if content.get(key) != wanted:
            raise ValueError(f"{rule} {key} {wanted}, all that transformers' LLaVA knows; got {content.get(key)}")
    strategy = content.get("vision_feature_select_strategy")
    if strategy not in STRATEGIES:
        raise ValueError(f"{rule} vision_feature_select_strategy patch or cls_patch; got {strategy}")
    parts: dict[str, Any] = {}
    for key in ("text_config", "vision_config"):
        part = content.get(key)
        if not isinstance(part, dict) or "model_type" not in part:
            raise ValueError(f"{rule} what {key} is, with its model_type; got {part}")
        try:
            parts[key] = AutoConfig.for_model(**part)
        except Exception as error:  # whatever values make a configuration stumble over
            raise ValueError(f"{rule} a {key} that transformers knows; got {_spelt(error)}") from None
    layer = content.get("vision_feature_layer", -2)
    if type(layer) is not int:
        raise ValueError(f"{rule} vision_feature_layer, a number; got {layer}")
    try:
        kept: dict[str, Any] = {
            "projector_hidden_act": "gelu",
            "vision_feature_layer": layer,
            "vision_feature_select_strategy": STRATEGIES[strategy],
            "tie_word_embeddings": parts["text_config"].tie_word_embeddings,
        }
        return LlavaConfig(**parts, **kept)
    except Exception as error:
        raise ValueError(f"{rule} a language model that sees; got {_spelt(error)}") from None


def _tokenizer(source: Path, content: dict[str, Any], chosen: str | None) -> Any:
    from tokenizers import AddedToken
    from transformers import AutoTokenizer

    own = source if (source / "tokenizer_config.json").is_file() else None
    named = content.get("tokenizer_name_or_path") or content.get("llm_model_name_or_path")
    words = _read(AutoTokenizer, "--tokenizer", chosen or own or named)
    if not words.is_fast:
        raise ValueError("--tokenizer must be one that says where tokens begin, with or made into tokenizer.json")
    if words.convert_tokens_to_ids(IMAGE) in (None, words.unk_token_id):
        words.add_tokens([AddedToken(IMAGE, special=True, normalized=False)], special_tokens=True)
    return words


def _processor(source: Path, content: dict[str, Any], chosen: str | None, side: int) -> Any:
    from transformers import AutoImageProcessor

    own = source if (source / "preprocessor_config.json").is_file() else None
    named = content.get("vision_model_name_or_path") or content["vision_config"].get("model_name_or_path")
    images = _read(AutoImageProcessor, "--processor", chosen or own or named)
    shape = tuple(images(Image.new("RGB", (7, 5)), return_tensors="pt")["pixel_values"].shape)
    if shape != (1, 3, side, side):
        raise ValueError(f"--processor must make images of {side}x{side}, as the vision tower takes; it makes {shape}")
    return images


def _read(reader: Any, option: str, place: str | Path | None) -> Any:
    if not place:
        raise ValueError(f"{option} must say where it is: the model names none")
    try:
        return reader.from_pretrained(fetched(option, str(place), weights=False), trust_remote_code=False)
    except ValueError:
        raise
    except Exception as error:  # whatever files make their readers stumble over
        raise ValueError(f"{option} must be a folder or a name on the Hub; {place}: {first_line(error)}") from None


def _weights(source: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    listed = weights_of(source, "SOURCE")
    files = [listed]
    if listed.name == INDEX:
        files = [source / name for name in sorted(set(json.loads(listed.read_bytes())["weight_map"].values()))]
    state: dict[str, Tensor] = {}
    for file in files:
        try:
            state |= load_file(file)
        except Exception as error:  # safetensors raises kinds of its own
            raise ValueError(f"SOURCE must hold weights that can be read; {file}: {first_line(error)}") from None
    return {name: value for name, value in state.items() if not name.endswith(RECOMPUTED)}


def _renamed(state: dict[str, Tensor], names: dict[str, str], source: Path) -> dict[str, Tensor]:
    renamed = {}
    for name, value in state.items():
        begin = next((each for each in names if name.startswith(each)), None)
        if begin is None:
            raise ValueError(f"SOURCE must hold the weights of its config.json; got {source} with an unknown {name}")
        renamed[names[begin] + name.removeprefix(begin)] = value
    return renamed


def _fill(network: Headed, state: dict[str, Tensor], source: Path) -> None:
    rule = f"SOURCE must hold the weights of its config.json; got {source}, which"
    wanted = network.state_dict()
    for what, names in (
        ("lacks", wanted.keys() - state.keys()),
        ("has an unknown", state.keys() - wanted.keys()),
        ("has another shape of", {name for name in wanted.keys() & state if wanted[name].shape != state[name].shape}),
    ):
        if names:
            raise ValueError(f"{rule} {what} {min(names)}")
    network.load_state_dict(state, assign=True)
