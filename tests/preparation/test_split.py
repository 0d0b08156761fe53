import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from static_gesture_classification.errors import DataError, UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.crops import CropSettings, build_crops, open_crops
from static_gesture_classification.preparation.split import SplitSettings, split_samples, write_split
from static_gesture_classification.preparation.splitting.report import SplitReport, print_split_report
from static_gesture_classification.samples import read_arrow, read_samples, subject_of, to_arrow, write_samples
from static_gesture_classification.terminal import console, errors
from tests.support.photograph_table import sample, sample_table

GESTURES = ("none", "one", "two")
SIDES = ["train", "val", "test"]


def noise(count: int, seed: int = 0) -> np.ndarray:
    """Crops no two of which have anything in common."""
    return np.random.default_rng(seed).integers(0, 256, (count, 16, 16, 3)).astype(np.uint8)


def people(count: int, source: str = "own", gestures: tuple[str, ...] = GESTURES, each: int = 4, **other: str) -> list:
    """Rows of so many people who show each gesture so many times, in two sessions."""
    return [
        sample(source, "data", f"{source}/{person}/{gesture}/{index}.jpg", (0, 0, 1, 1), gesture,
               **({"subject": f"person {person}", "session": f"{person}/{index % 2}"} | other))
        for person in range(count) for gesture in gestures for index in range(each)
    ]  # fmt: skip


def split(
    rows: list | pd.DataFrame, crops: np.ndarray | None = None, **settings: object
) -> tuple[pd.DataFrame, SplitReport]:
    table = rows if isinstance(rows, pd.DataFrame) else sample_table(rows)
    crops = noise(len(table)) if crops is None else crops
    defaults = {"val": 0.15, "test": 0.15, "respect_official": True, "seed": 0} | settings
    vocabulary = defaults.pop("vocabulary", Vocabulary(GESTURES))
    return split_samples(table, crops, SplitSettings.check(defaults, "splits"), vocabulary)


def sides(table: pd.DataFrame, *keys: str) -> pd.Series:
    """How many splits each person, session, ... is in."""
    return table.groupby(list(keys))["split"].nunique()


def shares(table: pd.DataFrame) -> dict[str, float]:
    return table["split"].value_counts(normalize=True).to_dict()


def test_people_and_sessions_never_part_and_every_gesture_has_its_share() -> None:
    table, report = split(people(40))
    assert (sides(table, "subject") == 1).all()
    assert (sides(table, "session") == 1).all()
    for gesture in GESTURES:
        share = shares(table[table["gesture"] == gesture])
        assert share == {"train": 0.7, "val": 0.15, "test": 0.15}
    assert report.proof == {"people": 0, "sessions": 0, "near-duplicates": 0}
    assert report.people == {"train": 28, "val": 6, "test": 6, "unused": 0}


def test_shares_are_met_by_people_of_unlike_size_and_taste() -> None:
    random = np.random.default_rng(3)
    rows = []
    for person in range(60):
        for gesture in random.choice(GESTURES, 2, replace=False):
            images = [f"{person}/{gesture}/{index}.jpg" for index in range(int(random.integers(1, 60)))]
            rows += [sample("own", "data", image, (0, 0, 1, 1), gesture, session=f"p{person}") for image in images]
    table, _ = split(rows)
    for gesture in GESTURES:
        share = shares(table[table["gesture"] == gesture])
        assert share["val"] == pytest.approx(0.15, abs=0.02)
        assert share["test"] == pytest.approx(0.15, abs=0.02)


def test_same_name_in_two_sources_is_two_people() -> None:
    _, report = split(people(3, "a") + people(3, "b"))
    assert sum(report.people.values()) == 6


def test_seed_decides_and_the_order_of_rows_does_not() -> None:
    rows = people(30)
    first, again = (split(rows)[0]["split"].tolist() for _ in range(2))
    assert first == again
    assert split(rows, seed=1)[0]["split"].tolist() != first
    shuffled = sample_table(rows).sample(frac=1, random_state=0)
    assert split(shuffled.reset_index(drop=True))[0]["split"].tolist() == [first[row] for row in shuffled.index]


def test_hands_of_one_image_stay_together() -> None:
    rows = [
        sample("own", "data", f"{n}.jpg", (0, 0, 1, 1), gesture, number=hand, session=f"{n}/{hand}")
        for n in range(12) for hand, gesture in enumerate(GESTURES)
    ]  # fmt: skip
    assert (sides(split(rows)[0], "image") == 1).all()


