"""Folders of images against torchvision's ImageFolder and transforms, and what is said of folders that will not do."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets, transforms
from torchvision.transforms import v2

from oraclecheck.data.augmentation import Augmentation
from oraclecheck.data.folders import ImageFolders, Listing
from oraclecheck.data.images import ImageSet
from oraclecheck.data.loading import Preparation, identity, load, train_eval_indices
from oraclecheck.data.stream import StreamedSet

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
RGB = Preparation(MEAN, STD)
CROP_AND_FLIP = Augmentation(crop_padding=4, flip=True)


def write_folders(root: Path, sides=(32,), per_class: int = 4, classes=("ant", "bee", "cat"), seed: int = 0) -> Path:
    """Noise in `root/{train,test}/<class>/<n>.png`, of the given sides in turn; half as many for testing."""
    generator = np.random.default_rng(seed)
    for part, n in (("train", per_class), ("test", per_class // 2)):
        for name in classes:
            (root / part / name).mkdir(parents=True)
            for i in range(n):
                side = sides[i % len(sides)]
                pixels = generator.integers(0, 256, (side, side + i, 3), dtype=np.uint8)
                Image.fromarray(pixels if len(sides) > 1 else pixels[:, :side]).save(root / part / name / f"{i}.png")
    return root


def folders(root: Path, **options) -> ImageFolders:
    defaults = {"channels": 3, "size": 32, "crop_ratio": 1.0, "in_memory": "auto", "workers": 0}
    cache = str(root / "cache")
    return ImageFolders(str(root / "train"), str(root / "test"), cache=cache, **{**defaults, **options})


def everything(images: ImageSet | StreamedSet) -> torch.Tensor:
    return torch.cat([batch for batch, _ in images.batches(5)])


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize(("sides", "size", "crop_ratio", "between"), [((32,), 32, 1.0, 32), ((50, 40), 28, 0.875, 32)])
def test_images_equal_image_folders_bit_for_bit(tmp_path, in_memory, sides, size, crop_ratio, between):
    write_folders(tmp_path, sides)
    data = load(folders(tmp_path, size=size, crop_ratio=crop_ratio, in_memory=in_memory), tmp_path / "cache", RGB)
    steps = [transforms.Resize(between), transforms.CenterCrop(size), transforms.ToTensor()]
    steps.append(transforms.Normalize(MEAN, STD))
    for part, images in (("train", data.train), ("test", data.test)):
        samples = list(datasets.ImageFolder(tmp_path / part, transforms.Compose(steps)))
        assert torch.equal(everything(images), torch.stack([image for image, _ in samples]))
        assert images.labels.tolist() == [label for _, label in samples]


def test_grey_and_colour_become_what_the_network_takes(tmp_path):
    write_folders(tmp_path)
    path = tmp_path / "train/ant/0.png"
    Image.open(path).convert("L").save(path)
    grey = Preparation((0.0,), (1.0,))
    data = load(folders(tmp_path, channels=1), tmp_path / "cache", grey)
    stored = np.stack([np.asarray(Image.open(tmp_path / f"train/ant/{i}.png").convert("L")) for i in range(4)])
    assert torch.equal(data.train.images[:4, 0], torch.from_numpy(stored))
    rgb = load(folders(tmp_path), tmp_path / "cache", RGB).train.images[0]
    assert torch.equal(rgb, torch.from_numpy(stored[0]).expand(3, 32, 32))


def test_small_images_lie_in_memory_and_large_ones_are_streamed(tmp_path):
    write_folders(tmp_path)
    assert [folders(tmp_path, size=size).streams for size in (32, 64, 65, 224)] == [False, False, True, True]
    assert folders(tmp_path, in_memory=False).streams and not folders(tmp_path, in_memory=True, size=224).streams


def test_streamed_batches_are_those_of_the_images_in_memory(tmp_path):
    """Crop and flip are drawn and done in one place, so where images lie changes no study."""
    write_folders(tmp_path)
    sets = [
        load(folders(tmp_path, in_memory=in_memory), tmp_path / "cache", replace(RGB, augmentation=CROP_AND_FLIP)).train
        for in_memory in (True, False)
    ]
    assert isinstance(sets[0], ImageSet) and isinstance(sets[1], StreamedSet)
    in_memory, streamed = (chosen.shuffled(5, seed=3) for chosen in sets)
    for _ in range(2):
        for (images, labels), (same_images, same_labels) in zip(in_memory, streamed, strict=True):
            assert torch.equal(images, same_images) and torch.equal(labels, same_labels)
    augmented = [everything(replace(chosen, augmented_evaluation=True)) for chosen in sets]
    assert torch.equal(*augmented) and not torch.equal(augmented[0], everything(sets[0]))


def resized_crops(root: Path, seed: int = 0, workers: int = 0) -> list[torch.Tensor]:
    """Two epochs."""
    augmentation = Augmentation(flip=True, resized_crop=True)
    source = folders(root, size=24, in_memory=False, workers=workers)
    batches = load(source, root / "cache", replace(RGB, augmentation=augmentation)).train.shuffled(5, seed)
    return [torch.cat([images for images, _ in batches]) for _ in range(2)]


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_workers_change_nothing_and_seeds_do(tmp_path):
    write_folders(tmp_path, sides=(40, 60))
    first, again = resized_crops(tmp_path), resized_crops(tmp_path, workers=2)
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], resized_crops(tmp_path, seed=1)[0])


def test_resized_crop_equals_torchvisions_with_the_same_seed(tmp_path):
    write_folders(tmp_path, sides=(40, 60))
    augmentation = Augmentation(flip=True, resized_crop=True)
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(12, generator=generator).tolist()
    draws = augmentation.draw(12, generator)
    steps = transforms.Compose([v2.RandomResizedCrop(24), transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    paths = [path for path, _ in datasets.ImageFolder(tmp_path / "train").samples]
    for index, seed, flip, image in zip(
        order, draws.seeds.tolist(), draws.flips, resized_crops(tmp_path)[0], strict=True
    ):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            expected = steps(Image.open(paths[index]))
        assert torch.equal(image, v2.functional.hflip(expected) if flip else expected)


def test_reading_draws_nothing_from_the_generator_of_networks(tmp_path):
    write_folders(tmp_path, sides=(40, 60))
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    resized_crops(tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_identity_is_the_content_not_the_path_nor_where_images_lie(tmp_path):
    roots = [write_folders(tmp_path / name) for name in ("a", "b")]
    first, second = (identity(folders(root), tmp_path) for root in roots)
    assert first == second == identity(folders(roots[0], workers=3), tmp_path)
    streamed = identity(folders(roots[0], in_memory=False, workers=3), tmp_path)
    assert streamed == {name: value for name, value in first.items() if name != "tensors"}
    assert first != identity(folders(write_folders(tmp_path / "c", seed=1)), tmp_path)
    others = [folders(roots[0], size=28), folders(roots[0], crop_ratio=0.5)]
    assert first not in [identity(other, tmp_path) for other in others]
    shutil.move(roots[1] / "train/ant/0.png", roots[1] / "train/ant/9.png")
    Listing.of.cache_clear()
    assert first != folders(roots[1]).identity()


def test_content_is_hashed_once_until_a_file_changes(tmp_path, monkeypatch):
    root = write_folders(tmp_path)
    first = folders(root).identity()
    hashed = []
    content = Listing._content
    monkeypatch.setattr(Listing, "_content", lambda self: hashed.append(self.key) or content(self))
    assert folders(root).identity() == first and not hashed
    path = root / "test/bee/1.png"
    path.write_bytes(path.read_bytes()[:-1] + b"x")  # as many bytes as before
    Listing.of.cache_clear()
    assert folders(root).identity() != first and hashed == ["data.test"]


def test_large_folders_are_known_by_names_and_sizes(tmp_path, monkeypatch):
    monkeypatch.setattr("oraclecheck.data.folders.HASHED_BYTES", 10)
    monkeypatch.setattr(Listing, "_content", lambda _: pytest.fail("read every byte"))
    assert set(folders(write_folders(tmp_path)).identity()["train"]) == {"images", "files"}


def test_train_eval_images_are_balanced_fixed_and_nested(tmp_path):
    source = folders(write_folders(tmp_path, per_class=12))
    labels = load(source, tmp_path / "cache", RGB).train.labels
    chosen = train_eval_indices(source, tmp_path / "cache", 20)
    assert labels[chosen].bincount().tolist() == [7, 7, 6] and chosen.unique().tolist() == chosen.tolist()
    again = load(source, tmp_path / "cache", replace(RGB, train_eval_images=20)).measured_train
    assert torch.equal(again.labels, labels[chosen])
    assert set(train_eval_indices(source, tmp_path / "cache", 5).tolist()) < set(chosen.tolist())
    assert len(train_eval_indices(source, tmp_path / "cache", 36)) == 36


NETWORK = """
from torch import nn


