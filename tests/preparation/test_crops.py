import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import simplejpeg
from PIL import Image

from static_gesture_classification.errors import DataError, OutputError, UserError
from static_gesture_classification.images import decode, read_header, read_image
from static_gesture_classification.preparation import crop_store
from static_gesture_classification.preparation import crops as stage
from static_gesture_classification.preparation.crops import (
    CropSettings,
    CropsReport,
    build_crops,
    open_crops,
)
from static_gesture_classification.preparation.cutting import reduction
from static_gesture_classification.preparation.described_crops import DESCRIPTORS, open_described
from static_gesture_classification.preparation.geometry import Square, crop_square, hand_square, resample
from static_gesture_classification.samples import read_samples, write_samples
from tests.support.photograph_table import sample, sample_table
from tests.support.stage_commands import digests
from tests.support.waiting import until

SIZE, MARGIN = 32, 0.15
Dataset = Callable[[int], tuple[pd.DataFrame, Path]]


def build(index: Path, output: Path, share: float = 0.01, size: int = SIZE, margin: float = MARGIN) -> CropsReport:
    settings = CropSettings.check({"size": size, "margin": margin, "max_rejected_share": share}, "crops")
    return build_crops(index, output, settings)


def jpeg(pixels: np.ndarray) -> bytes:
    return simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=92)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def assert_as_if_made_at_once(output: Path, index: Path, share: float = 0.01, size: int = SIZE) -> None:
    fresh = output.with_name(f"{output.name} made at once")
    build(index, fresh, share, size)
    assert contents(output) == contents(fresh)


def test_row_of_the_array_is_the_crop_of_that_row_of_the_table(dataset: Dataset, tmp_path: Path) -> None:
    table, index = dataset(30)
    build(index, tmp_path / "crops")
    crops, samples = open_crops(tmp_path / "crops"), read_samples(tmp_path / "crops" / "samples.parquet")
    assert samples["sample_id"].tolist() == table["sample_id"].tolist()
    assert crops.shape == (len(table), SIZE, SIZE, 3)
    assert not crops.flags.writeable
    for row, crop in zip(samples.itertuples(), crops, strict=True):
        wanted = crop_square(read_image(Path(row.root) / row.image), (row.x1, row.y1, row.x2, row.y2), SIZE, MARGIN)
        assert np.abs(crop.astype(int) - wanted.astype(int)).mean() < 1


def test_reduced_decode_loses_nothing(photographs: Path) -> None:
    frame = Image.open(photographs / "hands_mini/Subject1/Subject1/500_color.png")
    large = np.asarray(frame.resize((1920, 1440), Image.Resampling.BICUBIC))
    header = read_header(data := jpeg(large))
    box = (201 / 480, 82 / 360, 330 / 480, 310 / 360)
    square = hand_square(1920, 1440, box, MARGIN)
    factor = reduction(header, square, 96)
    assert factor == 4
    reduced = resample(decode(data, header, factor), square.reduce(factor), 96)
    error = reduced.astype(float) - crop_square(decode(data, header), box, 96, MARGIN)
    assert 20 * np.log10(255 / np.sqrt((error**2).mean())) > 45


def test_small_hand_and_hand_at_the_border_are_cut_from_the_full_image() -> None:
    header = read_header(jpeg(np.zeros((1080, 1920, 3), np.uint8)))
    assert [reduction(header, Square(0, 0, side), 96) for side in (96, 383, 384, 1079)] == [1, 1, 2, 4]
    assert reduction(header, Square(-1, 0, 1000), 96) == 1
    odd = read_header(jpeg(np.zeros((1081, 1920, 3), np.uint8)))
    assert reduction(odd, Square(0, 0, 1000), 96) == 1


def test_second_run_decodes_nothing(dataset: Dataset, tmp_path: Path) -> None:
    _, index = dataset(20)
    assert build(index, tmp_path / "crops").decoded_images == 20
    before = (tmp_path / "crops" / "crops.npy").stat().st_ino
    report = build(index, tmp_path / "crops")
    assert report.decoded_images == 0
    assert report.kept == report.plan.count
    assert (tmp_path / "crops" / "crops.npy").stat().st_ino == before


