"""The memory of TinyLLaVA-3.1B against arithmetic by hand, and what a GPU that is too small is told."""

import weakref
from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from oraclecheck.command import device_memory
from oraclecheck.engines.trainer import TrainerSettings
from oraclecheck.multimodal.memory import BLOCKS as ACTIVATIONS
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
    always = {
        "weights": 4 * 3_217_366_080,
        "gradients": 4 * trained,
        "Adam's moments": 8 * trained,
        "masks": LINEARS,
    }
    assert memory(model, USUAL) == {**always, "Adam's roots": 4 * trained}
    assert sum(memory(model, USUAL).values()) == pytest.approx(60.0e9, abs=0.1e9)
    assert fits(model, USUAL, 80e9) and not fits(model, USUAL, 48e9)
    # 31 blocks keep 90.9 bytes for each of 2,048 x 2,560, the last has 143 while it goes backward
    whole = memory(model, replace(USUAL, checkpointing=False))
    assert whole == {
        **always,
        "16-bit copies": 2 * trained,
        "activations": pytest.approx(2048 * 2560 * (31 * 90.9 + 142.9), rel=0.01),
        "logits": 3 * 2048 * VOCABULARY * 4,
    }
    assert sum(whole.values()) == pytest.approx(71.2e9, abs=0.1e9)
    # 32 blocks keep what goes in, float32, of 8 conversations
    eight = memory(model, replace(USUAL, conversations=8))
    assert eight["activations"] == pytest.approx(8 * 2048 * 2560 * (32 * 4 + 142.9), rel=0.01)
    assert sum(eight.values()) == pytest.approx(75.9e9, abs=0.1e9)


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
        "activations": pytest.approx(2048 * 2560 * (32 * 4 + 142.9), rel=0.01),
        "logits": 3 * 2048 * VOCABULARY * 4,
    }
    assert fits(model, sharded, 48e9)
    words = [words for words, _ in alternatives(model, USUAL, 8, 48e9, gpus=4)]
    assert words == ["trainer.strategy=fsdp trainer.devices=2", "on a GPU of 64 GB"]
    # each GPU takes a part of a batch: no more of them than parts
    found = alternatives(model, replace(USUAL, conversations=8), 8, 64e9, gpus=4)
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
    assert words == ["trainer.gradient_checkpointing=true", "trainer.accumulate=8", both, f"{both} on a GPU of 64 GB"]
    assert [words for words, _ in alternatives(model, USUAL, 8, 48e9)] == ["on a GPU of 64 GB"]


def test_measuring_in_float32_may_be_what_takes_most(model):
    # 4 conversations at once, without gradients of activations and without copies
    little = memory(model, Use(conversations=1, tokens=8192, checkpointing=True, mixed=True))
    assert little["logits"] == 3 * 4 * 8192 * VOCABULARY * 4 and "16-bit copies" not in little
    assert little["activations"] == pytest.approx(4 * 8192 * 2560 * (72.8 + 4), rel=0.01)


class Live(TorchDispatchMode):
    """Counts the bytes of the storages that operations make, as long as they live."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        made = function(*arguments, **(options or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and (name := tensor.untyped_storage()._cdata) not in self.known:
                self.known.add(name)
                self.now += (size := tensor.untyped_storage().nbytes())
                weakref.finalize(tensor.untyped_storage(), self.gone, name, size)
        self.most = max(self.most, self.now)
        return made

    def gone(self, name: int, size: int) -> None:
        self.known.discard(name)
        self.now -= size


def block_of(activation: str):
    """A block 320 wide with heads of 80, as Phi-2's are, in training mode, and the places of its tokens."""
    from transformers.models.llama import modeling_llama as llama
    from transformers.models.phi import modeling_phi as phi

    sizes = {"hidden_size": 320, "num_attention_heads": 4, "hidden_act": activation}
    if activation == "silu":  # Llama-2's hidden layers are 11,008 where it is 4,096 wide
        config = llama.LlamaConfig(**sizes, intermediate_size=860)
        block, places = llama.LlamaDecoderLayer(config, 0), llama.LlamaRotaryEmbedding(config)
    else:
        config = phi.PhiConfig(**sizes, intermediate_size=1280, resid_pdrop=0.1, partial_rotary_factor=0.4)
        block, places = phi.PhiDecoderLayer(config, 0), phi.PhiRotaryEmbedding(config)
    config._attn_implementation = "sdpa"
    return block.train(), places


