"""Corrections of labels: what the index makes of them, and what it says about those that do not fit."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from PIL import Image

from static_gesture_classification.configuration import CONF
from static_gesture_classification.errors import DataError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.preparation.index import index_sources, main, read_sources, remarks
from static_gesture_classification.preparation.label_fixes import (
    LabelFix,
    read_label_fixes,
    write_label_fixes,
)
from static_gesture_classification.samples import read_samples
from static_gesture_classification.sources.folder import Folder

VOCABULARY = Vocabulary(("NONE", "FIST", "PALM"), "NONE")
HEADER = "sample,from,to,who,when,why\n"


@pytest.fixture
def source(tmp_path: Path) -> Folder:
    for gesture in ("FIST", "PALM"):
        for index in range(4):
            path = tmp_path / "photos" / gesture / "anna" / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (9, 6), (len(gesture) * 9, index * 50, ord(gesture[0]))).save(path)
    return Folder(name="photos", root=str(tmp_path / "photos"))


def fixes_of(path: Path, lines: str):
    path.write_text(HEADER + lines, encoding="utf-8")
    return read_label_fixes(path, VOCABULARY)


def test_index_corrects_and_drops_what_the_file_says_and_keeps_the_published_label(source, tmp_path):
    before, _ = read_sources([source], VOCABULARY)
    fist, palm = (before.loc[before["gesture"] == gesture, "sample_id"].iloc[1] for gesture in ("FIST", "PALM"))
    fixes = fixes_of(tmp_path / "f.csv", f"{fist},FIST,PALM,eva,2026-01-02,blurred\n{palm},PALM,drop,eva,2026-01-02,\n")
    report = index_sources([source], VOCABULARY, tmp_path / "index", 0.01, fixes)
    after = read_samples(tmp_path / "index/samples.parquet").set_index("sample_id")
    assert after.loc[fist, "gesture"] == "PALM"
    assert after.loc[fist, "source_label"] == "FIST"
    assert palm not in after.index
    others = before[~before["sample_id"].isin([fist, palm])].set_index("sample_id")
    assert after.drop(index=fist)["gesture"].equals(others["gesture"])
    assert report.as_json()["label_fixes"] == {"corrected": 1, "dropped": 1, "not_applied": []}
    assert report.rows == 7
    assert report.counts["rows"].sum() == 7
    assert any("1 labels corrected, 1 samples dropped" in line for line in remarks(report))


def test_removing_a_line_restores_the_published_label(source, tmp_path):
    before, _ = read_sources([source], VOCABULARY)
    sample = before["sample_id"].iloc[0]
    fixed, _ = read_sources([source], VOCABULARY, fixes=fixes_of(tmp_path / "f.csv", f"{sample},FIST,drop,,,\n"))
    restored, _ = read_sources([source], VOCABULARY, fixes=fixes_of(tmp_path / "f.csv", ""))
    assert len(fixed) == len(before) - 1
    assert restored.equals(before)


def test_lines_that_fit_no_sample_are_not_applied_and_reported(source, tmp_path):
    before, _ = read_sources([source], VOCABULARY)
    sample = before["sample_id"].iloc[0]
    fixes = fixes_of(tmp_path / "f.csv", f"{sample},PALM,NONE,,,\n0123,FIST,PALM,,,\n")
    report = index_sources([source], VOCABULARY, tmp_path / "index", 0.01, fixes)
    after = read_samples(tmp_path / "index/samples.parquet")
    assert after["gesture"].equals(before["gesture"])
    said = "\n".join(remarks(report))
    assert f"line 2: not applied to {sample}: its source labels it FIST by now, not PALM" in said
    assert "1 lines not applied, because no selected source has their samples; the first is line 3, 0123" in said
    assert [entry["line"] for entry in report.as_json()["label_fixes"]["not_applied"]] == [2, 3]


def test_fix_that_the_published_data_made_superfluous_says_so(source, tmp_path):
    before, _ = read_sources([source], VOCABULARY)
    sample = before["sample_id"].iloc[0]
    fixes = fixes_of(tmp_path / "f.csv", f"{sample},PALM,FIST,,,\n")
    read_sources([source], VOCABULARY, fixes=fixes)
    assert "remove the line" in fixes.misfits[0].reason


def test_confirmed_label_changes_nothing(source, tmp_path):
    before, _ = read_sources([source], VOCABULARY)
    fixes = fixes_of(tmp_path / "f.csv", f"{before['sample_id'].iloc[0]},FIST,FIST,eva,2026-01-02,looked at it\n")
    after, _ = read_sources([source], VOCABULARY, fixes=fixes)
    assert after.equals(before)
    assert (fixes.corrected, fixes.misfits) == (0, [])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a,FIST,PUNCH,,,\n", r"f\.csv, line 2: to is 'PUNCH', which is no gesture; .* FIST, PALM or drop"),
        ("a,FIST,PALM,,,\nb,FISTS,PALM,,,\n", r"f\.csv, line 3: from is 'FISTS', which is no gesture"),
        ("a,drop,PALM,,,\n", r"line 2: from is 'drop'"),
        ("a,FIST,PALM\n", r"f\.csv, line 2: 3 values for 6 columns, none for who"),
        ("a,FIST,PALM,,,\n\nb,PALM,drop,,,\na,FIST,drop,,,\n", r"lines 2 and 5 both decide on sample a .*keep one"),
        ("<<<<<<< HEAD\n", r"f\.csv, line 2: 1 values for 6 columns"),
        (",FIST,PALM,,,\n", r"line 2: no sample is named"),
        ('a,"FIST,PALM,,,\n', r"f\.csv is not a readable CSV file"),
    ],
)
def test_damaged_file_is_refused_with_its_line(lines, message, tmp_path):
    with pytest.raises(DataError, match=message):
        fixes_of(tmp_path / "f.csv", lines)


def test_wrong_columns_are_refused(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("sample,from,by,when,why\n")
    with pytest.raises(DataError, match=r"f\.csv, line 1 lacks the columns to, who; its first line must name them"):
        read_label_fixes(path, VOCABULARY)


def test_fixes_that_a_spreadsheet_saved_are_applied(tmp_path):
    path = tmp_path / "f.csv"
    path.write_bytes("sep=;\r\nSample;From;To;Who;When;Why\r\na;FIST;PALM;Ева;;\r\n;;;;;\r\n".encode("utf-16"))
    (fix,) = read_label_fixes(path, VOCABULARY).fixes
    assert (fix.sample, fix.published, fix.to, fix.who, fix.line) == ("a", "FIST", "PALM", "Ева", 3)


def test_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "f.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"f\.csv is not a readable CSV file"):
        read_label_fixes(tmp_path / "f.csv", VOCABULARY)


def test_index_stage_applies_the_configured_file(tmp_path):
    path = tmp_path / "photos" / "FIST" / "anna" / "0.png"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (9, 6)).save(path)
    overrides = ["sources=[folder]", f"sources.folder.root={tmp_path / 'photos'}", f"paths.index={tmp_path / 'index'}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", [*overrides, f"label_issues.fixes={tmp_path / 'f.csv'}"])
    main.__wrapped__(config)
    before = read_samples(tmp_path / "index/samples.parquet")
    (tmp_path / "f.csv").write_text(f"{HEADER}{before['sample_id'][0]},FIST,FIVE,,,\n")
    main.__wrapped__(config)
    after = read_samples(tmp_path / "index/samples.parquet")
    assert (before["gesture"][0], after["gesture"][0]) == ("FIST", "FIVE")


def test_absent_file_means_no_fixes(tmp_path):
    assert read_label_fixes(tmp_path / "none.csv", VOCABULARY).fixes == ()


def test_written_fixes_read_back_with_commas_quotes_and_other_scripts(tmp_path):
    fixes = [LabelFix("a", "FIST", "PALM", 'Zoë "Z", 王', "2026-01-02", "thumb hidden, see frame 3", 2)]
    write_label_fixes(fixes, tmp_path / "f.csv")
    assert read_label_fixes(tmp_path / "f.csv", VOCABULARY).fixes == tuple(fixes)


def test_projects_own_file_is_readable(project):
    assert (project / "data/label_fixes.csv").is_file()
    assert (project / "data/label_fixes.csv").read_text().startswith(HEADER)
