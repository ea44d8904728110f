"""The memory of TinyLLaVA-3.1B against arithmetic by hand, and what a GPU that is too small is told."""

from dataclasses import replace

import pytest
import torch

from oraclecheck.command import device_memory
from oraclecheck.multimodal.memory import Model, Use, alternatives, fits, memory, spell_model

WIDTH, INNER, BLOCKS, VOCABULARY = 2560, 10240, 32, 51200  # Phi-2
TOWER, TOWER_INNER, TOWER_BLOCKS, PATCH, SIDE = 1152, 4304, 27, 14, 384  # SigLIP-so400m

LINEARS = BLOCKS * (4 * WIDTH**2 + 2 * WIDTH * INNER)
BIASES_AND_NORMS = BLOCKS * (4 * WIDTH + INNER + WIDTH + 2 * WIDTH) + 2 * WIDTH
EMBEDDINGS = LM_HEAD = VOCABULARY * WIDTH
TOWER_MLP = 2 * TOWER * TOWER_INNER + TOWER_INNER + TOWER
TOWER_BLOCK = 4 * (TOWER**2 + TOWER) + TOWER_MLP + 4 * TOWER
TOWER_HEAD = TOWER + 4 * (TOWER**2 + TOWER) + TOWER_MLP + 2 * TOWER
TOWER_ALL = (
    (3 * PATCH**2 + 1) * TOWER  # patches
    + (SIDE // PATCH) ** 2 * TOWER  # places
    + TOWER_BLOCKS * TOWER_BLOCK
    + 2 * TOWER
    + TOWER_HEAD
)
PROJECTOR = TOWER * WIDTH + WIDTH + WIDTH**2 + WIDTH

USUAL = Use(conversations=1, tokens=2048, checkpointing=True, mixed=True)


@pytest.fixture(scope="module")
def model(llava) -> Model:
    from transformers import LlavaConfig, LlavaForConditionalGeneration, PhiConfig, SiglipVisionConfig

    config = LlavaConfig(
        vision_config=SiglipVisionConfig(
            hidden_size=TOWER,
            intermediate_size=TOWER_INNER,
            num_hidden_layers=TOWER_BLOCKS,
            num_attention_heads=16,
            image_size=SIDE,
            patch_size=PATCH,
        ),
        text_config=PhiConfig(
            hidden_size=WIDTH, intermediate_size=INNER, num_hidden_layers=BLOCKS, vocab_size=VOCABULARY
        ),
        vision_feature_layer=-2,
        vision_feature_select_strategy="full",
        tie_word_embeddings=False,
    )
    with torch.device("meta"):
        network = LlavaForConditionalGeneration(config)
    network.model.vision_tower.requires_grad_(False)
    return Model.of(network, LINEARS)


def test_the_parameters_of_tinyllava_are_those_of_its_papers(model):
    assert model.parameters == {
        "language model": LINEARS + BIASES_AND_NORMS + EMBEDDINGS,
        "vision tower": TOWER_ALL,
        "projector": PROJECTOR,
        "lm_head": LM_HEAD,
    }
    assert (model.all_parameters, model.masked) == (3_217_366_080, 2_516_582_400)
    assert "vision tower 13.3 %" in spell_model(model) and "the tower is 14.5 %)" in spell_model(model)


def test_tinyllava_fits_into_80_gigabytes(model):
    trained = model.all_parameters - TOWER_ALL
    assert memory(model, USUAL) == {
        "weights": 4 * 3_217_366_080,
        "gradients": 4 * trained,
        "Adam's moments": 8 * trained,
        "masks": LINEARS,
        "16-bit copies": 2 * trained,
        "activations": 2048 * WIDTH * (4 * BLOCKS + 34),
        "logits": 3 * 2048 * VOCABULARY * 4,
    }
    assert sum(memory(model, USUAL).values()) == pytest.approx(56.5e9, abs=0.1e9)
    assert fits(model, USUAL, 80e9) and not fits(model, USUAL, 48e9)


def test_tinyllava_is_sharded_over_gpus_of_48_gigabytes(model):
    trained = model.all_parameters - TOWER_ALL
    block = 4 * WIDTH**2 + 2 * WIDTH * INNER + 4 * WIDTH + INNER + WIDTH + 2 * WIDTH
    outside = TOWER_ALL + PROJECTOR + EMBEDDINGS + LM_HEAD + 2 * WIDTH
    sharded = replace(USUAL, devices=2)
    assert memory(model, sharded) == {
        "weights": 2 * 3_217_366_080,
        "gradients": 2 * trained,
        "Adam's moments": 4 * trained,
        "masks": LINEARS / 2,
        "gathered weights": 4 * (outside + 2 * block),
        "their gradients": 2 * 4 * (outside - TOWER_ALL + 2 * block),
        "16-bit copies": 2 * trained,
        "activations": 2048 * WIDTH * (4 * BLOCKS + 34),
        "logits": 3 * 2048 * VOCABULARY * 4,
    }
    assert fits(model, sharded, 48e9)
    words = [words for words, _ in alternatives(model, USUAL, 8, 48e9, gpus=4)]
    assert words == ["trainer.strategy=fsdp trainer.devices=2", "on a GPU of 60 GB"]
    # each GPU takes a part of a batch: no more of them than parts
    found = alternatives(model, replace(USUAL, conversations=8), 8, 60e9, gpus=4)
    assert next(words for words, _ in found) == "trainer.accumulate=8"
    assert all("fsdp" not in words for words, _ in alternatives(model, replace(USUAL, conversations=8), 8, 48e9, 1))


def test_the_dense_network_has_to_fit_whole_onto_one_gpu(model):
    many = memory(model, Use(conversations=1, tokens=256, checkpointing=True, mixed=True, devices=8))
    assert many["weights"] == 4 * 3_217_366_080 / 8
    fewer = memory(model, Use(conversations=1, tokens=8192, checkpointing=True, mixed=True, devices=64))
    assert fewer["weights"] == 4 * 3_217_366_080 and "gradients" not in fewer


def test_what_would_fit_is_told_the_least_change_first(model):
    whole = Use(conversations=8, tokens=2048, checkpointing=False, mixed=True)
    words = [words for words, _ in alternatives(model, whole, 8, 80e9)]
    both = "trainer.gradient_checkpointing=true trainer.accumulate=8"
    assert words == ["trainer.gradient_checkpointing=true", "trainer.accumulate=8", both, f"{both} on a GPU of 60 GB"]
    assert [words for words, _ in alternatives(model, USUAL, 8, 48e9)] == ["on a GPU of 60 GB"]


def test_measuring_in_float32_may_be_what_takes_most(model):
    # 4 conversations at once, without gradients of activations and without copies
    little = memory(model, Use(conversations=1, tokens=8192, checkpointing=True, mixed=True))
    assert little["logits"] == 3 * 4 * 8192 * VOCABULARY * 4 and "16-bit copies" not in little


def test_a_gpu_too_small_is_refused_before_anything_is_loaded(refused, monkeypatch):
    from oraclecheck.multimodal import llava

    monkeypatch.setattr(device_memory, "smallest_gpu", lambda trainer: 105e6)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(llava, "network_state", lambda folder: pytest.fail("it was loaded"))
    said = refused("data.source.max_length=8192", "trainer.gradient_checkpointing=false")
    assert said.startswith(
        "trainer must need less memory than the GPU has, 95% of 0.1 GB; got 0.2 GB: what would fit: "
    )
    assert "trainer.gradient_checkpointing=true (" in said


def test_bfloat16_weights_do_not_take_small_steps():
    weights = torch.tensor([0.0077, 0.008, 0.02]).bfloat16()
    assert ((weights - 2e-5) != weights).tolist() == [True, False, False]
    layer = (torch.randn(10**5, generator=torch.Generator().manual_seed(0)) * 0.02).bfloat16()
    assert ((layer - 2e-5) == layer).double().mean() == pytest.approx(0.70, abs=0.01)
