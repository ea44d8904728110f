"""A study of a language model that sees, from the command line to its records and their table."""

import json
import shutil
from pathlib import Path

import torch

import oraclecheck as oc
from oraclecheck.pruning.masks.packed import read_masks


def record(study: Path, combination: int, repeat: int = 0) -> dict:
    return json.loads((study / str(combination) / str(repeat) / "record.json").read_text())


def test_records_are_like_any_others_and_the_model_learns(swept):
    methods = [record(swept, i)["removed"]["method"] for i in range(4)]
    assert methods == ["uniform", "global", "outlier", "components"]
    first = record(swept, 0)
    assert (first["status"], first["data"], first["engine"], len(first["history"])) == ("ok", "llava", "lightning", 2)
    assert first["dense_params"] - first["pruned_params"] == 7168  # ceil(0.4375 * 2 blocks of 4 * 32 * 32 + 2 * 32 * 64)
    assert first["pruned_train_loss"] > 3 > 1.6 > first["final_train_loss"]
    # of 64 questions 22 have two answers, each of a word and the end of text
    assert first["versions"].keys() >= {"transformers", "tokenizers"}
    runs = oc.load_runs(swept)
    assert oc.correlate(runs)["n"].tolist() == [4, 4]


def test_a_study_is_told_by_what_is_in_its_files_and_not_by_where_they_lie(
    swept, words, llava, questions_folder, command, tmp_path
):
    moved = {"model.path": llava, "data.root": questions_folder}
    for name, folder in moved.items():
        shutil.copytree(folder, tmp_path / name)
        words = tuple(word for word in words if not word.startswith(f"{name}=")) + (f"{name}={tmp_path / name}",)
    code, out, err = command(*words, f"paths.out={swept.parent}", "combo=1")
    assert code == 0 and "Nothing to do" in err and swept.name in out
    said = (questions_folder / "train.json").read_text().replace("What color", "What shade")
    (tmp_path / "data.root" / "other.json").write_text(said)
    _, out, _ = command(*words, "data.train=other.json", f"paths.out={swept.parent}", "combo=1", "dry_run=true")
    assert swept.name not in out and "tinyllava-" in out


def test_removed_weights_stay_zero_and_the_vision_tower_stays_as_it_is(words, llava, tmp_path, monkeypatch):
    from oraclecheck.cli import main
    from oraclecheck.engines import lightning

    kept, fit = [], lightning.fit
    monkeypatch.setattr(lightning, "fit", lambda *arguments: kept.append(fit(*arguments)) or kept[-1])
    assert main([*words, f"paths.out={tmp_path}", "combo=1", "trainer.gradient_checkpointing=true"]) == 0
    (network,) = kept
    (masks,) = tmp_path.glob("tinyllava-*/1/masks.json")
    state, removed = network.state_dict(), read_masks(masks)
    assert sum(int(mask.sum()) for mask in removed.values()) == 7168
    for name, mask in removed.items():
        assert not state[f"{name}.weight"][mask].any() and state[f"{name}.weight"][~mask].all()
    from oraclecheck.multimodal.llava import network_state

    for name, before in network_state(llava).items():
        assert torch.equal(before, state[name]) == ("vision_tower" in name), name
