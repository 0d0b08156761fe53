import hashlib
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation import checkpoint_record, promote
from static_gesture_classification.evaluation.checkpoint_record import data_version, split_subjects
from static_gesture_classification.evaluation.evaluate import predict
from static_gesture_classification.evaluation.evaluation_set import EvaluateSettings, evaluation_sets
from static_gesture_classification.evaluation.predictions import embeddings_path, write_predictions
from static_gesture_classification.evaluation.runs import epochs_table, runs_table
from static_gesture_classification.evaluation.runs import main as list_runs
from static_gesture_classification.samples import read_samples, write_samples
from static_gesture_classification.training.checkpoint import (
    export_checkpoint,
    load_classifier,
    read_checkpoint,
    save,
)
from tests.evaluation.conftest import composed

run_promote = promote.main.__wrapped__


@pytest.fixture
def project_of(prepared, trained_run, tmp_path):
    """A project's folders after training: call it with the epoch that was exported and evaluated."""

    def make(epoch, overrides=(), content=None):
        models = tmp_path / "models"
        models.mkdir(exist_ok=True)
        if not (tmp_path / "splits").exists():
            shutil.copytree(prepared / "splits", tmp_path / "splits")
        source = trained_run.epoch_checkpoints()[epoch]
        export_checkpoint(source, models / "trained.ckpt")
        if content is not None:
            save(content(read_checkpoint(models / "trained.ckpt")), models / "trained.ckpt")
        record = {"run": trained_run.run_id, "checkpoint": source.name, "epoch": epoch}
        (models / "trained.json").write_text(json.dumps(record))
        config = composed(
            f"paths.models={models}",
            f"paths.crops={prepared / 'crops'}",
            f"paths.splits={tmp_path / 'splits'}",
            f"paths.runs={trained_run.path.parent}",
            f"paths.reports={tmp_path / 'reports'}",
            f"evaluate.checkpoint={models / 'trained.ckpt'}",
            f"evaluate.output={tmp_path / 'reports'}",
            f"evaluate.crops={prepared / 'crops'}",
            f"evaluate.samples={tmp_path / 'splits/samples.parquet'}",
            "evaluate.bootstrap=10",
            "trainer.threads=1",
            "trainer.accelerator=cpu",
            *overrides,
        )
        for data in evaluation_sets(
            EvaluateSettings.from_config(config), classifier := load_classifier(models / "trained.ckpt")
        ):
            write_predictions(predict(data, classifier), tmp_path / f"reports/predictions/{data.name}.parquet")
        return config, models

    return make


@pytest.fixture(scope="session")
def by_score(trained_run):
    """The kept epochs, worst first."""
    kept = trained_run.epoch_checkpoints()
    scores = trained_run.series("training/val_weighted_F1").set_index("step")["value"]
    ordered = sorted(kept, key=lambda epoch: scores[epoch])
    assert scores[ordered[0]] < scores[ordered[-1]]
    return ordered


def record(models, name="best.json"):
    return json.loads((models / name).read_text())


def contents(models):
    return {path.name: path.read_bytes() for path in models.iterdir()}


def test_the_first_checkpoint_is_promoted_with_a_record_of_what_it_is(project_of, prepared, trained_run, by_score):
    config, models = project_of(by_score[0])
    run_promote(config)
    assert (models / "best.ckpt").read_bytes() == (models / "trained.ckpt").read_bytes()
    samples = read_samples(prepared / "splits/samples.parquet")
    kept = record(models)
    assert (kept["run"], kept["epoch"]) == (trained_run.run_id, by_score[0])
    assert kept["data_version"] == data_version(samples)
    assert kept["scores"]["weighted_f1"] == read_checkpoint(models / "trained.ckpt")["scores"]["weighted_f1"]
    assert kept["config"]["train_hyperparams"]["epochs"] == 3
    assert kept["people_trained_on"].split() == split_subjects(samples, "train")


