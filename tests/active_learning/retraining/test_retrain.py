"""The quick loop: what is divided stays divided, new samples are learned, and the verdict follows."""

import json
import shutil
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from PIL import Image

from static_gesture_classification.active_learning.comparison import before_after as comparison_module
from static_gesture_classification.active_learning.retraining.frozen_split import (
    IN_TEST,
    SEEN,
    earlier_splits,
    freeze_split,
    reach,
)
from static_gesture_classification.active_learning.retraining.head import embed_once, folds, refit
from static_gesture_classification.active_learning.retraining.methods import refit_head, replay
from static_gesture_classification.active_learning.retraining.retrain import retrain
from static_gesture_classification.active_learning.retraining.settings import RetrainSettings
from static_gesture_classification.configuration import CONF
from static_gesture_classification.errors import UserError
from static_gesture_classification.evaluation.checkpoint_record import (
    SUBJECTS_FIELD,
    VERSION_FIELD,
    split_subjects,
)
from static_gesture_classification.evaluation.paired_comparison import Verdict
from static_gesture_classification.evaluation.predictions import read_predictions
from static_gesture_classification.preparation.split import SplitSettings, tie_rows
from static_gesture_classification.process_lock import ProcessLock
from static_gesture_classification.samples import read_samples, write_samples
from static_gesture_classification.sources.recorded import RecordedImage, Session, write_session
from static_gesture_classification.tracking.run_folder import RunFolder
from static_gesture_classification.training.checkpoint import (
    Classifier,
    Origin,
    build_network,
    load_classifier,
    plain_model,
    read_checkpoint,
    save,
)
from static_gesture_classification.training.last_layer import LastLayer
from tests.evaluation.conftest import composed
from tests.support.seeded_predictions import GESTURES, VOCABULARY, sample_table
from tests.support.stage_commands import LABELS, SUBJECTS, digests, inside, save_photographs
from tests.support.table_reads import table_reads

SETTINGS = SplitSettings(val=0.2, test=0.2, respect_official=True, seed=0)


def noise(count, seed=0):
    """Crops (count, 32, 32, 3) no two of which look alike."""
    blocks = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), np.uint8)
    return np.stack([np.asarray(Image.fromarray(block).resize((32, 32))) for block in blocks])


@pytest.fixture
def divided():
    """240 samples of 12 people, divided: four people in each split; and crops."""
    samples = sample_table([GESTURES[i % 10] for i in range(240)])
    subjects = samples["subject"].str.split().str[1].astype(int)
    splits = np.where(subjects < 4, "train", np.where(subjects < 8, "val", "test"))
    return samples.assign(split=""), pd.Series(splits, samples["sample_id"]), noise(240)


def new_samples(subject, count=6, split="", session="new"):
    """A recording of a person that nobody has divided yet."""
    samples = sample_table(["TWO"] * count).assign(subject=subject, session=session, split=split, source="hands")
    return samples.assign(
        sample_id=[f"f{i:023x}" for i in range(count)], image=[f"{session}/{i}.jpg" for i in range(count)]
    )


def joined(divided, more, crops=None, settings=SETTINGS):
    samples, earlier, pictures = divided
    together = pd.concat([samples, more], ignore_index=True)
    crops = noise(len(more), seed=1) if crops is None else crops
    return freeze_split(together, np.concatenate([pictures, crops]), earlier, settings, VOCABULARY)


@pytest.mark.parametrize(("subject", "split"), [("person 2", "train"), ("person 6", "val"), ("somebody new", "train")])
def test_a_new_sample_goes_where_its_person_is_and_new_people_are_trained_on(divided, subject, split):
    frozen = joined(divided, new_samples(subject))
    assert set(frozen.samples["split"][240:]) == {split}
    assert frozen.counts() == {split: 6}


def test_nobody_who_is_divided_moves(divided):
    frozen = joined(divided, new_samples("somebody new", split="val"))
    before = [divided[1][sample] for sample in divided[0]["sample_id"]]
    assert list(frozen.samples["split"][:240]) == before


def test_a_held_out_session_of_a_new_person_goes_to_val(divided):
    assert set(joined(divided, new_samples("somebody new", split="val")).samples["split"][240:]) == {"val"}


