import hashlib
import json

from networks.test_sizes import setting_of
from oraclecheck.study.definition import study_of
from oraclecheck.study.identity import differences


def test_setting_hash_is_of_everything_but_the_dense_network():
    study = study_of(setting_of(), "0" * 64)
    rest = {name: value for name, value in study.definition.items() if name != "dense_hash"}
    assert study.setting_hash == hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest() != study.hash
    other = study_of(setting_of("pretrain.seed=1", "pretrain.epochs=90"), "1" * 64)
    assert (other.setting_hash, other.hash != study.hash) == (study.setting_hash, True)
    changed = ["retrain.epochs=20", "trainer.threads=2", "seed=1", "data.mean=[0.5]"]
    changed += ["trainer.precision=bf16-mixed", "trainer.precision=tf32"]
    hashes = {study_of(setting_of(override), "0" * 64).setting_hash for override in changed}
    assert len(hashes | {study.setting_hash}) == 7


def test_differences_of_definitions_leave_out_the_dense_network():
    one = {"dense_hash": "a", "retrain": {"epochs": 10, "lr": [[0, 0.1]]}, "layers": {"conv1": [10, 2]}}
    other = {"dense_hash": "b", "retrain": {"epochs": 20, "lr": [[0, 0.1]]}, "layers": {"conv1": [10, 2]}, "x": None}
    assert differences([one, other, other]) == {"retrain.epochs": [10, 20, 20]}


def test_definition_of_a_plain_study_is_written_whole():
    """Nothing is left out because it has its default; whoever adds a key gives every study another identity."""
    definition = dict(study_of(setting_of(), "0" * 64).definition)
    data = definition.pop("data")
    assert data.keys() == {"dataset", "split", "content", "size", "resize", "tensors", "mean", "std", "augment"}
    assert data["augment"] == {"crop_padding": 0, "flip": False, "resized_crop": False}
    recipe = {"epochs": 10, "batch_size": 32, "schedule": ((0, 1e-2), (7, 1e-3)), "momentum": 0.9, "weight_decay": 1e-4}
    recipe |= {"optimizer": "sgd", "decay": "step", "label_smoothing": 0.0, "mixup": 0.0, "cutmix": 0.0}
    recipe |= {"gradient_clip": None}
    assert definition == {
        "model": "lenet5_mini",
        "network": {"_target_": "oraclecheck.networks.lenet.LeNet5Mini"},
        "channels_last": True,
        "dense_hash": "0" * 64,
        "layers": {"conv1": [10, 5]},
        "pruning_ratio": {"conv1": 0.5},
        "scheme": "heads",
        "wiring": "correct",
        "order": "lexicographic",
        "order_seed": None,
        "seed": 0,
        "retrain": recipe,
        "retrain_fraction": 1.0,
        "pipeline": "one_shot",
        "engine": "lightning",
        "evaluation": {
            "augmented": False,
            "batch_size": 500,
            "precision": "IEEE float32",
            "train_images": None,
            "indices": None,
        },
        "precision": "32-true",
        "compile": False,
        "threads": 1,
    }