def test_a_better_checkpoint_replaces_the_best_one_and_that_is_kept(project_of, by_score):
    config, models = project_of(by_score[0])
    run_promote(config)
    before = contents(models)
    config, models = project_of(by_score[-1])
    run_promote(config)
    assert record(models)["epoch"] == by_score[-1]
    compared = record(models)["compared"]
    assert compared["weighted_f1"] > compared["weighted_f1_of_previous"]
    assert compared["samples"] == 60
    assert (models / "previous_best.ckpt").read_bytes() == before["best.ckpt"]
    assert (models / "previous_best.json").read_bytes() == before["best.json"]


def test_a_worse_checkpoint_and_the_same_one_leave_the_best_as_it_is(project_of, by_score, capsys):
    config, models = project_of(by_score[-1])
    run_promote(config)
    before = {name: contents(models)[name] for name in ("best.ckpt", "best.json")}
    run_promote(config)
    assert "it is the best one already" in capsys.readouterr().out
    config, models = project_of(by_score[0])
    run_promote(config)
    assert {name: contents(models)[name] for name in before} == before
    assert "not promoted" in capsys.readouterr().out


@pytest.fixture
def of_other_gestures(project_of, by_score):
    """A project whose best checkpoint so far has its gestures in another order than the candidate."""

    def other(checkpoint):
        return checkpoint | {"gestures": {"names": checkpoint["gestures"]["names"][::-1], "background": None}}

    def make(*overrides):
        config, models = project_of(by_score[-1])
        save(other(read_checkpoint(models / "trained.ckpt")), models / "trained.ckpt")
        run_promote(config)
        return project_of(by_score[0], overrides)

    return make


def printed(capsys):
    return " ".join(capsys.readouterr().out.split())


def test_checkpoints_of_other_gestures_cannot_be_compared_and_the_best_one_stays(of_other_gestures, capsys):
    config, models = of_other_gestures()
    before = {name: contents(models)[name] for name in ("best.ckpt", "best.json", "trained.ckpt")}
    run_promote(config)
    assert {name: contents(models)[name] for name in before} == before
    output = printed(capsys)
    assert "not promoted" in output
    assert "cannot be compared: they have other gestures" in output
    assert "gestures promote force=true" in output


def test_what_cannot_be_compared_is_promoted_when_told_to(of_other_gestures):
    config, models = of_other_gestures("promote.force=true")
    run_promote(config)
    assert (models / "best.ckpt").read_bytes() == (models / "trained.ckpt").read_bytes()
    assert record(models)["reason"].startswith("told to (force=true), although they cannot be compared")
    assert record(models)["compared"] is None


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self):
        return True


@pytest.mark.parametrize(("typed", "promoted"), [("y\n", True), ("n\n", False), ("\n", False), ("", False)])
def test_in_a_terminal_it_asks_whether_to_promote_what_cannot_be_compared(
    of_other_gestures, monkeypatch, capsys, typed, promoted
):
    config, models = of_other_gestures()
    best = (models / "best.ckpt").read_bytes()
    monkeypatch.delenv("DVC_STAGE", raising=False)
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    monkeypatch.setattr(promote.console, "_force_terminal", True)
    run_promote(config)
    assert ((models / "best.ckpt").read_bytes() != best) == promoted
    assert "Promote the new one anyway?" in printed(capsys)
    if promoted:
        assert record(models)["reason"].startswith("told to (asked in the terminal), although they cannot be compared")


def test_a_stage_of_dvc_does_not_wait_for_an_answer(of_other_gestures, monkeypatch):
    config, models = of_other_gestures()
    best = (models / "best.ckpt").read_bytes()
    monkeypatch.setenv("DVC_STAGE", "promote")
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    monkeypatch.setattr(promote.console, "_force_terminal", True)
    run_promote(config)
    assert (models / "best.ckpt").read_bytes() == best


def lost(models):
    (models / "best.json").unlink()