def test_new_samples_of_a_person_in_test_are_left_out_and_counted(divided):
    frozen = joined(divided, new_samples("person 10"))
    assert set(frozen.samples["split"][240:]) == {""}
    assert frozen.left_out == {IN_TEST: 6}


def test_a_session_that_shows_the_same_moment_as_a_val_sample_is_left_out_whole(divided):
    val = next(row for row, sample in enumerate(divided[0]["sample_id"]) if divided[1][sample] == "val")
    crops = noise(6, seed=1)
    crops[3] = divided[2][val]
    frozen = joined(divided, new_samples("somebody new"), crops)
    assert set(frozen.samples["split"][240:]) == {""}
    assert frozen.left_out == {SEEN: 6}


def test_where_only_sessions_are_kept_apart_a_person_of_val_can_be_trained_on(divided):
    settings = SplitSettings(val=0.2, test=0.2, respect_official=True, seed=0, group="session")
    assert set(joined(divided, new_samples("person 6"), settings=settings).samples["split"][240:]) == {"train"}


@pytest.mark.parametrize("seed", range(5))
def test_all_that_is_tied_to_new_samples_is_reached_and_little_else(seed):
    random = np.random.default_rng(seed)
    drawn = [random.integers(most, size=300) for most in (3, 120, 200, 250)]
    source, subject, session, image = drawn
    samples = pd.DataFrame(
        {
            "source": [f"source {number}" for number in source],
            "subject": [f"{number}" if number % 3 else f"source {number % 2}/{number}" for number in subject],
            "session": [f"{number}" for number in session],
            "root": "data",
            "image": [f"{number}.jpg" for number in image],
        },
        dtype=str,
    )
    samples.loc[random.random(300) < 0.3, "subject"] = ""
    samples.loc[random.random(300) < 0.3, "session"] = ""
    new = np.arange(300) == 7
    tied, reached = tie_rows(samples, "subject"), reach(samples, new)
    assert reached[tied == tied[7]].all()
    lonely = samples.assign(subject="somebody", session="theirs", image="own.jpg").iloc[:1]
    assert reach(pd.concat([samples, lonely], ignore_index=True), np.arange(301) == 300).sum() == 1


def test_without_an_earlier_split_everything_is_divided_by_the_split_stages_rules(divided):
    samples, _, crops = divided
    frozen = freeze_split(samples, crops, pd.Series(dtype=str), SETTINGS, VOCABULARY)
    assert frozen.divided_anew
    splits = frozen.samples.groupby("subject")["split"].nunique()
    assert splits.max() == 1
    assert set(frozen.samples["split"]) == {"train", "val", "test"}


def test_the_first_split_table_that_knows_a_sample_says_where_it_is(tmp_path):
    samples = sample_table(["TWO"] * 3)
    write_samples(samples[:2].assign(split="val"), tmp_path / "pipeline.parquet")
    write_samples(samples.assign(split="train"), tmp_path / "quick.parquet")
    tables = [tmp_path / "pipeline.parquet", tmp_path / "none.parquet", tmp_path / "quick.parquet"]
    assert earlier_splits(tables).tolist().count("val") == 2
    assert earlier_splits(tables)[samples["sample_id"][2]] == "train"


# ---- the last layer anew ---------------------------------------------------------------------------------------------


def crop_checkpoint(path, seed=0):
    """An untrained small crop model, as a checkpoint."""
    torch.manual_seed(seed)
    model = plain_model(composed("model=timm", "model.name=test_resnet").model)
    entries = Origin(model, VOCABULARY, 32, 0.15).header()
    network = build_network({**model, "weights": "none"}, len(VOCABULARY))
    save({**entries, "epoch": 0, "scores": None, "state_dict": network.state_dict()}, path)
    return path


@pytest.fixture
def start(tmp_path) -> Classifier:
    return load_classifier(crop_checkpoint(tmp_path / "start.ckpt"))


def layer_of(classifier) -> LastLayer:
    head = classifier.network.head
    return LastLayer(head.weight.detach().numpy(), head.bias.detach().numpy())


def test_embeddings_that_are_kept_are_not_computed_again(start, tmp_path):
    crops = noise(20)
    first = embed_once(start, "digest", crops, tmp_path / "kept")
    assert first.computed == 20
    probabilities, embeddings = start.predict(crops)
    np.testing.assert_allclose(first.embeddings, embeddings, rtol=2e-3, atol=1e-4)  # half precision
    np.testing.assert_allclose(first.probabilities, probabilities, atol=1e-6)
    again = embed_once(start, "digest", np.concatenate([noise(5, seed=2), crops]), tmp_path / "kept")
    assert again.computed == 5
    np.testing.assert_array_equal(again.embeddings[5:], first.embeddings)


