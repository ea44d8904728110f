"""Vectorised augmentation against torchvision's, image by image and with the same draws."""

from dataclasses import replace

import pytest
import torch
from torchvision.transforms import functional

from oraclecheck.data.augmentation import Augmentation, Draws
from oraclecheck.data.images import ImageSet

CROP_AND_FLIP = Augmentation(crop_padding=4, flip=True)


def images(n: int = 24, channels: int = 3, height: int = 32, width: int = 32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, channels, height, width), dtype=torch.uint8, generator=generator)


def labelled(n: int = 24, augmentation: Augmentation = CROP_AND_FLIP) -> ImageSet:
    return ImageSet(images(n), torch.arange(n), (0.5,) * 3, (0.25,) * 3, augmentation=augmentation)


def by_torchvision(image: torch.Tensor, augmentation: Augmentation, corner: list[int], flip: bool) -> torch.Tensor:
    padded = functional.pad(image, [augmentation.crop_padding] * 4)
    crop = functional.crop(padded, *corner, *image.shape[1:])
    return functional.hflip(crop) if flip else crop


@pytest.mark.parametrize("augmentation", [CROP_AND_FLIP, Augmentation(2), Augmentation(flip=True), Augmentation(40)])
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (3, 9, 14)])
def test_batch_equals_torchvisions_pad_crop_and_flip_of_each_image(augmentation, shape):
    originals = images(24, *shape)
    draws = augmentation.draw(24, torch.Generator().manual_seed(1))
    augmented = augmentation.apply(originals, draws)
    for image, result, corner, flip in zip(originals, augmented, draws.corners.tolist(), draws.flips, strict=True):
        assert torch.equal(result, by_torchvision(image, augmentation, corner, bool(flip)))


def test_draws_cover_every_corner_and_half_of_the_flips_evenly():
    draws = CROP_AND_FLIP.draw(81_000, torch.Generator().manual_seed(0))
    counts = (draws.corners[:, 0] * 9 + draws.corners[:, 1]).bincount(minlength=81)
    chi_squared = ((counts - 1000) ** 2 / 1000).sum().item()
    assert chi_squared < 140  # 80 degrees of freedom: p = 4e-5
    assert abs(draws.flips.double().mean().item() - 0.5) < 0.007  # four standard errors


def test_middle_corner_and_no_flip_leave_an_image_alone():
    draws = Draws(torch.full((24, 2), 4), torch.zeros(24, dtype=torch.bool))
    assert torch.equal(CROP_AND_FLIP.apply(images(), draws), images())


def epochs(batches, number: int = 2) -> list[torch.Tensor]:
    return [torch.cat([batch for batch, _ in batches]) for _ in range(number)]


def test_same_seed_gives_the_same_batches_and_another_seed_others():
    first, again, other = (epochs(labelled().shuffled(7, seed)) for seed in (3, 3, 4))
    assert all(map(torch.equal, first, again)) and not torch.equal(first[0], other[0])
    assert not torch.equal(first[0], first[1])


def test_batches_are_augmented_whatever_their_size():
    for size in (5, 24, 100):
        (whole,) = epochs(labelled().shuffled(size, 0), 1)
        assert torch.equal(whole, epochs(labelled().shuffled(7, 0), 1)[0])


def test_augmentation_leaves_the_order_of_images_alone():
    """Recipes with and without augmentation can be compared in pairs: the first epoch has the same order."""
    plain, augmented = labelled(augmentation=Augmentation()), labelled()
    orders = [torch.cat([labels for _, labels in chosen.shuffled(5, 0)]) for chosen in (plain, augmented)]
    assert torch.equal(*orders)


def test_no_augmentation_draws_nothing():
    """So that data without it keeps the order of images in every epoch that it had before there was any."""
    generator = torch.Generator().manual_seed(9)
    expected = [torch.randperm(24, generator=generator) for _ in range(2)]
    batches = labelled(augmentation=Augmentation()).shuffled(5, 9)
    assert all(torch.equal(torch.cat([labels for _, labels in batches]), order) for order in expected)


def test_evaluation_is_plain_unless_asked_and_then_always_the_same():
    plain, augmented = labelled(), replace(labelled(), augmented_evaluation=True)
    stored = next(plain.batches(len(plain)))[0]
    assert torch.equal(torch.cat([batch for batch, _ in plain.batches(5)]), stored)
    first, again = (torch.cat([batch for batch, _ in augmented.batches(size)]) for size in (5, 24))
    assert torch.equal(first, again) and not torch.equal(first, stored)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device on this machine")
def test_gpu_sees_the_cpus_crops():
    on_cpu, on_gpu = (epochs(labelled().to(torch.device(device)).shuffled(7, 0)) for device in ("cpu", "cuda"))
    assert all(torch.equal(cpu, gpu.cpu()) for cpu, gpu in zip(on_cpu, on_gpu, strict=True))