def of_another(models):
    written = record(models)
    (models / "best.json").write_text(json.dumps(written | {"sha256": "of another"}))


def without_people(models):
    written = record(models)
    (models / "best.json").write_text(json.dumps(written | {"people_trained_on": None}))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lost, "has no record best.json that belongs to it"),
        (of_another, "has no record best.json that belongs to it"),
        (without_people, "does not say whom"),
    ],
)
def test_a_best_one_whose_record_is_lost_is_not_replaced_unasked(project_of, by_score, capsys, damage, why):
    config, models = project_of(by_score[0])
    run_promote(config)
    best = (models / "best.ckpt").read_bytes()
    damage(models)
    config, models = project_of(by_score[-1])
    run_promote(config)
    assert (models / "best.ckpt").read_bytes() == best != (models / "trained.ckpt").read_bytes()
    assert why in printed(capsys)


def test_a_damaged_best_one_is_not_replaced_unasked(project_of, by_score, capsys):
    config, models = project_of(by_score[0])
    run_promote(config)
    (models / "best.ckpt").write_bytes(b"damaged")
    config, models = project_of(by_score[-1])
    run_promote(config)
    assert (models / "best.ckpt").read_bytes() == b"damaged"
    assert "cannot be compared" in printed(capsys)


def test_predictions_that_are_lost_or_of_another_val_promote_nothing(project_of, by_score, tmp_path):
    config, models = project_of(by_score[0])
    run_promote(config)
    best = (models / "best.ckpt").read_bytes()
    config, models = project_of(by_score[-1])
    output = tmp_path / "reports/predictions/val.parquet"
    shutil.copy2(output.with_name("test.parquet"), output)
    shutil.copy2(embeddings_path(output.with_name("test.parquet")), embeddings_path(output))
    with pytest.raises(UserError, match="not about today's val split"):
        run_promote(config)
    output.unlink()
    with pytest.raises(UserError, match="no predictions at"):
        run_promote(config)
    assert (models / "best.ckpt").read_bytes() == best


def test_nothing_left_of_val_that_the_best_one_can_look_at_promotes_nothing(project_of, by_score, monkeypatch, capsys):
    config, models = project_of(by_score[0])
    run_promote(config)
    best = (models / "best.ckpt").read_bytes()
    config, models = project_of(by_score[-1])
    whole = promote.predict_samples
    monkeypatch.setattr(
        promote, "predict_samples", lambda samples, *rest: whole(samples[:20], *rest)
    )  # pictures are gone
    run_promote(config)
    assert (models / "best.ckpt").read_bytes() == best
    assert "can look at 20 of today's 60 val samples only" in printed(capsys)


def test_people_whom_the_best_one_was_trained_on_do_not_count_when_data_has_changed(project_of, by_score, tmp_path):
    config, _ = project_of(by_score[-1])
    run_promote(config)
    samples = read_samples(tmp_path / "splits/samples.parquet")
    moved = samples["split"].where(samples["subject"] != "person 0", "val")  # it was in train
    write_samples(samples.assign(split=moved), tmp_path / "splits/samples.parquet")
    config, _ = project_of(by_score[0])
    settings = promote.PromoteSettings.from_config(config)
    decision = promote.decide_promotion(promote.read_candidate(settings), settings)
    assert decision.samples == 60
    most = samples["split"].replace({"train": "val", "val": "train"})
    write_samples(samples.assign(split=most), tmp_path / "splits/samples.parquet")
    config, _ = project_of(by_score[0])
    settings = promote.PromoteSettings.from_config(config)
    decision = promote.decide_promotion(promote.read_candidate(settings), settings)
    assert (decision.promote, decision.undecided) == (False, True)
    assert "trained on most of the people in today's val (120 of 120 samples)" in decision.reason


def test_sources_may_refer_to_settings_that_a_record_does_not_keep():
    config = composed("+experiment=all_photographs")
    settings = promote.PromoteSettings.from_config(config)
    assert settings.recorded["sources"]["synthetic_landmarks"]["aspect"] == config.landmarks.aspect_without_image