def embedded(width, people, each=20, seed=0):
    """Embeddings that tell ten gestures apart, their targets and people; each person has an own way with them."""
    random = np.random.default_rng(seed)
    targets, subjects = np.arange(people * each) % 10, np.repeat(np.arange(people), each)
    centres, own = random.normal(size=(10, width)), random.normal(size=(people, width)) / 4
    noise = random.normal(size=(len(targets), width)) / 2
    return (centres[targets] + own[subjects] + noise).astype(np.float32), targets, subjects


def test_a_head_fitted_anew_learns_and_is_chosen_by_people_who_are_held_out(start):
    embeddings, targets, subjects = embedded(start.network.head.in_features, people=8)
    head = refit(layer_of(start), embeddings, targets, subjects, np.ones(160, bool), [0.1, 0.01, 0.001])
    assert head.strength is not None
    assert head.judges == 8
    assert head.weighted_f1 > 0.9


def test_a_head_that_others_gain_nothing_by_stays_as_it_was(start):
    random = np.random.default_rng(0)
    embeddings = random.normal(size=(200, start.network.head.in_features)).astype(np.float32)
    layer = layer_of(start)
    right = layer.scores(embeddings).argmax(1)
    subjects = np.arange(200) // 50
    wrong = np.where(subjects == 0, random.permutation(right), right)  # one is mislabelled, known, and does not judge
    head = refit(layer_of(start), embeddings, wrong, subjects, subjects > 0, [0.001])
    assert (head.strength, head.weighted_f1, head.judges) == (None, 1.0, 3)
    np.testing.assert_array_equal(head.layer.weights, layer.weights)


def test_nobody_is_learned_from_while_being_judged(start):
    _, targets, subjects = embedded(start.network.head.in_features, people=6)
    judging = np.flatnonzero(subjects > 1)
    held_out = list(folds(targets, subjects, judging))
    assert sorted(np.concatenate(held_out).tolist()) == judging.tolist()
    for rows in held_out:
        assert not set(subjects[rows]) & set(np.delete(subjects, rows))


def test_where_nobody_can_be_held_out_the_strongest_hold_is_taken_and_it_is_said(start):
    embeddings, targets, subjects = embedded(start.network.head.in_features, people=1)
    head = refit(layer_of(start), embeddings, targets, subjects, np.ones(20, bool), [0.001, 0.1])
    assert head.strength == 0.1
    assert head.choice("people") == "with strength 0.1, the strongest: train has no two people to choose by"


def test_samples_that_are_replayed_show_the_gestures_alike():
    gestures = np.array(["ONE"] * 90 + ["TWO"] * 30 + ["FIST"] * 5, object)
    rows = replay(gestures, np.ones(125, bool), 25, seed=0)
    counts = pd.Series(gestures[rows]).value_counts()
    assert counts.to_dict() == {"ONE": 10, "TWO": 10, "FIST": 5}
    assert len(set(rows.tolist())) == 25


# ---- its settings ----------------------------------------------------------------------------------------------------


def test_every_stage_works_in_the_quick_loops_folders_and_none_in_the_pipelines():
    settings = RetrainSettings.from_config(composed("model=landmarks"))
    quick, contenders = settings.workspace, settings.compare.contenders
    assert settings.training.workspace == quick
    assert settings.training.configuration["paths"]["crops"] == quick.crops.as_posix()
    assert (settings.compare.samples, settings.compare.output) == (quick.split_table, quick.reports / "compare")
    assert (contenders.runs, contenders.crops, contenders.landmarks) == (quick.runs, quick.crops, quick.landmarks)
    assert not set(quick.model_dump().values()) & set(settings.pipeline.model_dump().values())


