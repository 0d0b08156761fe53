import numpy as np
import pandas as pd
import pytest
import torch

from static_gesture_classification.errors import DataError
from static_gesture_classification.training.datamodule import GestureDataModule, SeededBatches, sampling_weights
from static_gesture_classification.training.inputs import KINDS, PreparedHands
from static_gesture_classification.training.settings import SamplerSettings
from tests.support.patches import GESTURES, SIZE, VOCABULARY, patches, write_patches

SPLITS = {"train": 10, "val": 4, "test": 4, "": 3}


def datamodule(crops=None, samples=None, **changes: object) -> GestureDataModule:
    given, table = patches(SPLITS)
    hands = PreparedHands(table if samples is None else samples, given if crops is None else crops)
    return GestureDataModule(
        KINDS["crops"], hands, **({"vocabulary": VOCABULARY, "batch_size": 8, "seed": 0} | changes)
    )


def test_batches_are_uint8_in_channels_last_memory_and_belong_to_their_rows() -> None:
    data = datamodule()
    batch = next(iter(data.train_dataloader()))
    assert batch.inputs.dtype == torch.uint8
    assert batch.inputs.shape == (8, 3, SIZE, SIZE)
    assert batch.inputs.is_contiguous(memory_format=torch.channels_last)
    for image, target, row in zip(batch.inputs, batch.targets, batch.rows, strict=True):
        assert np.array_equal(image.permute(1, 2, 0), data.hands.crops[row])
        assert GESTURES[target] == data.samples["gesture"][int(row)]


def test_each_loader_has_the_samples_of_its_split_and_no_others() -> None:
    data = datamodule()
    for split, loader in (("train", data.train_dataloader()), ("val", data.val_dataloader())):
        rows = torch.cat([batch.rows for batch in loader]).tolist()
        assert sorted(rows) == np.flatnonzero(data.samples["split"] == split).tolist()


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        loader = datamodule(seed=seed).train_dataloader()
        loader.sampler.set_epoch(epoch)
        return torch.cat([batch.rows for batch in loader]).tolist()

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)


def test_opening_a_loader_leaves_the_random_state_alone() -> None:
    data = datamodule()
    before = torch.get_rng_state()
    next(iter(data.train_dataloader()))
    assert torch.equal(torch.get_rng_state(), before)


def test_overfitting_trains_and_validates_on_the_same_few_samples() -> None:
    data = datamodule(overfit_samples=6)
    train, val = (
        sorted(torch.cat([b.rows for b in loader]).tolist())
        for loader in (data.train_dataloader(), data.val_dataloader())
    )
    assert train == val
    assert len(train) == 6


def test_the_fingerprint_changes_with_pictures_labels_and_splits_of_what_is_trained_on() -> None:
    crops, samples = patches(SPLITS)
    before = datamodule().fingerprint()
    assert datamodule().fingerprint() == before
    train, test = (int(np.flatnonzero(samples["split"] == split)[0]) for split in ("train", "test"))
    for row, same in ((train, False), (test, True)):
        changed = crops.copy()
        changed[row, 0, 0] += 1
        assert (datamodule(crops=changed).fingerprint() == before) is same
    relabelled = samples.copy()
    relabelled.loc[train, "gesture"] = "TWO"
    assert datamodule(samples=relabelled).fingerprint() != before


def test_a_gesture_without_training_samples_is_named() -> None:
    crops, samples = patches(SPLITS)
    keep = ~((samples["gesture"] == "FIST") & (samples["split"] == "train")).to_numpy()
    with pytest.raises(DataError, match="no sample of FIST"):
        datamodule(crops=crops[keep], samples=samples[keep].reset_index(drop=True))


def test_an_empty_split_is_named() -> None:
    crops, samples = patches({"train": 4})
    with pytest.raises(DataError, match="val split"):
        datamodule(crops=crops, samples=samples)


def test_a_label_outside_the_vocabulary_is_named() -> None:
    crops, samples = patches(SPLITS)
    samples.loc[0, "gesture"] = "SEVEN"
    with pytest.raises(Exception, match="SEVEN"):
        datamodule(crops=crops, samples=samples)


def test_crops_and_table_of_different_length_do_not_fit(tmp_path) -> None:
    crops, samples = patches(SPLITS)
    with pytest.raises(DataError, match="do not fit"):
        datamodule(crops=crops[:-1], samples=samples)


def test_missing_and_damaged_crops_are_named(tmp_path) -> None:
    def opened() -> PreparedHands:
        data = tmp_path / "data"
        return KINDS["crops"].open(data / "crops", data / "landmarks", data / "splits/samples.parquet")

    with pytest.raises(DataError, match="crops"):
        opened()
    write_patches(tmp_path, SPLITS)
    assert opened().crop_size == SIZE
    path = tmp_path / "data/crops/crops.npy"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="crops"):
        opened()


def test_people_with_few_samples_come_more_often_and_a_pass_stays_as_long() -> None:
    samples = pd.DataFrame(
        {
            "source": ["own"] * 20 + ["posed"] * 4,
            "subject": ["anna"] * 16 + ["", "", "bo", "bo"] + ["nobody"] * 4,
            "session": [""] * 24,
            "image": [f"{number}.jpg" for number in range(24)],
        }
    )
    each_person = sampling_weights(samples, SamplerSettings(power=1, even=("posed",)))
    assert each_person is not None
    assert each_person.mean() == pytest.approx(1)
    assert each_person[20:] == pytest.approx(np.ones(4))  # posed hands keep their share
    assert each_person[:16].sum() == pytest.approx(each_person[16]) == pytest.approx(each_person[18:20].sum())
    tempered = sampling_weights(samples, SamplerSettings(power=0.5, even=("posed",)))
    assert tempered is not None
    assert tempered[16] / tempered[0] == pytest.approx(4)
    assert sampling_weights(samples, SamplerSettings(power=0)) is None
    drawn = np.concatenate(list(SeededBatches(24, 8, seed=0, passes=500, weights=each_person)))
    assert np.abs(np.bincount(drawn, minlength=24) / 500 - each_person).max() < 0.1


def test_no_pass_with_weights_strays_from_them_by_one_sample() -> None:
    weights = np.array([3.5, 0.5, 0.5, 0.5, 1.0])
    for one_pass in SeededBatches(5, 5, seed=0, passes=20, weights=weights):
        assert np.abs(np.bincount(one_pass, minlength=5) - weights * 5 / weights.sum()).max() < 1