def net(classes, channels=3):
    pool = nn.AdaptiveAvgPool2d(2)
    return nn.Sequential(nn.Conv2d(channels, 6, 5, 4), nn.ReLU(), pool, nn.Flatten(), nn.Linear(24, classes))
"""


@pytest.fixture
def images(tmp_path, monkeypatch) -> tuple[str, ...]:
    """A command's arguments for a small network on small folders of images."""
    write_folders(tmp_path / "images", per_class=8)
    Path("net_for_folders.py").write_text(NETWORK)
    Path("conf/model").mkdir(parents=True)
    Path("conf/model/small.yaml").write_text(
        "name: small\nnetwork:\n  _target_: net_for_folders.net\n  classes: ${data.classes}\n"
        "  channels: ${model.input_shape.0}\ninput_shape: [3, 32, 32]\nratio:\n  '0': 0.5\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    recipes = [f"{stage}.{key}" for stage in ("pretrain", "retrain") for key in ("epochs=1", "lr='0: 1e-2'")]
    data = ["data=imagefolder", "data.train=images/train", "data.test=images/test", "data.workers=0"]
    return ("--config-dir", "conf", "model=small", *data, "logger=none", *recipes)


def records() -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(Path("multirun").glob("small-*/*/0/record.json"))]


def test_folders_run_from_their_files_to_the_same_numbers_wherever_images_lie(command, images):
    """Two studies, for only what is in memory is known by its pixels."""
    for in_memory in ("false", "true"):
        code, _, err = command(*images, "combo=3", f"data.in_memory={in_memory}")
        assert code == 0, err
    first, second = records()
    assert first["setting_hash"] != second["setting_hash"] and first["status"] == "ok"
    for name in ("dense_hash", "pruned_train_loss", "final_test_loss", "final_test_correct"):
        assert first[name] == second[name]


