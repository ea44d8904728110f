"""LLaVA (Liu et al., arXiv 2310.03744) as transformers has it, asked for the answers' tokens alone.

Importing this module imports transformers, which takes seconds: nothing does but a study of such a model.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from oraclecheck.errors import first_line
from oraclecheck.files import digest, write_json
from oraclecheck.multimodal.hub import EXTRA, KEY, configuration, model_folder
from oraclecheck.multimodal.questions import Questions

try:
    from huggingface_hub import save_torch_state_dict
    from transformers import LlavaConfig, LlavaForConditionalGeneration
    from transformers.utils import logging
except ImportError as error:
    raise ValueError(f"{KEY} needs transformers, which cannot be imported ({first_line(error)}): {EXTRA}") from error

BIASED, ORIGIN = "lm_head_bias", "tinyllava"
"""Of a configuration: whether lm_head has a bias, and what a model was converted from."""

ON_THE_HUB = {
    "model.language_model.": "language_model.model.",
    "lm_head.": "language_model.lm_head.",
    "model.multi_modal_projector.": "multi_modal_projector.",
    "model.vision_tower.": None,
}
"""How names of weights begin, in memory -> in files on the Hub; of the vision tower see `WRAPPED`. Version 5 of
transformers writes others, which version 4 takes for missing weights, and makes some up."""

WRAPPED = ("clip_vision_model", "siglip_vision_model")
"""Vision towers, by `model_type`, whose weights are those of a `vision_model` in files."""

CLASSLESS = ("siglip_vision_model", "siglip2_vision_model", "pixtral")
"""Vision towers, by `model_type`, whose patches come without a class token before them."""

_OF_THE_FILE = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", ORIGIN)
"""What a configuration says of who wrote it and how: no part of what the network is."""


class Headed(LlavaForConditionalGeneration):
    """LLaVA whose lm_head has a bias where its configuration says so: that of Phi has one, transformers' LLaVA never.

    Args:
        config: Its configuration.
    """

    def __init__(self, config: LlavaConfig) -> None:
        super().__init__(config)
        if getattr(config, BIASED, False):
            text: Any = config.text_config
            self.lm_head = nn.Linear(text.hidden_size, text.vocab_size)

    @classmethod
    def is_custom_code(cls) -> bool:
        """No: transformers reads it under the names that files on the Hub have."""
        return False

    def write(self, folder: Path) -> None:
        """Write weights and configuration as files on the Hub have them, which transformers 4 reads too."""
        vision: Any = self.config.vision_config
        tower = "vision_tower." + "vision_model." * (vision.model_type in WRAPPED)
        state = {}
        for name, value in self.state_dict().items():
            begin = next(each for each in ON_THE_HUB if name.startswith(each))
            state[(ON_THE_HUB[begin] or tower) + name.removeprefix(begin)] = value
        self.config.save_pretrained(folder)
        config = json.loads((folder / "config.json").read_bytes())
        told = {
            "architectures": [LlavaForConditionalGeneration.__name__],
            "dtype": str(self.dtype).removeprefix("torch."),
        }
        write_json(folder / "config.json", {**config, **told})
        save_torch_state_dict(state, folder)


class Llava(Headed):
    """A LLaVA of some folder's configuration, its weights random; `network_state` reads those of the folder.

    Args:
        path: The folder, or a name on the Hub.
        train_vision_tower: Whether the vision tower is trained too; LLaVA-1.5's recipe leaves it as it is.

    Attributes:
        arguments: These, for whoever makes another one in another process: hooks of this one cannot be sent there.
    """

    never_pruned = ("model.vision_tower", "model.multi_modal_projector", "lm_head")
    """Parts whose weights all stay, as in the paper; embeddings are no Linears and stay anyway."""

    block = r"model\.language_model\.layers\.\d+"
    """The names of the language model's blocks, which gradient checkpointing computes again and FSDP shards."""

    def __init__(self, path: str, train_vision_tower: bool = False) -> None:
        super().__init__(LlavaConfig.from_pretrained(model_folder(path)))
        self.arguments = (path, train_vision_tower)
        if not train_vision_tower:
            self.model.vision_tower.requires_grad_(False)

    @staticmethod
    def study_identity(description: dict[str, Any]) -> dict[str, Any]:
        """What defines the network beside its weights: the content of its configuration, not where it lies."""
        content = configuration(model_folder(description["path"]))
        kept = {name: value for name, value in content.items() if name not in _OF_THE_FILE}
        return {**description, "path": digest(kept)}

    def forward(self, questions: Questions) -> Tensor:
        """Logits (tokens of all answers, vocabulary)."""
        embedded = self.get_input_embeddings()(questions.tokens)
        if questions.images is not None:
            features = torch.cat(list(self.get_image_features(questions.images).pooler_output))
            places = (questions.tokens == self.config.image_token_id)[..., None].expand_as(embedded)
            embedded = embedded.masked_scatter(places, features.to(embedded.dtype))
        hidden = self.model.language_model(
            inputs_embeds=embedded, attention_mask=questions.mask, use_cache=False
        ).last_hidden_state
        return self.lm_head(hidden[questions.rows, questions.columns])

    def example(self, input_shape: tuple[int, ...], device: torch.device) -> Questions:
        """An image with nothing said of it but one token, such as multiply-accumulates are counted for."""
        length = self.image_tokens + 1
        tokens = torch.full((1, length), self.config.image_token_id, device=device)
        mask = torch.ones(
            1, 1, length, length, dtype=torch.bool, device=device
        )  # ready, for else it would be looked at
        place = torch.zeros(1, dtype=torch.int64, device=device)
        images = torch.empty(1, *input_shape, device=device)
        return Questions(tokens, mask, images, place, place + self.image_tokens)

    @property
    def image_tokens(self) -> int:
        """Tokens that an image becomes."""
        return image_tokens(self.config.to_dict())


def image_tokens(config: dict[str, Any]) -> int:
    """Tokens that an image becomes, by a whole configuration.

    These are the patches, and before them the class token of a tower that has one. The strategy `default` leaves the
    first of them all out, which is a patch of SigLIP's, which has none.
    """
    vision = config["vision_config"]
    patches = (vision["image_size"] // vision["patch_size"]) ** 2
    return patches + (vision["model_type"] not in CLASSLESS) - (config["vision_feature_select_strategy"] == "default")


def network_state(folder: Path, key: str = KEY) -> dict[str, Tensor]:
    """The weights in a folder, float32 whatever they are kept as, under the names that `Llava` has for them.

    Args:
        folder: The model's.
        key: What named it, for messages.

    Raises:
        ValueError: If they cannot be read, or are another architecture's.
    """
    rule = f"{key} must hold the weights of its config.json; got {folder}"
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # what it would warn of is refused below
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded: Any = Headed.from_pretrained(
                folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
            )
            network, told = loaded
    except Exception as error:  # whatever files make their readers stumble over
        raise ValueError(f"{rule}, which cannot be read: {first_line(error)}") from None
    for what, names in (
        ("lacks", told["missing_keys"]),
        ("has an unknown", told["unexpected_keys"]),
        ("has another shape of", [each[0] for each in told["mismatched_keys"]]),
    ):
        if names:
            raise ValueError(f"{rule}, which {what} {min(names)}")
    return network.state_dict()
