"""A study whose networks are sharded over two devices against the same study on one, on CPUs."""

import json
from pathlib import Path

import pytest
import torch
from rank_work import run_out_of_memory

from oraclecheck.pruning.masks.packed import read_masks

pytestmark = pytest.mark.slow  # each device is a process that imports torch and transformers


def over(devices: int) -> tuple[str, ...]:
    """Words that shard a network over so many devices."""
    return "trainer.strategy=fsdp", f"trainer.devices={devices}"


@pytest.fixture(scope="module")
def uneven(questions_folder: Path) -> Path:
    """21 of the questions, every third without an image and one too long to be answered, and 11 to test with."""
    for part, count in (("train", 21), ("test", 11)):
        samples = json.loads((questions_folder / f"{part}.json").read_text())[:count]
        for number, sample in enumerate(samples):
            if number % 3 == 1:
                del sample["image"]
        samples[5]["conversations"][0]["value"] *= 40
        (questions_folder / f"uneven_{part}.json").write_text(json.dumps(samples))
    return questions_folder


def trained(command, words, out, *others) -> tuple[dict, dict[str, torch.Tensor], Path]:
    """The record of a run, its network's state and its study's folder."""
    from oraclecheck.multimodal.llava import network_state

    keys = {other.partition("=")[0] for other in others}
    kept = [word for word in words if word.partition("=")[0] not in keys]
    code, _, err = command(*kept, f"paths.out={out}", "combo=1", "trainer.keep_networks=true", *others)
    assert code == 0, err
    (path,) = out.glob("tinyllava-*/1/0/record.json")
    return json.loads(path.read_text()), network_state(path.parent / "network"), path.parents[2]


RECIPES = {
    "sgd, clipping": (2, "retrain.optimizer=sgd", "retrain.lr='0: 1e-1'", "retrain.gradient_clip=0.5"),
    "adamw, checkpointing": (2, "retrain.lr='0: 1e-3'", "trainer.gradient_checkpointing=true"),
    "adamw, bfloat16": (3, "retrain.lr='0: 1e-3'", "trainer.precision=bf16-mixed", "retrain.gradient_clip=0.5"),
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_several_devices_retrain_as_one(recipe, words, uneven, command, tmp_path):
    devices, *others = RECIPES[recipe]
    uneven_data = ("data.train=uneven_train.json", "data.test=uneven_test.json", "data.source.max_length=64")
    said = (*uneven_data, "trainer.accumulate=8", *others)
    alone, expected, study = trained(command, words, tmp_path / "one", *said)
    shared, state, sharded = trained(command, words, tmp_path / "several", *said, *over(devices))
    assert sharded.name == study.name and len(list(sharded.glob("*/*/record.json"))) == 1
    for name in ("pruned_train_loss", "pruned_test_loss", "pruned_params", "dense_test_loss", "removed", "status"):
        assert shared[name] == alone[name]
    tolerance = 2e-2 if "bfloat16" in recipe else 1e-4
    for name in ("final_train_loss", "final_test_loss"):
        assert shared[name] == pytest.approx(alone[name], rel=tolerance)
    for mine, theirs in zip(shared["history"], alone["history"], strict=True):
        assert mine == pytest.approx(theirs, rel=tolerance)
    removed = read_masks(sharded / "1" / "masks.json")
    assert sum(int(mask.sum()) for mask in removed.values()) == 7168
    for name, mask in removed.items():
        assert not state[f"{name}.weight"][mask].any() and state[f"{name}.weight"][~mask].all()
    assert state.keys() == expected.keys()
    for name, weights in expected.items():
        if recipe == "sgd, clipping":
            torch.testing.assert_close(state[name], weights, rtol=1e-4, atol=1e-6, msg=name)
        else:  # AdamW makes a whole step of a gradient that is nothing but rounding
            assert (state[name] - weights).abs().mean() < 1e-3


def test_what_a_device_raises_is_in_the_record_and_the_next_run_goes_on(words, command, tmp_path, monkeypatch):
    from oraclecheck.engines.sharded import engine

    chosen = iter([run_out_of_memory, engine._retrain_shard])
    ranks = engine.run_ranks
    monkeypatch.setattr(engine, "run_ranks", lambda count, cuda, _, *rest: ranks(count, cuda, next(chosen), *rest))
    code, _, err = command(*words, *over(2), f"paths.out={tmp_path}", 'combo="0,1"', "retrain.epochs=1")
    assert code == 1 and "1 of 2 runs are missing" in err
    said = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("tinyllava-*/*/0/record.json"))]
    assert [each["status"] for each in said] == ["failed", "ok"]
    assert "MemoryError: of this device" in said[0]["error"]
    code, _, _ = command(*words, f"paths.out={tmp_path}", 'combo="0,1"', "retrain.epochs=1")
    assert code == 0  # one device goes on with what two have begun