def test_a_crop_model_is_gone_on_with_at_its_own_geometry_and_learning_rate(tmp_path):
    start = crop_checkpoint(tmp_path / "start.ckpt")
    choices = ("retrain.method=finetune", f"retrain.start={start}", "train_hyperparams=finetune")
    settings = RetrainSettings.from_config(composed(*choices, "crops.size=64", "retrain.finetune.lr=0.0002"))
    training = settings.training
    assert (settings.crops.size, training.crop_size, training.configuration["crops"]["size"]) == (32, 32, 32)
    assert (training.model["name"], training.model["weights"]) == ("test_resnet", str(start))
    assert (training.optimizer["lr"], training.hyperparameters.epochs) == (0.0002, 2)


@pytest.mark.parametrize(
    ("given", "model", "lr"),
    [
        ([], "landmarks", 0.01),
        (["train_hyperparams=quick"], "landmarks", 0.003),
        (["retrain.method=crops"], "resnet18", 0.003),
        (["retrain.method=crops", "model=mobilenet_v2"], "mobilenet_v2", 0.003),
    ],
)
def test_the_method_chooses_what_the_command_line_does_not(given, model, lr):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        HydraConfig.instance().set_config(compose("config", given, return_hydra_config=True))
        try:
            training = RetrainSettings.from_config(compose("config", given)).training
        finally:
            HydraConfig.instance().cfg = None
    assert (training.model["name"], training.optimizer["lr"]) == (model, lr)


# ---- the whole loop --------------------------------------------------------------------------------------------------

QUICK = (
    "sources=[hagrid,recorded]", "sources.hagrid.root=photos", "crops.size=32", "trainer.threads=1",
    "train_hyperparams.epochs=2", "train_hyperparams.batch_size=32", "compare.resamples=50",
)  # fmt: skip
SHAPES = np.random.default_rng(5).uniform(0.25, 0.75, (len(LABELS), 21, 2))  # of each gesture's landmarks


def landmarks_of(label, seed):
    """Landmarks of a gesture, a little different each time."""
    return (SHAPES[LABELS.index(label)] + np.random.default_rng(seed).normal(0, 0.01, (21, 2))).clip(0, 1).tolist()


def write_photographs(root):
    """Pictures of people in HaGRID's layout, with landmarks."""
    save_photographs(root)
    for path in sorted(root.glob("annotations/*/*.json")):
        entries = json.loads(path.read_text())
        for seed, entry in enumerate(entries.values()):
            entry["hand_landmarks"] = [landmarks_of(path.stem, seed)]
        path.write_text(json.dumps(entries))


def write_recording(folder, gesture, label, count=6, split=""):
    """A recorded session with landmarks."""
    folder.mkdir(parents=True)
    images = []
    for number, picture in enumerate(noise(count, seed=9)):
        Image.fromarray(picture).resize((64, 64)).save(folder / f"{number}.png")
        points = tuple((x, y) for x, y in landmarks_of(label, 100 + number))
        images.append(RecordedImage(f"{number}.png", (0.2, 0.2, 0.8, 0.8), "right", None, points))
    write_session(folder, Session(gesture, subject="zoe", split=split, images=tuple(images)))


def quick(*overrides):
    """Run the quick loop in the current folder; returns its summary."""
    retrain(RetrainSettings.from_config(composed(*QUICK, *overrides)))
    return json.loads(Path("reports/quick/retrain.json").read_text())


@pytest.fixture(scope="module")
def first_round(tmp_path_factory):
    """A project's folder after a first quick retrain, and what that read of sample tables."""
    folder = tmp_path_factory.mktemp("project")
    with inside(folder), table_reads() as reads:
        write_photographs(Path("photos"))
        quick("model=landmarks")
    return folder, reads


@pytest.fixture(scope="module")
def after_one_round(first_round):
    """The folder alone."""
    return first_round[0]


@pytest.fixture
def project_folder(after_one_round, tmp_path):
    """A copy of it to work in."""
    shutil.copytree(after_one_round, tmp_path / "copy")
    with inside(tmp_path / "copy"):
        yield tmp_path / "copy"


def test_the_first_round_leaves_a_model_predictions_and_a_confusion_matrix(after_one_round):
    with inside(after_one_round):
        summary = json.loads(Path("reports/quick/retrain.json").read_text())
        assert summary["verdict"] is None
        assert set(summary["seconds"]) == {"index", "crops", "split", "landmarks", "train", "evaluate", "compare"}
        assert Path("models/quick/best.ckpt").read_bytes() == Path("models/quick/trained.ckpt").read_bytes()
        assert read_checkpoint(Path("models/quick/best.ckpt"))["model"]["input"] == "landmarks"
        for name in ("predictions/val.parquet", "confusion_matrix.png"):
            assert Path("reports/quick", name).is_file()
        assert [path.name for path in Path("reports/quick/predictions").glob("*.parquet")] == ["val.parquet"]
        assert not {path.name for path in Path("data").iterdir()} & {"index", "crops", "splits", "landmarks"}


