import pytest
import torch
from torch import Generator, Tensor

from static_gesture_classification.torchvision_operators import models  # noqa: F401  (torchvision becomes importable)
from static_gesture_classification.training.augmentation import Augmentation

STILL = {
    "probability": 1.0,
    "brightness": 0.0,
    "contrast": 0.0,
    "saturation": 0.0,
    "hue": 0.0,
    "rotation": 0.0,
    "shear": 0.0,
    "shift": 0.0,
    "scale": (1.0, 1.0),
    "horizontal_flip": 0.0,
    "padding": "zeros",
}


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def augmentation(**changes: object) -> Augmentation:
    return Augmentation(**(STILL | changes))  # type: ignore[arg-type]


@pytest.fixture
def images() -> Tensor:
    return torch.randint(60, 190, (16, 3, 24, 24), dtype=torch.uint8, generator=seeded())


def test_without_changes_images_stay_as_they_are(images: Tensor) -> None:
    assert torch.equal(augmentation()(images, seeded()), images.float())
    assert torch.equal(augmentation(probability=0.0, brightness=0.9, rotation=90)(images, seeded()), images.float())


def test_the_same_seed_makes_the_same_changes(images: Tensor) -> None:
    changes = augmentation(brightness=0.2, hue=0.1, rotation=10, shift=0.1, horizontal_flip=0.5)
    assert torch.equal(changes(images, seeded(1)), changes(images, seeded(1)))
    assert not torch.equal(changes(images, seeded(1)), changes(images, seeded(2)))


def test_every_sample_has_its_own_parameters(images: Tensor) -> None:
    same = images[:1].expand(8, -1, -1, -1)
    for changes in (augmentation(contrast=0.5), augmentation(rotation=30)):
        changed = changes(same, seeded())
        assert len({tuple(image.flatten().tolist()) for image in changed}) == 8


def test_probability_is_the_share_of_samples_that_change() -> None:
    images = torch.full((400, 3, 4, 4), 100, dtype=torch.uint8)
    changed = augmentation(probability=0.8, brightness=0.5)(images, seeded()) != 100
    assert changed.flatten(1).any(1).float().mean() == pytest.approx(0.8, abs=0.06)


def test_values_stay_between_0_and_255() -> None:
    images = torch.randint(0, 256, (32, 3, 8, 8), dtype=torch.uint8, generator=seeded())
    changed = augmentation(brightness=0.9, contrast=0.9, saturation=0.9, hue=0.5)(images, seeded())
    assert changed.min() >= 0
    assert changed.max() <= 255


@pytest.mark.parametrize("change", ["brightness", "contrast", "saturation"])
def test_colour_changes_are_those_of_torchvision(images: Tensor, change: str) -> None:
    from torchvision.transforms import functional  # noqa: TID251  (what ours is compared with)

    ours = augmentation(**{change: 0.2})
    matrices, contrast = ours.colours(len(images), seeded())
    vector = torch.tensor([1.0, 0.0, 0.0])
    changed = ours(images, seeded())
    for image, result, matrix, factor in zip(images, changed, matrices, contrast, strict=True):
        if change == "brightness":
            factor = matrix[0, 0]
        elif change == "saturation":  # red keeps its luma and loses or gains the rest
            luma = 0.299
            factor = ((matrix @ vector)[0] - luma) / (1 - luma)
        expected = getattr(functional, f"adjust_{change}")(image.float() / 255, float(factor)) * 255
        tolerance = 1.5 if change != "contrast" else 4  # ours takes the mean of every fourth pixel
        assert (result - expected).abs().max() < tolerance


def test_hue_turns_colours_and_leaves_greys() -> None:
    grey = torch.full((8, 3, 4, 4), 120, dtype=torch.uint8)
    assert torch.allclose(augmentation(hue=0.5)(grey, seeded()), grey.float(), atol=0.2)
    red = grey.clone()
    red[:, 0] = 200
    turned = augmentation(hue=0.5)(red, seeded())
    assert (turned.argmax(1) != 0).any()
    luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    assert torch.allclose((turned * luma).sum(1), (red * luma).sum(1), atol=0.5)


def test_mirroring_turns_left_and_right_round(images: Tensor) -> None:
    assert torch.allclose(augmentation(horizontal_flip=1.0)(images, seeded()), images.float().flip(3), atol=0.01)


def test_a_shift_moves_by_at_most_its_share_of_the_side() -> None:
    image = torch.zeros(64, 3, 41, 41, dtype=torch.uint8)
    image[:, :, 20, 20] = 200
    moved = augmentation(shift=0.1)(image, seeded())[:, 0]
    rows = (moved.sum(2) * torch.arange(41)).sum(1) / moved.sum((1, 2))
    assert (rows - 20).abs().max() <= 4.2
    assert (rows - 20).std() > 1.5


def test_a_rotation_keeps_the_centre_and_stays_within_its_angle() -> None:
    image = torch.zeros(64, 3, 41, 41, dtype=torch.uint8)
    image[:, :, 20, 35:38] = 200
    turned = augmentation(rotation=10)(image, seeded())[:, 0]
    weight = turned.sum((1, 2))
    row = (turned.sum(2) * torch.arange(41)).sum(1) / weight - 20
    column = (turned.sum(1) * torch.arange(41)).sum(1) / weight - 20
    angle = torch.rad2deg(torch.atan2(row, column))
    assert angle.abs().max() <= 10.3
    assert angle.std() > 3


def test_scale_stays_within_its_range() -> None:
    image = torch.zeros(64, 3, 61, 61, dtype=torch.uint8)
    image[:, :, 20:41, 20:41] = 200
    areas = augmentation(scale=(0.9, 1.1))(image, seeded())[:, 0].sum((1, 2)) / (21 * 21 * 200)
    assert areas.min() >= 0.80
    assert areas.max() <= 1.22
    assert areas.std() > 0.05


def test_a_mirrored_hand_is_not_also_turned_upside_down() -> None:
    image = torch.zeros(32, 3, 24, 24, dtype=torch.uint8)
    image[:, :, :8] = 200
    changed = augmentation(rotation=10, horizontal_flip=1.0)(image, seeded())
    assert (changed[:, :, :6, 8:16].mean((1, 2, 3)) > changed[:, :, -6:, 8:16].mean((1, 2, 3)) + 100).all()