def test_a_promotion_killed_between_its_files_is_finished_by_repeating_it(project_of, by_score, monkeypatch):
    config, models = project_of(by_score[0])
    run_promote(config)
    start = contents(models)
    config, models = project_of(by_score[-1])
    run_promote(config)
    undisturbed = contents(models)
    written = []
    write_json, write_bytes = promote.write_json, promote.write_bytes

    class KilledError(BaseException):
        pass

    def stopping_after(count, write):
        def stop(path, content):
            if len(written) == count:
                raise KilledError
            write(path, content)
            written.append(path.name)

        return stop

    for count in range(4):
        for name, content in start.items():
            (models / name).write_bytes(content)
        for path in set(contents(models)) - set(start):
            (models / path).unlink()
        for name in ("trained.ckpt", "trained.json"):
            (models / name).write_bytes(undisturbed[name])
        written.clear()
        with monkeypatch.context() as patch:
            patch.setattr(promote, "write_json", stopping_after(count, write_json))
            patch.setattr(promote, "write_bytes", stopping_after(count, write_bytes))
            with pytest.raises(KilledError):
                run_promote(config)
        run_promote(config)
        assert contents(models) == undisturbed, f"killed after {written}"


def test_any_kept_epoch_can_be_promoted_by_hand_and_stays(project_of, trained_run, by_score, capsys):
    config, models = project_of(by_score[-1])
    run_promote(config)
    by_hand, _ = project_of(by_score[-1], [f"promote.run={trained_run.run_id}", f"promote.epoch={by_score[0]}"])
    run_promote(by_hand)
    assert (record(models)["epoch"], record(models)["chosen"]) == (by_score[0], "by hand")
    export_checkpoint(trained_run.epoch_checkpoints()[by_score[0]], models / "expected.ckpt")
    assert (models / "best.ckpt").read_bytes() == (models / "expected.ckpt").read_bytes()
    samples = read_samples(Path(config.evaluate.samples))
    assert record(models)["data_version"] == data_version(samples)
    assert record(models)["people_trained_on"].split() == split_subjects(samples, "train")
    run_promote(config)  # as `dvc repro` does afterwards
    assert record(models)["epoch"] == by_score[0]
    assert "by hand" in capsys.readouterr().out


def test_without_an_epoch_the_best_one_of_the_run_is_promoted(project_of, trained_run):
    config, models = project_of(0 if 0 in trained_run.epoch_checkpoints() else 1, [f"promote.run={trained_run.path}"])
    run_promote(config)
    assert record(models)["epoch"] == trained_run.best[0]


def test_an_unknown_run_or_epoch_names_those_there_are(project_of, trained_run, by_score):
    config, _ = project_of(by_score[0], ["promote.run=nothing"])
    with pytest.raises(UserError, match=f"no run nothing .* there are: .*{trained_run.run_id}"):
        run_promote(config)
    config, _ = project_of(by_score[0], [f"promote.run={trained_run.run_id}", "promote.epoch=77"])
    with pytest.raises(UserError, match="no checkpoint of epoch 77; it kept those of 0, 1, 2"):
        run_promote(config)


def test_runs_and_epochs_are_listed_with_scores_checkpoints_and_the_promoted_one(
    project_of, trained_run, by_score, capsys
):
    config, _models = project_of(by_score[-1])
    run_promote(config)
    promoted = (trained_run.run_id, by_score[-1])
    epochs = epochs_table(trained_run, promoted)
    assert epochs.row_count == 3
    marks = [str(cell) for cell in epochs.columns[5].cells]
    assert all("kept" in mark for mark in marks)
    assert ["best.ckpt" in mark for mark in marks] == [epoch == by_score[-1] for epoch in range(3)]
    scores = trained_run.series("training/val_weighted_F1")["value"]
    assert [str(cell) for cell in epochs.columns[3].cells] == [f"{value:.4f}" for value in scores]
    runs = runs_table(trained_run.path.parent)
    assert trained_run.run_id in [str(cell) for cell in runs.columns[0].cells]
    capsys.readouterr()
    list_runs.__wrapped__(config)
    assert trained_run.run_id in capsys.readouterr().out


