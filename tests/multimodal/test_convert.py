"""TinyLLaVA's own format and the Hub's, held against what its code computes, written down here module by module."""

import json
from pathlib import Path

import pytest
from tiny_llava import COLORS, SIDE, WORDS, write_tokenizer

from oraclecheck.convert import main

pytest.importorskip("transformers", reason="needs transformers: pip install 'oraclecheck[multimodal]'")


class TinyLlava:
    """A language model, a vision tower and a connector as TinyLLaVA's code has them, two blocks of width 32."""

    def __init__(self) -> None:
        import torch
        from torch import nn
        from transformers import PhiConfig, PhiForCausalLM, SiglipVisionConfig, SiglipVisionModel

        torch.manual_seed(0)
        self.text = {
            **{"model_type": "phi", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2},
            **{"num_attention_heads": 2, "vocab_size": 64, "max_position_embeddings": 128, "rope_theta": 10000.0},
            "partial_rotary_factor": 0.25,
        }
        self.vision = {
            **{"model_type": "siglip_vision_model", "hidden_size": 24, "intermediate_size": 48, "patch_size": 8},
            **{"num_hidden_layers": 3, "num_attention_heads": 2, "image_size": SIDE, "model_name_or_path": ""},
        }
        self.language_model = PhiForCausalLM(PhiConfig(**self.text))
        nn.init.normal_(self.language_model.lm_head.bias)
        tower = {key: value for key, value in self.vision.items() if key != "model_name_or_path"}
        self.vision_tower = SiglipVisionModel(SiglipVisionConfig(**tower))
        self.connector = nn.Sequential(nn.Linear(24, 32), nn.GELU(), nn.Linear(32, 32))
        for part in (self.language_model, self.vision_tower, self.connector):
            part.eval()

    def write(self, folder: Path, **others) -> Path:
        """Weights, configuration and tokenizer; the image processor is another folder's."""
        from safetensors.torch import save_file

        write_tokenizer(folder, image=False)
        parts = {
            "language_model.": self.language_model,
            "vision_tower._vision_tower.vision_model.": self.vision_tower,
            "connector._connector.": self.connector,
        }
        state = {prefix + name: value for prefix, part in parts.items() for name, value in part.state_dict().items()}
        save_file(state, folder / "model.safetensors")
        config = {
            **{"model_type": "tinyllava", "architectures": ["TinyLlavaForConditionalGeneration"]},
            "auto_map": {"AutoConfig": "configuration.TinyLlavaConfig"},  # code that nobody asks for
            **{"connector_type": "mlp2x_gelu", "image_aspect_ratio": "square", "image_token_index": -200},
            **{"text_config": self.text, "vision_config": self.vision, "vision_feature_layer": -2},
            **{"vision_feature_select_strategy": "patch", "tokenizer_padding_side": "right", **others},
        }
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    def logits(self, before: list[int], image, after: list[int]):
        """Of every token behind the image, one sample."""
        import torch

        features = self.vision_tower(image, output_hidden_states=True).hidden_states[-2][:, 1:]
        embed = self.language_model.get_input_embeddings()
        parts = [embed(torch.tensor([before])), self.connector(features), embed(torch.tensor([after]))]
        return self.language_model(inputs_embeds=torch.cat(parts, dim=1)).logits[0, -len(after) :]


@pytest.fixture(scope="module")
def theirs() -> TinyLlava:
    return TinyLlava()


@pytest.fixture(scope="module")
def source(theirs, tmp_path_factory) -> Path:
    return theirs.write(tmp_path_factory.mktemp("theirs") / "tinyllava")