def test_crops_of_pixels_that_were_read_another_way_are_made_anew(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, index = dataset(5)
    build(index, tmp_path / "crops")
    monkeypatch.setattr(stage, "PIXELS_VERSION", stage.PIXELS_VERSION + 1)
    assert build(index, tmp_path / "crops").decoded_images == 5


def test_what_is_kept_of_a_crop_is_asked_for_anew_once_its_picture_is_another(dataset: Dataset, tmp_path: Path) -> None:
    table, index = dataset(5)
    build(index, tmp_path / "crops")
    before = open_described(tmp_path / "crops").facts()
    assert digests(tmp_path / "crops" / DESCRIPTORS)
    changed = table["image"].iloc[0]
    path = Path(table["root"].iloc[0]) / changed
    path.write_bytes(jpeg(read_image(path)[::-1]))
    build(index, tmp_path / "crops")
    after = open_described(tmp_path / "crops").facts()
    other = (before.digests[:] != after.digests[:]).tolist()
    assert other == (table["image"] == changed).tolist()


def test_new_recording_decodes_only_the_new_samples(dataset: Dataset, tmp_path: Path) -> None:
    table, index = dataset(20)
    new = table["image"].drop_duplicates().iloc[[0, 7, 19]]
    write_samples(table[~table["image"].isin(new)].reset_index(drop=True), index)
    build(index, tmp_path / "crops")
    write_samples(table, index)
    assert build(index, tmp_path / "crops").decoded_images == 3
    assert_as_if_made_at_once(tmp_path / "crops", index)


def test_removed_and_reordered_samples_decode_nothing(dataset: Dataset, tmp_path: Path) -> None:
    table, index = dataset(20)
    build(index, tmp_path / "crops")
    write_samples(table.iloc[::-2].reset_index(drop=True), index)
    assert build(index, tmp_path / "crops").decoded_images == 0
    assert_as_if_made_at_once(tmp_path / "crops", index)


def test_new_label_leaves_the_array_alone(dataset: Dataset, tmp_path: Path) -> None:
    table, index = dataset(5)
    build(index, tmp_path / "crops")
    before = (tmp_path / "crops" / "crops.npy").stat().st_ino
    write_samples(table.assign(gesture="OTHER"), index)
    assert build(index, tmp_path / "crops").decoded_images == 0
    assert (tmp_path / "crops" / "crops.npy").stat().st_ino == before
    assert set(read_samples(tmp_path / "crops" / "samples.parquet")["gesture"]) == {"OTHER"}


def test_changed_image_is_decoded_again_and_a_touched_one_is_not(dataset: Dataset, tmp_path: Path) -> None:
    table, index = dataset(10)
    build(index, tmp_path / "crops")
    paths = [Path(root) / image for root, image in zip(table["root"], table["image"], strict=True)]
    os.utime(paths[0])
    Image.open(paths[-1]).transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(paths[-1], quality=90)
    assert build(index, tmp_path / "crops").decoded_images == 1
    assert_as_if_made_at_once(tmp_path / "crops", index)


def test_moved_dataset_is_not_decoded_again(dataset: Dataset, tmp_path: Path) -> None:
    table, index = dataset(10)
    build(index, tmp_path / "crops")
    (tmp_path / "photos").rename(tmp_path / "moved")
    write_samples(table.assign(root=str(tmp_path / "moved")), index)
    assert build(index, tmp_path / "crops").decoded_images == 0
    assert_as_if_made_at_once(tmp_path / "crops", index)


def test_other_size_margin_or_box_makes_other_crops(dataset: Dataset, tmp_path: Path) -> None:
    table, index = dataset(6)
    build(index, tmp_path / "crops")
    assert build(index, tmp_path / "crops", size=24).decoded_images == 6
    assert open_crops(tmp_path / "crops").shape[1:] == (24, 24, 3)
    assert build(index, tmp_path / "crops", size=24, margin=0.3).decoded_images == 6
    table.loc[0, "x1"] /= 2
    write_samples(table, index)
    assert build(index, tmp_path / "crops", size=24, margin=0.3).decoded_images == 1


def test_hands_of_one_image_are_cut_from_one_decode(hagrid_table: pd.DataFrame, tmp_path: Path) -> None:
    both = hagrid_table[hagrid_table["image"].duplicated(keep=False)].head(4).reset_index(drop=True)
    write_samples(both, tmp_path / "samples.parquet")
    assert build(tmp_path / "samples.parquet", tmp_path / "crops").decoded_images == both["image"].nunique() == 2


def test_crop_does_not_depend_on_what_else_is_cut_from_the_image(photographs: Path, tmp_path: Path) -> None:
    frame = Image.open(photographs / "hands_mini/Subject1/Subject1/500_color.png")
    frame.resize((1920, 1440)).save(tmp_path / "large.jpg")
    rows = [
        sample("x", tmp_path, "large.jpg", (0.1, 0.1, 0.9, 0.9), "palm", number=0),
        sample("x", tmp_path, "large.jpg", (0.4, 0.4, 0.43, 0.43), "palm", number=1),
    ]
    for name, chosen in (("both", rows), ("large", rows[:1])):
        write_samples(sample_table(chosen), tmp_path / f"{name}.parquet")
        build(tmp_path / f"{name}.parquet", tmp_path / name)
    assert np.array_equal(open_crops(tmp_path / "both")[0], open_crops(tmp_path / "large")[0])


def test_images_with_spaces_and_other_letters_in_their_names(tmp_path: Path) -> None:
    names = ["жест один/рука 1.png", "手势 二/ü ß.jpg"]
    for name in names:
        path = tmp_path / "мои данные" / name
        path.parent.mkdir(parents=True)
        Image.new("RGB", (40, 30), "red").save(path)
    write_samples(sample_table([sample("x", tmp_path / "мои данные", name, (0, 0, 1, 1), "one") for name in names]),
                  tmp_path / "индекс.parquet")  # fmt: skip
    assert not build(tmp_path / "индекс.parquet", tmp_path / "вырезки и т. д.").reasons
    assert (open_crops(tmp_path / "вырезки и т. д.")[:, 5, 5, 0] > 250).all()


def spoil(table: pd.DataFrame, rows: list[int]) -> None:
    """Truncate, empty, replace by text, by a folder, and remove images, in turn."""
    for number, row in enumerate(rows):
        path = Path(table["root"].iloc[row]) / table["image"].iloc[row]
        data = path.read_bytes()
        path.unlink()
        match number % 5:
            case 0:
                path.write_bytes(data[: len(data) // 2])
            case 1:
                path.write_bytes(b"")
            case 2:
                path.write_text("no image")
            case 3:
                path.mkdir()


def test_unreadable_images_are_listed_with_the_reason(dataset: Dataset, tmp_path: Path) -> None:
    table, index = dataset(60)
    rows = [0, 11, 12, 30, len(table) - 1]
    spoil(table, rows)
    report = build(index, tmp_path / "crops", share=0.2)
    rejected = pd.read_csv(tmp_path / "crops" / "rejected.csv")
    assert rejected["item"].tolist() == table["sample_id"].iloc[rows].tolist()
    assert [Path(file).name for file in rejected["file"]] == [Path(table["image"].iloc[row]).name for row in rows]
    for reason, word in zip(rejected["reason"], ["truncated", "empty", "no image", "folder", "missing"], strict=True):
        assert word in reason
    kept = table.drop(index=rows)
    assert read_samples(tmp_path / "crops" / "samples.parquet")["sample_id"].tolist() == kept["sample_id"].tolist()
    write_samples(kept.reset_index(drop=True), index)
    build(index, tmp_path / "without")
    assert np.array_equal(open_crops(tmp_path / "crops"), open_crops(tmp_path / "without"))
    assert len(report.reasons) == 5


def test_repaired_image_is_taken_in(dataset: Dataset, tmp_path: Path) -> None:
    table, index = dataset(20)
    path = Path(table["root"].iloc[3]) / table["image"].iloc[3]
    good = path.read_bytes()
    path.write_bytes(good[:100])
    build(index, tmp_path / "crops", share=0.1)
    before = (tmp_path / "crops" / "crops.npy").stat().st_ino
    assert build(index, tmp_path / "crops", share=0.1).decoded_images == 0
    assert (tmp_path / "crops" / "crops.npy").stat().st_ino == before
    path.write_bytes(good)
    assert build(index, tmp_path / "crops", share=0.1).decoded_images == 1
    assert_as_if_made_at_once(tmp_path / "crops", index)


def test_too_many_unreadable_images_fail_with_the_first_ten_and_keep_the_earlier_crops(
    dataset: Dataset, tmp_path: Path
) -> None:
    table, index = dataset(40)
    build(index, tmp_path / "crops")
    before = contents(tmp_path / "crops")
    spoil(table, list(range(0, 24, 2)))
    with pytest.raises(
        DataError, match=r"1[23] of .* samples have no usable image .*max_rejected_share is 1\.0%"
    ) as error:
        build(index, tmp_path / "crops")
    named = [line for line in str(error.value).splitlines() if "photos" in line]
    assert len(named) == 10
    assert named[0].strip().startswith(str(tmp_path / "photos"))
    now = contents(tmp_path / "crops")
    assert {name: now[name] for name in before} == before


def test_box_of_less_than_a_pixel_is_rejected(dataset: Dataset, tmp_path: Path) -> None:
    table, index = dataset(4)
    table.loc[0, ["x1", "y1", "x2", "y2"]] = [0.5, 0.5, 0.5001, 0.5001]
    write_samples(table, index)
    assert "smaller than a pixel" in next(iter(build(index, tmp_path / "crops", share=0.5).reasons.values()))


def test_index_without_samples_is_an_error(tmp_path: Path) -> None:
    write_samples(sample_table([]), tmp_path / "samples.parquet")
    with pytest.raises(DataError, match=r"samples\.parquet has no samples; enable a source"):
        build(tmp_path / "samples.parquet", tmp_path / "crops")


@pytest.mark.parametrize(
    ("size", "margin", "share", "message"),
    [
        (4, 0.1, 0.1, "crops.size is 4; it must be greater than or equal to 8"),
        (96, -0.1, 0.1, "crops.margin is -0.1; it must be greater than or equal to 0"),
        (96, 0.1, 1.5, "crops.max_rejected_share is 1.5; it must be less than or equal to 1"),
    ],
)
def test_parameters_out_of_range_are_refused(
    tmp_path: Path, size: int, margin: float, share: float, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        build(tmp_path / "none", tmp_path / "crops", share, size, margin)


def test_crops_that_do_not_belong_to_their_table_are_not_opened(dataset: Dataset, tmp_path: Path) -> None:
    table, index = dataset(5)
    output = tmp_path / "crops"
    with pytest.raises(DataError, match=r"crops\.npy not found; run the crops stage"):
        open_crops(output)
    build(index, output)
    write_samples(table.head(3), output / "samples.parquet")
    with pytest.raises(DataError, match=r"has \d rows but .*samples\.parquet has 3; run dvc repro"):
        open_crops(output)
    (output / "crops.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match="damaged"):
        open_crops(output)


BUILD = """
import os, signal, sys
from pathlib import Path
from static_gesture_classification.preparation import crops, crop_store, per_image
from static_gesture_classification.preparation.crops import CropSettings, build_crops
per_image.IMAGES_PER_TASK, crops.IMAGES_IN_FLIGHT, per_image.IMAGES_IN_FLIGHT = 1, 4, 4
{fault}
settings = CropSettings(size=32, margin=0.15, max_rejected_share=0.2)
report = build_crops(Path({index!r}), Path({output!r}), settings)
print(report.decoded_images)
"""

# A fault kills the process, as SIGKILL does, when a method of the program is called for the nth time.
FAULT = """
def kill_at(owner, name, count):
    real = getattr(owner, name)
    calls = []
    def counted(*arguments):
        calls.append(name)
        if len(calls) == count: os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments)
    setattr(owner, name, counted)
kill_at({owner}, {name!r}, {count})
"""


def run(index: Path, output: Path, fault: str = "") -> subprocess.CompletedProcess[str]:
    code = BUILD.format(index=str(index), output=str(output), fault=fault)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.concurrent
@pytest.mark.parametrize(
    ("owner", "name", "count"),
    [
        ("crop_store.PartialCrops", "checkpoint", 4),  # rows are written, but not said to be
        ("crop_store.PartialCrops", "_note_compacted", 9),  # rows have been moved, but it is not written down
        ("crop_store", "_finish_array", 1),  # everything is complete, nothing is in place
        ("Path", "replace", 8),  # the array is in place, not every table is
    ],
)
def test_run_killed_at_any_point_is_continued(
    dataset: Dataset, tmp_path: Path, owner: str, name: str, count: int
) -> None:
    table, index = dataset(60)
    spoil(table, [5, 20, 40])
    output = tmp_path / "crops"
    killed = run(index, output, FAULT.format(owner=owner, name=name, count=count))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert build(index, output, share=0.2).decoded_images <= 57 - 8
    assert_as_if_made_at_once(output, index, share=0.2)


@pytest.mark.concurrent
def test_crops_of_a_killed_run_are_used_when_the_index_has_changed_since(dataset: Dataset, tmp_path: Path) -> None:
    table, index = dataset(60)
    output = tmp_path / "crops"
    run(index, output, FAULT.format(owner="crop_store.PartialCrops", name="checkpoint", count=5))
    write_samples(table.iloc[1:].reset_index(drop=True), index)
    assert build(index, output).decoded_images <= 60 - 8
    assert_as_if_made_at_once(output, index)


def test_killed_run_is_not_continued_at_another_size(dataset: Dataset, tmp_path: Path) -> None:
    _, index = dataset(20)
    output = tmp_path / "crops"
    run(index, output, FAULT.format(owner="crop_store.PartialCrops", name="checkpoint", count=3))
    assert build(index, output, size=24).decoded_images == 20
    assert_as_if_made_at_once(output, index, size=24)


def test_half_published_crops_are_not_opened(dataset: Dataset, tmp_path: Path) -> None:
    _, index = dataset(10)
    run(index, tmp_path / "crops", FAULT.format(owner="crop_store", name="_finish_array", count=1))
    with pytest.raises(DataError, match="was being replaced when the crops stage was stopped; repeat it"):
        open_crops(tmp_path / "crops")


SLOW = """
import time
def slow(function):
    def slower(*arguments, **named):
        time.sleep(0.05)
        return function(*arguments, **named)
    return slower
"""


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.concurrent
def test_signal_from_outside_leaves_what_was_decoded(dataset: Dataset, tmp_path: Path) -> None:
    _, index = dataset(200)
    output = tmp_path / "crops"
    code = BUILD.format(index=str(index), output=str(output), fault="crops.crop_image = slow(crops.crop_image)")
    with running([sys.executable, "-c", SLOW + code]) as process:
        until(lambda: rows_done(output) >= 30 or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
    done = rows_done(output)
    assert done >= 30
    report = build(index, output)
    assert report.kept >= done
    assert_as_if_made_at_once(output, index)


def rows_done(output: Path) -> int:
    progress = crop_store._read_progress(output / ".crops.npy.partial")
    return 0 if progress is None else int(progress.done.sum())


NO_ROOM = """
import sys
from pathlib import Path
from static_gesture_classification.errors import OutputError
from static_gesture_classification.preparation.crops import CropSettings, build_crops
settings = CropSettings(size=32, margin=0.15, max_rejected_share=0.01)
small, large, output = map(Path, sys.argv[1:4])
build_crops(small, output, settings)
before = {path.name: path.read_bytes() for path in output.iterdir()}
if len(sys.argv) > 4:
    import subprocess
    subprocess.run(["mount", "-o", "remount,ro", sys.argv[4]], check=True)
try:
    build_crops(large, output, settings)
except OutputError as error:
    print(error)
assert {path.name: path.read_bytes() for path in output.iterdir()} == before, "earlier results have changed"
"""


@pytest.mark.parametrize(
    ("read_only", "message"), [(False, "the disk is full"), (True, "the file system is read-only")]
)
def test_full_disk_and_read_only_folder_are_noticed_at_the_start_and_keep_the_earlier_crops(
    dataset: Dataset, tmp_path: Path, read_only: bool, message: str
) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("a small file system of its own needs unshare -rm, which is not permitted here")
    table, large = dataset(150)
    small = tmp_path / "small.parquet"
    write_samples(table.head(40), small)
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=400k none "$1" && shift && exec "$@"'
    command = [sys.executable, "-c", NO_ROOM, small, large, disk / "crops", *([disk] if read_only else [])]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", disk, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"cannot write {disk}/crops/crops.npy: {message}" in done.stdout


def test_output_below_a_file_is_an_error_that_says_so(dataset: Dataset, tmp_path: Path) -> None:
    _, index = dataset(3)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="a part of this path is a file"):
        build(index, tmp_path / "file" / "crops")