def test_a_round_keeps_with_its_run_what_a_comparison_of_runs_needs(after_one_round):
    (run,) = (RunFolder.open(path.parent) for path in after_one_round.glob("runs/quick/*/run.json"))
    samples = read_samples(after_one_round / "data/quick/splits/samples.parquet")
    record = json.loads((after_one_round / "models/quick/best.json").read_text())
    assert run.values()[VERSION_FIELD] == record["data_version"]
    assert run.file(SUBJECTS_FIELD).read_text().split() == sorted(split_subjects(samples, "train"))


def test_a_round_reads_no_whole_sample_table_twice(first_round):
    reads = first_round[1]
    assert +reads.whole == Counter(index=1, crops=1, landmarks=1)
    assert reads.opened["index"] == 1


def test_a_recording_joins_train_and_is_compared_on_the_val_of_before(project_folder, capsys):
    before = read_samples(Path("data/quick/splits/samples.parquet")).set_index("sample_id")["split"]
    write_recording(Path("data/recorded/zoe"), "TWO", "peace")
    summary = quick("model=landmarks")
    after = read_samples(Path("data/quick/splits/samples.parquet")).set_index("sample_id")["split"]
    assert after[before.index].equals(before)
    assert (after.drop(before.index) == "train").all()
    assert summary["new_samples"] == 6
    assert summary["verdict"]["promote"] in (True, False)
    compared = json.loads(Path("reports/quick/compare/comparison.json").read_text())
    assert compared["splits"]["val"]["samples"] == int((before == "val").sum())
    printed = capsys.readouterr().out
    assert "verdict" in printed
    assert "0 BACKGROUND" in printed


def test_a_held_out_recording_joins_val(project_folder):
    write_recording(Path("data/recorded/zoe"), "TWO", "peace", split="val")
    quick("model=landmarks")
    samples = read_samples(Path("data/quick/splits/samples.parquet"))
    assert set(samples.loc[samples["source"] == "recorded", "split"]) == {"val"}


def test_what_is_not_preferred_leaves_the_best_one(project_folder):
    best = Path("models/quick/best.ckpt").read_bytes()
    summary = quick("model=landmarks", "seed=3", "train_hyperparams.lr=0.0000001")
    assert summary["verdict"]["promote"] is False
    assert Path("models/quick/best.ckpt").read_bytes() == best != Path("models/quick/trained.ckpt").read_bytes()


@contextmanager
def pipeline_results():
    """What the pipeline leaves: crops, splits and a crop checkpoint that was trained on its people of train."""
    for name in ("crops", "splits"):
        shutil.copytree(Path("data/quick", name), Path("data", name))
    Path("models").mkdir(exist_ok=True)
    crop_checkpoint(Path("models/best.ckpt"))
    before = digests(Path("data/crops"), Path("data/splits"))
    yield
    assert digests(Path("data/crops"), Path("data/splits")) == before


def test_the_head_of_the_best_crop_model_is_fitted_anew_and_what_the_pipeline_made_is_untouched(project_folder):
    with pipeline_results():
        shutil.rmtree("data/quick/crops")
        write_recording(Path("data/recorded/zoe"), "TWO", "peace")
        summary = quick("retrain.method=head")
    assert summary["method"] == "head"
    old, new = (read_checkpoint(Path(name)) for name in ("models/best.ckpt", "models/quick/trained.ckpt"))
    same = {name: bool(torch.equal(old["state_dict"][name], new["state_dict"][name])) for name in old["state_dict"]}
    assert all(same[name] for name in same if not name.startswith("head."))
    written = read_predictions(Path("reports/quick/predictions/val.parquet"))
    samples = read_samples(Path("data/quick/splits/samples.parquet"))
    rows = np.flatnonzero(samples["split"] == "val")
    looked = load_classifier(Path("models/quick/trained.ckpt")).predict(np.load("data/quick/crops/crops.npy")[rows])
    np.testing.assert_allclose(written.probabilities, looked[0], atol=0.01)  # embeddings are kept in half precision
    assert Path("data/crops/crops.npy").stat().st_ino != Path("data/quick/crops/crops.npy").stat().st_ino