def test_empty_subject_falls_back_to_the_session() -> None:
    rows = people(8, subject="")
    table, report = split(rows)
    assert (sides(table, "session") == 1).all()
    assert sum(report.people.values()) == 0
    assert report.unknown == {"own": len(rows)}
    assert report.as_json()["unknown"] == {"own": len(rows)}


def test_the_proof_speaks_for_people_who_are_known_and_says_of_how_many_it_does_not(capsys) -> None:
    table, report = split(people(8) + people(4, "loose", subject="", session=""))
    print_split_report(report)
    said = " ".join(capsys.readouterr().out.split())
    assert "In two splits: 0 people" in said
    assert f"note: who is in {report.unknown['loose']:,} samples of loose is not known" in said
    assert sum(report.people.values()) == 8
    assert set(table.loc[table["source"] == "loose", "split"]) <= {"train", "val", "test"}


def test_a_hand_that_was_mined_from_a_dataset_stays_on_its_persons_side() -> None:
    mined = people(6, "recorded", session="mined")
    for row in mined:
        row |= {"subject": f"own/{row['subject']}", "session": f"mined/{row['subject']}"}
    table, report = split(people(12) + mined)
    assert table.groupby(subject_of(table))["split"].nunique().max() == 1
    assert sum(report.people.values()) == 12


def test_near_duplicates_of_two_people_tie_them_together() -> None:
    rows = people(8, each=2)
    crops = noise(len(rows))
    crops[-1] = np.clip(crops[0].astype(int) * 0.8 + 10, 0, 255)  # the same picture, darker, under another name
    table, report = split(rows, crops)
    assert table["split"].iloc[-1] == table["split"].iloc[0]
    assert len(report.links) == 1
    assert set(report.links.iloc[0][["first_subject", "second_subject"]]) == {"person 0", "person 7"}
    assert (sides(table, "subject") == 1).all()


def official(source: str = "published", counts: tuple[int, int, int] = (6, 2, 2)) -> list:
    """People of a dataset with official splits."""
    return [
        row | {"subject": f"{side} {row['subject']}", "session": f"{side} {row['session']}", "split": side}
        for side, count in zip(SIDES, counts, strict=True)
        for row in people(count, f"{source}")
    ]


def with_ids(rows: list) -> pd.DataFrame:
    """Make images and ids unique, whatever was repeated."""
    table = sample_table(rows)
    table["image"] = [f"{number}.jpg" for number in range(len(table))]
    table["sample_id"] = [f"{number:024x}" for number in range(len(table))]
    return table


def test_official_splits_are_kept() -> None:
    table = with_ids(official())
    result, report = split(table)
    assert result["split"].tolist() == table["split"].tolist()
    assert not report.moved
    assert not report.left_out


def test_official_splits_are_ignored_when_asked() -> None:
    table = with_ids(official(counts=(2, 2, 16)))
    result, _ = split(table, respect_official=False)
    assert shares(result)["train"] == pytest.approx(0.7)


def test_sources_without_official_splits_are_divided_beside_those_with() -> None:
    table = with_ids(official() + people(20, "own"))
    result, _ = split(table)
    share = shares(result[result["source"] == "own"])
    assert share["val"] == pytest.approx(0.15, abs=0.06)
    assert share["test"] == pytest.approx(0.15, abs=0.06)


def test_gesture_that_official_test_has_too_little_of_gets_more_from_other_sources() -> None:
    table = with_ids(official(counts=(14, 3, 3)) + people(20, "own"))
    table = table[~((table["split"] == "test") & (table["gesture"] == "two"))].reset_index(drop=True)
    result, _ = split(table)
    own = result[result["source"] == "own"]
    of_two = shares(own[own["gesture"] == "two"])["test"]
    assert of_two > 0.15


def test_person_whom_the_official_split_has_in_test_and_train_is_left_out_of_train() -> None:
    table = with_ids(official())
    leak = (table["subject"] == "train person 0") & (table["gesture"] == "one")
    table.loc[leak, "split"] = "test"
    result, report = split(table)
    assert (result.loc[leak, "split"] == "test").all()
    rest = (table["subject"] == "train person 0") & ~leak
    assert (result.loc[rest, "split"] == "").all()
    assert report.left_out == {"the official split has the same person or session in test": 8}
    assert "8 samples left out" in printed(report)