@pytest.fixture(scope="module")
def converted(source, llava, tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("converted") / "model"
    assert main([str(source), str(target), "--processor", str(llava)]) == 0
    return target


def test_a_converted_model_computes_what_theirs_does(theirs, converted):
    import torch

    from oraclecheck.multimodal.llava import Llava, network_state
    from oraclecheck.multimodal.questions import Questions

    network = Llava(str(converted)).eval()
    network.load_state_dict(network_state(converted))
    image = torch.randn(1, 3, SIDE, SIDE)
    before, after = [5, 9, 11], [7, 3, 20, 8]
    place, count = network.config.image_token_id, (SIDE // 8) ** 2 - 1
    assert place == 3 + len({*WORDS.split(), *COLORS})  # after three special tokens and all words
    tokens = torch.tensor([[*before, *[place] * count, *after]])
    columns = torch.arange(len(before) + count, tokens.shape[1])
    mask = torch.ones(1, 1, *[tokens.shape[1]] * 2).tril().bool()
    with torch.no_grad():
        ours = network(Questions(tokens, mask, image, torch.zeros_like(columns), columns))
        expected = theirs.logits(before, image, after)
    assert torch.allclose(ours, expected, atol=1e-5)
    assert not torch.allclose(ours, expected - theirs.language_model.lm_head.bias, atol=0.1)


def test_weights_have_the_names_of_files_on_the_hub(converted):
    """Those of llava-hf/llava-1.5-7b-hf, which versions 4 and 5 of transformers read."""
    from safetensors import safe_open

    with safe_open(converted / "model.safetensors", "pt") as file:
        names = {*file.keys()}
    assert names >= {
        "language_model.lm_head.weight",
        "language_model.lm_head.bias",
        "language_model.model.embed_tokens.weight",
        "language_model.model.layers.0.self_attn.q_proj.weight",
        "multi_modal_projector.linear_1.weight",
        "vision_tower.vision_model.encoder.layers.0.self_attn.q_proj.weight",
        "vision_tower.vision_model.post_layernorm.weight",
    }
    begins = ("language_model.", "multi_modal_projector.", "vision_tower.vision_model.")
    assert all(name.startswith(begins) for name in names)


def test_an_image_becomes_as_many_tokens_as_the_vision_tower_gives():
    from oraclecheck.multimodal.llava import image_tokens

    sizes = {"image_size": 28, "patch_size": 14}
    for tower, strategy, count in (
        ("clip_vision_model", "default", 4),
        ("clip_vision_model", "full", 5),
        ("dinov2", "default", 4),
        ("siglip_vision_model", "default", 3),
        ("siglip_vision_model", "full", 4),
    ):
        config = {"vision_config": {**sizes, "model_type": tower}, "vision_feature_select_strategy": strategy}
        assert image_tokens(config) == count


def test_what_was_converted_goes_back_bit_for_bit(source, converted, tmp_path):
    from safetensors.torch import load_file

    assert main([str(converted), str(tmp_path / "back")]) == 0
    theirs, back = (load_file(folder / "model.safetensors") for folder in (source, tmp_path / "back"))
    assert theirs.keys() == back.keys() and all(theirs[name].equal(back[name]) for name in theirs)
    content = [json.loads((folder / "config.json").read_bytes()) for folder in (source, tmp_path / "back")]
    assert content[1] == {**content[0], "torch_dtype": "float32"}


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (
            {"connector_type": "resampler"},
            "connector_type mlp2x_gelu, all that transformers' LLaVA knows; got resampler",
        ),
        ({"image_aspect_ratio": "pad"}, "image_aspect_ratio square, all that transformers' LLaVA knows; got pad"),
        ({"vision_feature_select_strategy": "cls"}, "vision_feature_select_strategy patch or cls_patch; got cls"),
        ({"text_config": None}, "what text_config is, with its model_type; got None"),
        ({"vision_config": {"model_type": "no_tower"}}, "a vision_config that transformers knows; got"),
        ({"vision_feature_layer": None}, "vision_feature_layer, a number; got None"),
        (
            {"text_config": {"model_type": "phi", "hidden_act": "none"}},
            "what network it is; got one that cannot be made",
        ),
    ],
)
def test_a_model_that_cannot_be_converted(others, said, theirs, llava, tmp_path, capsys):
    folder = theirs.write(tmp_path / "tinyllava", **others)
    assert main([str(folder), str(tmp_path / "target"), "--processor", str(llava)]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"oraclecheck: {folder / 'config.json'} must say {said}"), last
    assert {each.name for each in tmp_path.iterdir()} == {"tinyllava"}