def test_the_data_version_is_a_hash_of_the_sorted_rows_however_many(monkeypatch):
    monkeypatch.setattr(checkpoint_record, "_HASHED_ROWS", 2)
    samples = pd.DataFrame(
        {
            "sample_id": ["b", "a", "\U00010000", "\uffff", "unused"],
            "gesture": ["ONE", "ONE", "TWO", "TWO", "ONE"],
            "split": ["val", "train", "train", "test", ""],
        }
    )
    rows = "a ONE train\nb ONE val\n\uffff TWO test\n\U00010000 TWO train"
    assert data_version(samples) == hashlib.blake2b(rows.encode(), digest_size=8).hexdigest()


def test_the_data_version_depends_on_labels_and_splits_and_not_on_order(prepared):
    samples = read_samples(prepared / "splits/samples.parquet")
    version = data_version(samples)
    assert data_version(samples.sample(frac=1, random_state=0)) == version
    assert data_version(samples.assign(split="train")) != version
    assert data_version(samples.assign(gesture=np.roll(samples["gesture"], 1))) != version
    assert data_version(samples.assign(root="elsewhere")) == version


@pytest.fixture
def harmful(project_of, trained_run, by_score, prepared, tmp_path):
    """A project whose candidate scores higher than the best one, and is blind to a gesture that that one recognises."""
    samples = read_samples(prepared / "splits/samples.parquet")  # few samples prove nothing, so test joins val
    write_samples(samples.assign(split=samples["split"].replace("test", "val")), tmp_path / "splits/samples.parquet")

    scores = read_checkpoint(trained_run.epoch_checkpoints()[by_score[-1]])["scores"]["per_gesture"]
    ranked = sorted(scores, key=lambda gesture: -scores[gesture]["f1"])

    def make(*overrides):
        poor, models = project_of(by_score[-1], content=lambda entries: blind_to(entries, ranked[-3:]))
        run_promote(poor)
        config, _ = project_of(by_score[-1], overrides, content=lambda entries: blind_to(entries, ranked[:1]))
        return config, models, ranked[0]

    return make


def blind_to(entries, gestures):
    """A checkpoint's entries with a head that never predicts these gestures."""
    bias = entries["state_dict"]["head.bias"].clone()
    for gesture in gestures:
        bias[entries["gestures"]["names"].index(gesture)] = -1e4
    return entries | {"state_dict": entries["state_dict"] | {"head.bias": bias}}


def test_a_candidate_that_loses_a_gesture_is_refused_though_its_score_is_higher(harmful, capsys):
    config, models, gesture = harmful()
    before = {name: contents(models)[name] for name in ("best.ckpt", "best.json")}
    run_promote(config)
    assert {name: contents(models)[name] for name in before} == before
    output = " ".join(capsys.readouterr().out.split())
    assert "not promoted" in output
    assert f"recognises {gesture} worse" in output
    assert "force=true" in output


def test_a_refused_candidate_is_promoted_when_told_to(harmful):
    config, models, gesture = harmful("promote.force=true")
    run_promote(config)
    assert (models / "best.ckpt").read_bytes() == (models / "trained.ckpt").read_bytes()
    kept = record(models)
    assert "force=true" in kept["reason"]
    assert kept["compared"]["harmed"] == [gesture]
    assert kept["compared"]["weighted_f1"] > kept["compared"]["weighted_f1_of_previous"]