def test_person_whom_the_official_split_has_in_val_and_train_goes_to_train() -> None:
    table = with_ids(official())
    leak = (table["subject"] == "train person 0") & (table["gesture"] == "one")
    table.loc[leak, "split"] = "val"
    result, report = split(table)
    assert (result.loc[table["subject"] == "train person 0", "split"] == "train").all()
    assert list(report.moved.values()) == [4]


def test_session_with_a_near_duplicate_in_official_test_is_left_out_and_test_is_whole() -> None:
    table = with_ids(official())
    crops = noise(len(table))
    in_test = table.index[table["split"] == "test"][0]
    crops[0] = crops[in_test]
    result, report = split(table, crops)
    assert result.loc[table["split"] == "test", "split"].eq("test").all()
    session = table["session"] == table["session"].iloc[0]
    assert (result.loc[session, "split"] == "").all()
    assert (result.loc[~session, "split"] == table.loc[~session, "split"]).all()
    assert report.left_out == {"the session has near-duplicates in the official test split": int(session.sum())}
    assert report.proof["near-duplicates"] == 0


def test_own_recording_with_a_near_duplicate_in_official_test_joins_test() -> None:
    table = with_ids(official() + people(10, "own"))
    crops = noise(len(table))
    mine = table.index[table["source"] == "own"][0]
    crops[mine] = crops[table.index[table["split"] == "test"][0]]
    result, _ = split(table, crops)
    assert (result.loc[(table["source"] == "own") & (table["subject"] == "person 0"), "split"] == "test").all()


def test_missing_official_val_is_taken_from_train_by_people() -> None:
    table = with_ids(official(counts=(20, 0, 4)))
    result, _ = split(table)
    assert (result.loc[table["split"] == "test", "split"] == "test").all()
    assert result.loc[table["split"] == "train", "split"].value_counts().to_dict() == {"train": 192, "val": 48}
    assert (sides(result, "subject") == 1).all()


def test_recording_kept_for_training_stays_there() -> None:
    table = with_ids(people(20, "own") + people(5, "kept", split="train"))
    result, _ = split(table)
    assert (result.loc[result["source"] == "kept", "split"] == "train").all()


def test_recordings_put_into_train_one_by_one_are_not_taken_for_a_split_they_lack() -> None:
    recorded = people(8, "recorded", split="train")
    for row in recorded:
        if row["subject"] in ("person 0", "person 1"):
            row["split"] = "val"
    rows = recorded + people(10, "other")
    assert "test" in set(split(rows)[0].query("source == 'recorded'")["split"])
    settled, _ = split(rows, settled=["recorded"])
    asked = pd.Series([row["split"] for row in recorded])
    assert (settled.query("source == 'recorded'")["split"].reset_index(drop=True) == asked).all()


@pytest.mark.parametrize("respected", [True, False])
def test_a_source_for_train_only_goes_there_as_a_whole(respected: bool) -> None:
    rows = people(20, "own") + people(15, "single") + people(3, "published", split="test")
    result, _ = split(rows, train_only=["single", "published"], respect_official=respected)
    assert set(result.loc[result["source"].isin(["single", "published"]), "split"]) == {"train"}
    assert set(result.loc[result["source"] == "own", "split"]) >= {"val", "test"}


def test_one_person_only_fails_with_the_reason_and_the_nearest_that_is_possible() -> None:
    with pytest.raises(DataError, match=r"the 12 samples show 1 person .*own/person 0.* too few for train, val, test"):
        split(people(1))
    with pytest.raises(DataError, match=r"nearest that is possible: record or add 2 more people"):
        split(people(1))


def test_two_people_fail_with_the_way_to_two_splits() -> None:
    with pytest.raises(DataError, match=r"record or add 1 more person; or set split\.test=0") as error:
        split(people(2))
    assert "set split.group=session to keep the 4 sessions apart" in str(error.value)
    table, _ = split(people(2), test=0)
    assert set(table["split"]) == {"train", "val"}


def test_sessions_of_one_person_can_be_kept_apart_when_asked() -> None:
    rows = [
        sample("own", "data", f"{session}/{gesture}.jpg", (0, 0, 1, 1), gesture, subject="anna", session=str(session))
        for session in range(10) for gesture in GESTURES
    ]  # fmt: skip
    table, report = split(rows, group="session")
    assert set(table["split"]) == set(SIDES)
    assert (sides(table, "session") == 1).all()
    assert report.proof == {"sessions": 0, "near-duplicates": 0}