def test_imagenets_layout_and_recipe_run(command, images, tmp_path):
    Path("images/test").rename("images/val")
    arguments = [argument for argument in images if not argument.startswith(("data.t", "data=image"))]
    code, _, err = command(*arguments, "data=imagenet", "data.classes=3", f"data.root={tmp_path}/images")
    assert code == 0, err
    assert [record["data"] for record in records()] == ["imagenet"]


def test_train_eval_images_are_part_of_the_study_and_stored_with_it(command, images):
    for choice in ("null", "9"):
        assert command(*images, f"data.train_eval_images={choice}")[0] == 0
    first, second = records()
    assert first["dense_hash"] == second["dense_hash"] and first["study_hash"] != second["study_hash"]
    assert first["pruned_train_loss"] != second["pruned_train_loss"]
    assert first["pruned_test_loss"] == second["pruned_test_loss"]
    (stored,) = Path("multirun").glob("small-*/train_eval.json")
    definition = json.loads((stored.parent / "study.json").read_text())["definition"]
    assert len(json.loads(stored.read_text())["indices"]) == definition["evaluation"]["train_images"] == 9


def spoil(what: str) -> None:
    if what == "no classes":
        for folder in Path("images/train").iterdir():
            shutil.rmtree(folder)
    elif what == "a class more":
        Path("images/test/dog").mkdir()
    elif what == "an empty class":
        for path in Path("images/train/bee").iterdir():
            path.unlink()
    elif what == "an unreadable image":
        Path("images/train/bee/2.png").write_bytes(b"\x89PNG no more")


@pytest.mark.parametrize(
    ("what", "arguments", "code", "sentence"),
    [
        ("", ["data.train=null"], 2, "holds a folder of images for each class; got none: give data.train=DIR"),
        ("", ["data.test=nowhere"], 2, "data.test must be a folder that holds a folder of images for each class; got"),
        ("no classes", [], 2, "images/train, which holds no folders"),
        ("a class more", [], 2, "have folders of the same classes; 'dog' is in data.test="),
        (
            "an empty class",
            [],
            2,
            "images/train, where 'bee' has none",
        ),
        ("an unreadable image", [], 2, "images/train/bee/2.png is none: Unidentified"),
        (
            "an unreadable image",
            ["data.in_memory=false"],
            1,
            "images/train/bee/2.png is none: Unidentified",
        ),
        ("", ["data.mean=[0.5]"], 2, "data.mean and data.std must have a number for each channel (3)"),
        (
            "",
            ["model.network.classes=4"],
            2,
            "must turn an image into data.classes=3 logits; its output has shape [4]",
        ),
        ("", ["data.classes=4"], 2, "data.classes must be the number of classes of imagefolder, 3; got 4"),
        ("", ["data.in_memory=perhaps"], 2, "data.in_memory must be auto, true or false; got 'perhaps'"),
        ("", ["data.workers=-1"], 2, "data.workers must be at least 0"),
        ("", ["data.crop_ratio=0"], 2, "data.crop_ratio must lie in (0, 1]"),
        ("", ["data.augment.resized_crop=true"], 2, "data.augment.resized_crop must be false where images are kept in"),
        ("", ["data.train_eval_images=25"], 2, "data.train_eval_images must be null or lie in [1, 24]; got 25"),
        (
            "",
            ["model.input_shape=[2,32,32]", "data.mean=[0,0]", "data.std=[1,1]"],
            2,
            "model.input_shape must have 1 or 3 channels",
        ),
        ("", ["model.input_shape=[3,32,30]"], 2, "model.input_shape must be that of the images of imagefolder"),
    ],
)
def test_folders_that_will_not_do_are_one_sentence(command, images, what, arguments, code, sentence):
    spoil(what)
    result, _, err = command(*images, *arguments)
    assert result == code and sentence in err
    assert "Traceback" not in err and (code == 1 or err.count("\n") == 1)
