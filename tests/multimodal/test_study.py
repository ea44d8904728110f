"""A study of a language model that sees, from the command line to its records and their table."""

import json
import shutil
from pathlib import Path

import pytest
import torch

import oraclecheck as oc
from oraclecheck.command import rehearsal
from oraclecheck.pruning.masks.packed import read_masks
from oraclecheck.records.scores import read_scores, scores_path
from oraclecheck.score import main as score


def record(study: Path, combination: int, repeat: int = 0) -> dict:
    return json.loads((study / str(combination) / str(repeat) / "record.json").read_text())


def test_records_are_like_any_others_and_the_model_learns(swept):
    assert [record(swept, i)["removed"]["method"] for i in range(2)] == ["uniform", "global"]
    first = record(swept, 0)
    assert (first["status"], first["data"], first["engine"], len(first["history"])) == ("ok", "llava", "lightning", 2)
    # of 2 blocks of 4 * 32 * 32 + 2 * 32 * 64 weights 43.75 % go
    assert first["dense_params"] - first["pruned_params"] == 7168
    assert first["pruned_train_loss"] > 3 > 1.6 > first["final_train_loss"]
    assert first["versions"].keys() >= {"transformers", "tokenizers"}
    assert oc.load_runs(swept)["status"].tolist() == ["ok", "ok"]


def test_masks_are_scored_by_the_loss_measured_anew(swept, tmp_path):
    shutil.copytree(swept.parent, tmp_path / "out")
    study = tmp_path / "out" / swept.name
    assert score([str(study), "criterion=oracle@64"]) == 0  # as many conversations as there are
    scores = read_scores(scores_path(study, "oracle@64")).values
    assert scores == {str(i): pytest.approx(record(study, i)["pruned_train_loss"], rel=1e-9) for i in range(2)}


@pytest.mark.slow
def test_a_study_is_told_by_what_is_in_its_files_and_not_by_where_they_lie(
    swept, words, llava, questions_folder, command, tmp_path
):
    moved = {"model.path": llava, "data.root": questions_folder}
    for name, folder in moved.items():
        shutil.copytree(folder, tmp_path / name)
        words = (*(word for word in words if not word.startswith(f"{name}=")), f"{name}={tmp_path / name}")
    code, out, err = command(*words, f"paths.out={swept.parent}", "combo=1")
    assert code == 0 and "Nothing to do" in err and swept.name in out
    said = (questions_folder / "train.json").read_text().replace("What color", "What shade")
    (tmp_path / "data.root" / "other.json").write_text(said)
    _, out, _ = command(*words, "data.train=other.json", f"paths.out={swept.parent}", "combo=1", "dry_run=true")
    assert swept.name not in out and "tinyllava-" in out


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_kept_network_is_a_model_of_the_hub_that_answers_as_its_record_says(words, command, tmp_path):
    from transformers import LlavaForConditionalGeneration

    from oraclecheck.multimodal.llava import network_state

    code, _, err = command(*words, f"paths.out={tmp_path}", "combo=1", "trainer.keep_networks=true", "retrain.epochs=1")
    assert code == 0, err
    (folder,) = tmp_path.glob("tinyllava-*/1/0/network")
    network = LlavaForConditionalGeneration.from_pretrained(folder)
    assert network_state(folder).keys() == network.state_dict().keys()
    assert sum(int((weight == 0).sum()) for name, weight in network.state_dict().items() if "weight" in name) >= 7168
    again = [word for word in words if not word.startswith("model.path")]
    code, _, _ = command(
        *again, f"model.path={folder}", f"paths.out={tmp_path / 'again'}", "combo=0", "retrain.epochs=1"
    )
    (first,) = tmp_path.glob("tinyllava-*/1/0/record.json")
    (second,) = tmp_path.glob("again/tinyllava-*/0/0/record.json")
    ended, begun = json.loads(first.read_text()), json.loads(second.read_text())
    for part in ("train", "test"):
        assert begun[f"dense_{part}_loss"] == pytest.approx(ended[f"final_{part}_loss"], rel=1e-6)
        assert begun[f"dense_{part}_accuracy"] == ended[f"final_{part}_accuracy"]


def test_a_dry_run_of_table_a6_counts_masks_and_kept_networks(words, command, tmp_path, monkeypatch):
    sizes, beside_records = [], rehearsal._beside_records
    monkeypatch.setattr(rehearsal, "_beside_records", lambda of: sizes.append((of, beside_records(of))) or sizes[-1][1])
    kept = [word for word in words if not word.startswith(("model=", "pruning.ratio", "retrain.lr"))]
    out = f"paths.out={tmp_path}"
    code, told, err = command(
        "-m", "experiment=tableA6_tinyllava", *kept, out, "data.train_eval_images=40", "dry_run=true"
    )
    assert code == 0, err
    assert "  4      0     4  " in told and "unstructured_0.4375" in told
    # 4 networks of 45,344 float32 and 4 masks of 16,384 bits as base64; 4 records are kilobytes
    ((request, size),) = sizes
    assert size == pytest.approx(4 * 45_344 * 4 + 4 * 16_384 / 8 * 4 / 3) and len(request.runs) == 4
    assert "; disk 0.7 MB; " in told
    assert not list(tmp_path.iterdir())