def test_gesture_of_one_person_fails_unless_asked_to_go_on() -> None:
    rows = people(10, gestures=("none", "one")) + people(1, "other", gestures=("two",))
    with pytest.raises(DataError, match=r"two is shown by 1 person and is missing in val and test") as error:
        split(rows)
    assert "split.incomplete=warn" in str(error.value)
    table, report = split(rows, incomplete="warn")
    assert set(table.loc[table["gesture"] == "two", "split"]) == {"train"}
    assert report.warnings == ["two is shown by 1 person and is missing in val and test"]


def test_gesture_that_an_official_split_lacks_on_one_side_is_a_warning() -> None:
    table = with_ids(official())
    table = table[(table["gesture"] != "two") | (table["split"] == "train")].reset_index(drop=True)
    _, report = split(table)
    assert report.warnings == ["two is shown by 6 people and is missing in val and test"]


def test_gesture_without_a_sample_is_a_warning_with_the_way_out() -> None:
    _, report = split(people(10, gestures=("none", "one")))
    assert len(report.warnings) == 1
    assert report.warnings[0].startswith("two has no sample in any source")
    assert "take it out of gestures.names" in printed(report)


def test_gesture_of_few_people_is_in_every_split() -> None:
    rows = people(60, gestures=("none", "one"), each=8) + people(3, "rare", gestures=("two",), each=1)
    table, _ = split(rows)
    assert set(table.loc[table["gesture"] == "two", "split"]) == set(SIDES)


def test_official_splits_that_leave_nothing_for_training_are_an_error() -> None:
    table = with_ids(people(6))
    table["split"] = np.where(np.arange(len(table)) % 2, "test", "train")
    with pytest.raises(DataError, match=r"nothing is left for train.*set split\.respect_official=false"):
        split(table, val=0)


def test_gesture_that_is_not_in_the_vocabulary_is_an_error() -> None:
    with pytest.raises(UserError, match="unknown gesture 'three'"):
        split(people(10, gestures=("one", "three")))


@pytest.mark.parametrize(
    "settings", [{"val": -0.1}, {"val": 0.5, "test": 0.5}, {"group": "image"}, {"incomplete": "ignore"}]
)
def test_settings_that_make_no_sense_are_refused(settings: dict) -> None:
    with pytest.raises(UserError, match=r"^splits\."):
        split(people(10), **settings)


def test_files_keep_the_rows_of_the_crops_in_their_order(tmp_path: Path) -> None:
    rows = people(10, each=2)
    rows[3]["landmarks"] = np.linspace(0, 1, 42, dtype=np.float32)
    table, report = split(rows)
    write_split(to_arrow(sample_table(rows)), table, report, tmp_path / "splits")
    written = read_samples(tmp_path / "splits" / "samples.parquet")
    assert written["sample_id"].tolist() == [row["sample_id"] for row in rows]
    assert written["split"].tolist() == table["split"].tolist()
    assert np.allclose(written["landmarks"].iloc[3], rows[3]["landmarks"])
    assert json.loads((tmp_path / "splits" / "report.json").read_text())["proof"]["people"] == 0
    assert sorted(path.name for path in (tmp_path / "splits").iterdir()) == [
        "near_duplicates.csv", "report.json", "samples.parquet",
    ]  # fmt: skip


def printed(report: SplitReport) -> str:
    with console.capture() as shown, errors.capture() as warned:
        print_split_report(report)
    return shown.get() + warned.get()


def test_photographs_of_the_same_moment_under_two_names_are_found_and_kept_together(
    hagrid_table: pd.DataFrame, tmp_path: Path
) -> None:
    """hagrid_mini's official val has a room whose frames are those of a person in its train."""
    write_samples(hagrid_table, tmp_path / "samples.parquet")
    settings = CropSettings(size=96, margin=0.15, max_rejected_share=0)
    build_crops(tmp_path / "samples.parquet", tmp_path / "crops", settings)
    table = read_arrow(tmp_path / "crops" / "samples.parquet")
    samples = table.drop_columns(["landmarks"]).to_pandas()
    vocabulary = Vocabulary(tuple(sorted(set(samples["gesture"]))))
    result, report = split(samples, open_crops(tmp_path / "crops"), vocabulary=vocabulary)
    assert report.moved == {"official val to train: the same person, session or near-duplicates are in train": 20}
    tied = set(report.links["first_subject"]) | set(report.links["second_subject"])
    assert {name[:8] for name in tied} == {"92ce70d4", "4f2d745a"}  # and none of 154 people at one white wall
    unmoved = ~result["subject"].isin(tied)
    assert (result["split"] == samples["split"])[unmoved].all()
    assert isinstance(table, pa.Table)
