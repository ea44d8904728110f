"""What a study of a language model is refused for, in one sentence, before anything is loaded."""

import json
import shutil

import pytest
import torch

SHARDED = ("trainer.strategy=fsdp", "trainer.devices=2")


def test_a_model_folder_without_weights(llava, refused, tmp_path):
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"):
        shutil.copy(llava / name, tmp_path / name)
    assert refused(f"model.path={tmp_path}") == (
        "model.path must hold the model's weights, model.safetensors or model.safetensors.index.json with its files; "
        f"got {tmp_path}, which has neither"
    )


def test_a_data_file_with_a_missing_image(questions_folder, refused, tmp_path):
    samples = json.loads((questions_folder / "train.json").read_text())
    samples[5]["image"] = "images/gone.png"
    (tmp_path / "train.json").write_text(json.dumps(samples))
    shutil.copytree(questions_folder / "images", tmp_path / "images")
    shutil.copy(questions_folder / "test.json", tmp_path / "test.json")
    assert refused(f"data.root={tmp_path}") == (
        f"data.root must hold the images of data.train; images/gone.png of conversation train5 is not in {tmp_path}"
    )


@pytest.mark.parametrize(
    ("pattern", "part", "layer"),
    [
        (".*", "model.vision_tower", "model.vision_tower.embeddings.patch_embedding"),
        (".*projector.*", "model.multi_modal_projector", "model.multi_modal_projector.linear_1"),
        ("lm_head", "lm_head", "lm_head"),
    ],
)
def test_a_pattern_that_matches_what_stays_whole(pattern, part, layer, refused):
    assert refused(f"pruning.unstructured.layers=['{pattern}']") == (
        f"pruning.unstructured.layers must leave {part} alone, whose weights all stay; got a pattern that matches "
        f"{layer}"
    )


def test_a_ratio_that_no_method_can_reach(refused):
    assert refused("pruning.ratio=0.9995").startswith("pruning.ratio must be at most 0.999, the most that a block may")
    assert refused("pruning.ratio=1.0").startswith("pruning.ratio must be one number between 0 and 1")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("others", "said"),
    [
        (("model.path=null",), "model.path must be a folder in the Hub's format or a model's name there; got none"),
        (
            ("data=digits",),
            "model.input_shape must be that of the images of digits, [1, 32, 32]; tinyllava takes [3, 16, 16]",
        ),
        (("trainer.strategy=ddp",), "trainer.strategy must be auto or fsdp; got ddp"),
        (
            ("trainer.devices=2",),
            "trainer.devices must be 1 where trainer.strategy is auto; got 2: workers take a GPU each, and trainer.str",
        ),
        (
            ("trainer.strategy=fsdp", "trainer.devices=4"),
            "trainer.devices must lie in [2, trainer.accumulate] where trainer.strategy is fsdp, for each takes a part "
            "of a batch at a time; got 4, and 2 parts",
        ),
        ((*SHARDED, "engine=lanes"), "engine.name must be one of lightning, auto where trainer.strategy is fsdp; got"),
        (
            (*SHARDED, "trainer.precision=16-mixed"),
            "trainer.precision must be one of 32-true, tf32, bf16-mixed where trainer.strategy is fsdp; got 16-mixed",
        ),
        (
            (*SHARDED, "pretrain.checkpoint=null"),
            "pretrain.checkpoint must be the dense network where trainer.strategy is fsdp, which trains none; got",
        ),
        (
            ("trainer.precision=bf16-true",),
            "trainer.precision must leave weights in float32; got bf16-true, in which a",
        ),
        (("pruning.scheme=heads",), "pruning.scheme must be unstructured for tinyllava, a language model; got heads"),
        (("trainer.accumulate=3",), "trainer.accumulate must divide retrain.batch_size, 8; got 3"),
        (("data.source.max_length=5",), "data.source.max_length must leave something of the answers; 5 leaves nothing"),
    ],
)
def test_other_words(others, said, refused):
    assert refused(*others).startswith(said)


@pytest.mark.parametrize(
    ("count", "others", "said"),
    [
        (1, (), "trainer.devices must be at most the 1 CUDA devices here; got 2"),
        (
            4,
            ("workers=3",),
            "workers must be at most 2, gpu_slots=1 on each of 4 GPUs, of which a worker takes 2; got 3",
        ),
    ],
)
def test_more_devices_than_there_are(count, others, said, refused, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.mps, "device_count", lambda: 0)
    sweep = ("-m", "hydra/launcher=joblib") if others else ()
    assert refused(*sweep, *SHARDED, "trainer.accelerator=auto", *others) == said


def test_other_networks_are_not_sharded(command):
    code, _, err = command(*SHARDED)
    assert code == 2 and "trainer.strategy must be auto for lenet5_mini, no language model; got fsdp" in err


@pytest.mark.parametrize("group", ["pretrain", "retrain"])
def test_rates_of_other_networks_do_not_fall_at_every_step(group, command):
    code, _, err = command(f"{group}.schedule=cosine_by_step", f"{group}.lr='0: 1e-2'")
    assert code == 2
    assert f"{group}.schedule must be step or cosine for lenet5_mini, no language model; got cosine_by_step" in err