def bytes_of(activation: str, mixed: bool) -> tuple[float, float, float]:
    """What a block keeps, what there is at most in training, and in measuring: bytes a token and unit of width."""
    block, places = block_of(activation)
    for parameter in block.parameters():
        parameter.grad = torch.zeros_like(parameter)
    counted = []
    for tokens in (512, 1024):
        kept: dict[int, int] = {}

        def keep(tensor: torch.Tensor, kept=kept) -> torch.Tensor:
            kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
            return tensor

        embedded = torch.randn(1, tokens, 320, requires_grad=True)
        where = places(embedded, torch.arange(tokens)[None])
        autocast = torch.autocast("cpu", torch.bfloat16, enabled=mixed)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), autocast:
            block(embedded, position_embeddings=where)
        with Live() as training:
            with autocast:
                told = block(embedded, position_embeddings=where)
            told.backward(torch.ones_like(told))
        with torch.no_grad(), Live() as measuring:
            block.eval()(embedded, position_embeddings=where)
        block.train()
        counted.append((sum(kept.values()), training.most, measuring.most))
    # what weights are made of does not depend on the tokens
    first, second = counted
    return tuple((more - less) / 512 / 320 for less, more in zip(first, second, strict=True))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_block_keeps_what_is_counted(activation, llava, monkeypatch):
    power = torch.pow

    def wide(base, exponent):
        """As autocast has it on a GPU, and not here."""
        return power(base.float() if isinstance(base, torch.Tensor) else base, exponent)

    monkeypatch.setattr(torch, "pow", wide)
    expected = ACTIVATIONS[activation]
    kept, most, _ = bytes_of(activation, mixed=True)
    kept_float, most_float, measured = bytes_of(activation, mixed=False)
    found = (kept, most, kept_float, most_float, measured + 4)  # and what goes in
    said = (expected.kept, expected.most, expected.kept_float, expected.most_float, expected.measured)
    # of dropout a GPU keeps a byte, and it is 2 or 4 here
    assert found == pytest.approx(said, abs=1)


def test_adam_takes_four_bytes_more_a_parameter_in_its_step():
    weights = [torch.nn.Parameter(torch.randn(1000)) for _ in range(20)]
    optimizer = torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.3, foreach=True)  # what it does on a GPU
    taken = []
    for _ in range(2):
        for weight in weights:
            weight.grad = torch.randn(1000)
        with Live() as step:
            optimizer.step()
        taken.append(step.most)
    assert taken[1] == pytest.approx(4 * 20_000, rel=0.01)


def test_a_gpu_too_small_is_refused_before_anything_is_loaded(refused, monkeypatch):
    from oraclecheck.multimodal import llava

    monkeypatch.setattr(device_memory, "smallest_gpu", lambda trainer: 210e6)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(llava, "network_state", lambda folder: pytest.fail("it was loaded"))
    said = refused("data.source.max_length=8192", "trainer.gradient_checkpointing=false")
    assert said.startswith(
        "trainer must need less memory than the GPU has, 95% of 0.2 GB; got 0.3 GB: what would fit: "
    )
    assert "trainer.gradient_checkpointing=true (" in said


@pytest.fixture
def two_gpus(tmp_path, monkeypatch):
    """nvidia-smi of a machine with a large GPU and a small one, and torch's view of it."""
    script = tmp_path / "bin" / "nvidia-smi"
    script.parent.mkdir()
    # in MiB; a GPU that nobody has named is asked for too
    script.write_text(
        '#!/bin/sh\ncase "$*" in *--id=0,1*) echo 200; echo 100;; *--id=0*) echo 200;; *--id=1*) echo 100;; '
        "*--id=*) exit 6;; *) echo 200; echo 100;; esac\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(script.parent), prepend=":")
    monkeypatch.setattr(torch.mps, "device_count", lambda: 0)

    def use(visible: str | None) -> None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2 if visible is None else visible.count(",") + 1)

    return use


@pytest.mark.parametrize(("visible", "size"), [(None, 100), ("0", 200), ("1", 100), ("MIG-0", None)])
def test_only_gpus_that_may_be_used_are_asked_for_their_memory(visible, size, two_gpus):
    two_gpus(visible)
    found = device_memory.smallest_gpu(TrainerSettings())
    assert found == (size and size * 2**20)


def test_workers_that_share_a_gpu_share_its_memory(refused, two_gpus):
    two_gpus("0")
    long = ("trainer.accelerator=auto", "data.source.max_length=6000", "gpu_slots=2", "dry_run=true")
    said = refused(*long)
    assert "95% of 0.1 GB, which gpu_slots=2 share; got 0.1 GB: what would fit: gpu_slots=1 (0.1 GB); " in said


def test_memory_is_told_of_clusters_too_and_not_looked_up_here(words, command, monkeypatch):
    from oraclecheck import sweep

    monkeypatch.setattr(device_memory, "smallest_gpu", lambda trainer: 1.0)
    monkeypatch.setattr(sweep, "is_elsewhere", lambda launcher: True)
    code, _, err = command(*words, "dry_run=true")
    assert code == 0 and "oraclecheck: training takes up to " in err


def test_bfloat16_weights_do_not_take_small_steps():
    weights = torch.tensor([0.0077, 0.008, 0.02]).bfloat16()
    assert ((weights - 2e-5) != weights).tolist() == [True, False, False]
    layer = (torch.randn(10**5, generator=torch.Generator().manual_seed(0)) * 0.02).bfloat16()
    assert ((layer - 2e-5) == layer).double().mean() == pytest.approx(0.70, abs=0.01)