def test_a_loss_within_the_set_amount_is_no_reason_to_refuse(harmful):
    config, models, _ = harmful("compare.max_gesture_loss=1")
    run_promote(config)
    assert (models / "best.ckpt").read_bytes() == (models / "trained.ckpt").read_bytes()
    assert record(models)["compared"]["harmed"] == []


def test_a_lower_score_is_promoted_only_when_told_to(project_of, by_score):
    config, models = project_of(by_score[-1])
    run_promote(config)
    config, _ = project_of(by_score[0], ["promote.force=true"])
    run_promote(config)
    assert record(models)["epoch"] == by_score[0]


def test_a_best_one_that_cannot_look_at_val_any_more_stays_and_it_is_said_why(project_of, by_score, capsys):
    other = {"crop": {"size": 24, "margin": 0.15}}  # its crops would have to be cut, and the pictures are gone
    config, models = project_of(by_score[0])
    trained = (models / "trained.ckpt").read_bytes()
    save(read_checkpoint(models / "trained.ckpt") | other, models / "trained.ckpt")
    run_promote(config)
    best = (models / "best.ckpt").read_bytes()
    (models / "trained.ckpt").write_bytes(trained)
    run_promote(config)
    assert (models / "best.ckpt").read_bytes() == best
    output = " ".join(capsys.readouterr().out.split())
    assert "cannot look at today's val split" in output
    assert "force=true" in output


@pytest.fixture
def kept_of(project_of, trained_run, by_score):
    """A project whose best checkpoint is that of one epoch; call it with this epoch, and the epoch of the candidate."""

    def make(best, epoch):
        config, _ = project_of(best)
        run_promote(config)
        settings = promote.PromoteSettings.from_config(config)
        candidate = promote.kept_candidate(trained_run, epoch)
        return candidate, promote.decide_promotion(candidate, settings), settings

    return make


def test_a_runs_checkpoint_is_compared_by_what_it_predicts_itself(kept_of, by_score):
    worst, best = by_score[0], by_score[-1]
    candidate, decision, settings = kept_of(worst, best)  # the evaluated predictions are those of the worst
    assert (decision.promote, decision.samples) == (True, 60)
    promote.promote_kept(candidate, decision, promote.checkpoint_digest(settings.workspace.best), settings)
    said = record(settings.workspace.models)
    assert (said["epoch"], said["chosen"], said["compared"]["samples"]) == (best, "by hand", 60)


def test_a_refused_one_can_be_promoted_on_the_page_and_taken_back(kept_of, by_score):
    worst, best = by_score[0], by_score[-1]
    candidate, decision, settings = kept_of(best, worst)
    models = settings.workspace.models
    before = {path.name: path.read_bytes() for path in models.glob("best.*")}
    assert not decision.promote
    against = promote.checkpoint_digest(models / "best.ckpt")
    promote.promote_kept(candidate, promote.overrule(decision), against, settings)
    assert record(models)["epoch"] == worst
    assert record(models)["reason"].startswith("told to on the page, although weighted F1 on val")
    promote.take_back(models)
    assert {path.name: path.read_bytes() for path in models.glob("best.*")} == before
    assert record(models, "previous_best.json")["epoch"] == worst


def test_what_was_promoted_meanwhile_is_not_overwritten(kept_of, by_score):
    candidate, decision, settings = kept_of(by_score[0], by_score[-1])
    with pytest.raises(UserError, match="was promoted since they were compared"):
        promote.promote_kept(candidate, decision, "the digest of another one", settings)
    assert record(settings.workspace.models)["epoch"] == by_score[0]


def test_two_promotions_at_once_do_not_mix(kept_of, by_score):
    candidate, decision, settings = kept_of(by_score[0], by_score[-1])
    against = promote.checkpoint_digest(settings.workspace.best)
    with promote.promoting(settings.workspace.models), pytest.raises(UserError, match="another promotion is at work"):
        promote.promote_kept(candidate, decision, against, settings)
    with pytest.raises(UserError, match="nothing can be taken back"):
        promote.take_back(settings.workspace.models)