def test_weights_that_are_missing_unknown_or_of_another_shape(theirs, llava, tmp_path, capsys):
    import torch
    from safetensors.torch import load_file, save_file

    folder = theirs.write(tmp_path / "tinyllava")
    whole = load_file(folder / "model.safetensors")
    name = "connector._connector.2.bias"
    for state, said in (
        (
            {key: value for key, value in whole.items() if key != name},
            "which lacks model.multi_modal_projector.linear_2",
        ),
        ({**whole, "connector._connector.2.gate": torch.zeros(1)}, "which has an unknown model.multi_modal_projector"),
        ({**whole, "gate": torch.zeros(1)}, "with an unknown gate"),
        ({**whole, name: torch.zeros(3)}, "which has another shape of model.multi_modal_projector.linear_2.bias"),
    ):
        save_file(state, folder / "model.safetensors")
        assert main([str(folder), str(tmp_path / "target"), "--processor", str(llava)]) == 2
        err = capsys.readouterr().err.splitlines()[-1]
        assert err.startswith("oraclecheck: SOURCE must hold the weights of its config.json") and said in err
    (folder / "model.safetensors").write_bytes(b"no weights")
    assert main([str(folder), str(tmp_path / "target"), "--processor", str(llava)]) == 2
    assert "SOURCE must hold weights that can be read" in capsys.readouterr().err
    assert {each.name for each in tmp_path.iterdir()} == {"tinyllava"}


def test_an_image_processor_of_another_size(source, tmp_path, capsys):
    from transformers import SiglipImageProcessor

    SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "other")
    assert main([str(source), str(tmp_path / "t"), "--processor", str(tmp_path / "other")]) == 2
    assert "--processor must make images of 16x16, as the vision tower takes" in capsys.readouterr().err


def test_a_full_disk_is_one_sentence_and_leaves_nothing(source, llava, tmp_path, capsys, monkeypatch):
    from safetensors import SafetensorError

    from oraclecheck.multimodal.llava import Headed

    def full(network, folder):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(Headed, "write", full)
    assert main([str(source), str(tmp_path / "t"), "--processor", str(llava)]) == 2
    assert "TARGET must be where there is room to write" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_places_that_are_wrong(source, llava, tmp_path, capsys):
    for words, said in (
        ([str(tmp_path), str(tmp_path / "t")], "SOURCE must hold a config.json"),
        ([str(source), str(tmp_path)], "TARGET must be a folder that is not there yet"),
        (["./gone", str(tmp_path / "t")], "SOURCE must be a folder, or a model's name on the Hub"),
        ([str(source), str(tmp_path / "t")], "--processor must say where it is: the model names none"),
        ([str(llava), str(tmp_path / "t")], "SOURCE must be a model of TinyLLaVA"),
    ):
        assert main(words) == 2
        assert capsys.readouterr().err.splitlines()[-1].startswith(f"oraclecheck: {said}")


@pytest.mark.slow
def test_a_study_of_a_converted_model_and_its_networks_go_back(words, converted, tmp_path):
    from safetensors.torch import load_file

    from oraclecheck.cli import main as study

    kept = (word for word in words if not word.startswith("model.path="))
    assert (
        study([*kept, f"model.path={converted}", f"paths.out={tmp_path}", "combo=1", "trainer.keep_networks=true"]) == 0
    )
    (network,) = tmp_path.glob("tinyllava-*/1/0/network")
    assert main([str(network), str(tmp_path / "back")]) == 0
    state = load_file(tmp_path / "back" / "model.safetensors")
    blocks = [value for name, value in state.items() if ".layers." in name and "language" in name and value.ndim == 2]
    assert sum(int((value == 0).sum()) for value in blocks) == 7168  # 43.75 % of the weights of two blocks
    assert state["language_model.lm_head.bias"].any()