def test_labels_of_val_do_not_change_the_head_that_is_fitted(project_folder):
    with pipeline_results():
        write_recording(Path("data/recorded/zoe"), "TWO", "peace")
        quick("retrain.method=head")
        settings = RetrainSettings.from_config(composed(*QUICK, "retrain.method=head"))
        table = settings.workspace.split_table
        before = read_checkpoint(Path("models/quick/trained.ckpt"))["state_dict"]
        samples = read_samples(table)
        val = samples["split"] == "val"
        samples.loc[val, "gesture"] = np.random.default_rng(0).permutation(samples.loc[val, "gesture"])
        write_samples(samples, table)
        refit_head(settings)
    after = read_checkpoint(Path("models/quick/trained.ckpt"))["state_dict"]
    assert all(torch.equal(before[name], after[name]) for name in before)


def poisoned_test_split():
    """Pictures and landmarks of the people in test are noise from now on, and their labels are other gestures."""
    random = np.random.default_rng(3)
    for name in SUBJECTS["test"]:
        for path in Path("photos").glob(f"*/{name}-*.jpg"):
            Image.fromarray(random.integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    for path in Path("photos/annotations/test").glob("*.json"):
        entries = json.loads(path.read_text())
        for entry in entries.values():
            entry["hand_landmarks"] = [(0.2 + 0.6 * random.random((21, 2))).tolist()]  # within the box
        path.write_text(json.dumps(entries))
    samples = read_samples(Path("data/quick/splits/samples.parquet"))
    test = samples[samples["split"] == "test"]
    fixes = [
        f"{row.sample_id},{row.gesture},{GESTURES[(GESTURES.index(row.gesture) + 3) % 10]},x,2026-01-01,x"
        for row in test.itertuples()
    ]
    Path("data/label_fixes.csv").write_text("\n".join(["sample,from,to,who,when,why", *fixes]) + "\n")
    return set(test["sample_id"])


METHODS_THAT_READ = (
    ("model=landmarks",),
    ("retrain.method=head",),
    pytest.param(
        (
            "retrain.method=finetune",
            "retrain.finetune.epochs=1",
            "train_hyperparams=finetune",
            "trainer.precision=32-true",
        ),
        marks=pytest.mark.full,
    ),
)


@pytest.mark.parametrize("choices", METHODS_THAT_READ, ids=["landmarks", "head", "finetune"])
def test_a_quick_round_does_not_depend_on_the_test_split(project_folder, tmp_path, choices):
    write_recording(Path("data/recorded/zoe"), "TWO", "peace")
    with pipeline_results():
        shutil.copytree(project_folder, tmp_path / "poisoned")
        quick(*choices)
    with inside(tmp_path / "poisoned"):
        poisoned = poisoned_test_split()
        quick(*choices)
        samples = read_samples(Path("data/quick/splits/samples.parquet"))
    results = [
        (
            read_checkpoint(folder / "models/quick/trained.ckpt")["state_dict"],
            (folder / "reports/quick/compare/comparison.json").read_text(),
            read_predictions(folder / "reports/quick/predictions/val.parquet").table,
        )
        for folder in (project_folder, tmp_path / "poisoned")
    ]
    assert set(samples.loc[samples["split"] == "test", "sample_id"]) == poisoned
    assert all(torch.equal(results[0][0][name], results[1][0][name]) for name in results[0][0])
    assert json.loads(results[0][1])["splits"] == json.loads(results[1][1])["splits"]
    assert results[0][2].equals(results[1][2])


def test_a_model_of_other_gestures_takes_the_best_ones_place_only_when_told_to(project_folder, capsys):
    best = Path("models/quick/best.ckpt").read_bytes()
    fewer = f"gestures.names=[{','.join(GESTURES[:-1])}]"
    summary = quick("model=landmarks", fewer, "sources.hagrid.labels.fist=ignore")
    assert summary["verdict"]["undecided"]
    assert "tells FIST apart" in summary["verdict"]["reason"]
    assert Path("models/quick/best.ckpt").read_bytes() == best != Path("models/quick/trained.ckpt").read_bytes()
    assert "repeat the command with force=true" in capsys.readouterr().out
    assert quick("model=landmarks", fewer, "sources.hagrid.labels.fist=ignore", "retrain.force=true")["verdict"][
        "promote"
    ]
    assert Path("models/quick/best.ckpt").read_bytes() == Path("models/quick/trained.ckpt").read_bytes()


def test_a_best_one_that_knows_all_of_val_is_not_replaced_unasked(project_folder, capsys):
    samples = read_samples(Path("data/quick/splits/samples.parquet"))
    record = json.loads(Path("models/quick/best.json").read_text())
    everyone = " ".join(split_subjects(samples.assign(split="train"), "train"))
    Path("models/quick/best.json").write_text(json.dumps(record | {"people_trained_on": everyone}))
    best = Path("models/quick/best.ckpt").read_bytes()
    summary = quick("model=landmarks", "seed=3")
    assert summary["verdict"]["undecided"]
    assert Path("models/quick/best.ckpt").read_bytes() == best
    assert "of people one was trained on" in " ".join(capsys.readouterr().out.split())


def test_a_head_that_betters_its_start_but_not_the_best_one_does_not_take_its_place(
    project_folder, monkeypatch, capsys
):
    best = Path("models/quick/best.ckpt").read_bytes()  # of landmarks, and right about nearly all of val
    with pipeline_results():
        better = Verdict(True, "better than its start")
        verdicts = iter([better])
        judge = comparison_module.verdict
        monkeypatch.setattr(comparison_module, "verdict", lambda *about: next(verdicts, None) or judge(*about))
        summary = quick("retrain.method=head")
    assert "against models/quick/best.ckpt: weighted F1 on val" in " ".join(capsys.readouterr().out.split())
    assert not summary["verdict"]["promote"]
    assert Path("models/quick/best.ckpt").read_bytes() == best


def test_finetuning_trains_on_what_is_new_and_replays_some_of_what_is_known(project_folder):
    with pipeline_results():
        write_recording(Path("data/recorded/zoe"), "TWO", "peace")
        choices = ("retrain.method=finetune", "retrain.finetune.replayed=20", "retrain.finetune.epochs=1")
        quick(*choices, "train_hyperparams=finetune", "train_hyperparams.batch_size=8", "trainer.precision=32-true")
    trained_on = read_samples(Path("data/quick/splits/finetune/samples.parquet"))
    train = trained_on[trained_on["split"] == "train"]
    assert (len(train), (train["source"] == "recorded").sum()) == (26, 6)
    assert train["gesture"].nunique() == 10


def test_a_crop_model_is_trained_in_full_on_everything_that_is_divided(project_folder):
    shutil.rmtree("models/quick")
    small = ("model=timm", "model.name=test_resnet", "model.weights=none", "trainer.precision=32-true")
    summary = quick("retrain.method=crops", *small)
    assert (summary["method"], summary["verdict"]) == ("crops", None)
    assert read_checkpoint(Path("models/quick/best.ckpt"))["crop"] == {"size": 32, "margin": 0.15}
    assert "landmarks" not in summary["seconds"]


def test_crops_of_the_pipeline_are_taken_over_without_decoding(project_folder, capsys):
    with pipeline_results():
        shutil.rmtree("data/quick/crops")
        quick("model=landmarks")
    assert "0 images decoded" in " ".join(capsys.readouterr().out.split())


@pytest.mark.concurrent
def test_two_retrains_at_once_are_told_apart(project_folder):
    lock = ProcessLock(Path("models/quick/.lock"))
    assert lock.acquire()
    with pytest.raises(UserError, match="another retrain is at work"):
        quick("model=landmarks")
    lock.release()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["retrain.method=magic"], "retrain.method is 'magic'; it must be 'landmarks', 'crops', 'head' or 'finetune'"),
        (["retrain.method=crops", "model=landmarks"], "retrain.method=crops does not train model=landmarks"),
        (["retrain.method=landmarks", "model=resnet18"], "retrain.method=landmarks does not train model=resnet18"),
        (["retrain.method=head"], "no checkpoint at models/best.ckpt"),
        (["retrain.method=head", "retrain.start=models/quick/best.ckpt"], "goes on from a crop model"),
    ],
)
def test_what_cannot_be_retrained_is_said(project_folder, overrides, message):
    with pytest.raises(UserError, match=message):
        quick(*overrides)
