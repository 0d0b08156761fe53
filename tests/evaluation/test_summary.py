import hashlib
import json

import pytest

from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.summary import main
from tests.evaluation.conftest import composed

summary = main.__wrapped__


def config_of(folder):
    return composed(f"paths.reports={folder}", f"paths.models={folder}")


def test_the_summary_says_how_good_it_is_where_things_are_and_what_to_do_next(tmp_path, capsys):
    scores = {
        "weighted_f1": 0.9123,
        "weighted_f1_interval": {"low": 0.88, "high": 0.94, "level": 0.95, "unit": "subject"},
        "macro_f1": None,
        "accuracy": 0.9,
        "calibration_error": 0.02,
        "samples": 1200,
        "people": 18,
    }
    (tmp_path / "metrics.json").write_text(json.dumps({"split": "test", "val": scores, "test": scores}))
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/test_error_pairs.csv").write_text("gesture,prediction,count,rate\nTWO,THREE,17,0.2\n")
    (tmp_path / "best.json").write_text(json.dumps({"run": "a-run", "epoch": 7, "reason": "first"}))
    summary(config_of(tmp_path))
    out = capsys.readouterr().out
    assert out.count("weighted F1 0.912 (95% interval 0.880 to 0.940, resampling people), macro F1 -") == 2
    assert "TWO for THREE (17, 20.0%)" in out
    assert f"{tmp_path / 'best.ckpt'}" in out
    assert "run a-run, epoch 7" in out
    assert "sources=[hagrid]" in out


def test_without_results_the_summary_says_how_to_make_them(tmp_path):
    with pytest.raises(UserError, match="make repro"):
        summary(config_of(tmp_path))


def test_a_checkpoint_that_was_not_promoted_is_named_with_the_command_that_says_why(tmp_path, capsys):
    scores = {"weighted_f1": 0.9, "weighted_f1_interval": {"low": 0.8, "high": 1, "level": 0.95, "unit": "subject"}}
    scores |= {"macro_f1": 0.9, "accuracy": 0.9, "calibration_error": 0.02, "samples": 12, "people": 3}
    (tmp_path / "metrics.json").write_text(json.dumps({"split": "test", "test": scores}))
    record = {"run": "a-run", "epoch": 7, "reason": "first", "sha256": hashlib.sha256(b"best").hexdigest()}
    (tmp_path / "best.json").write_text(json.dumps(record))
    for content, named in ((b"best", False), (b"another", True)):
        (tmp_path / "trained.ckpt").write_bytes(content)
        summary(config_of(tmp_path))
        printed = capsys.readouterr().out
        assert ("newly trained and not promoted" in printed) == named
        assert ("gestures promote says why" in printed) == named
