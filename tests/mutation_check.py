"""Break what matters, one thing at a time, and see whether a test notices.

    python tests/mutation_check.py            # all of them, about five minutes on two cores that do nothing else
    python tests/mutation_check.py guard crop # those whose description holds one of these words
    python tests/mutation_check.py --list     # what there is
    python tests/mutation_check.py --record   # those that benchmarks/results/mutations.md does not have yet, into it


Each mutation replaces exact text in a temporary copy of this checkout and runs the tests that must fail then. The same
tests are run on the copy as it is first: a test that fails anyway proves nothing. The table says which test noticed;
the exit code is not 0 where one did not, or where the text that a mutation replaces is no longer there. With --record
each result is written down at once, and a check that was stopped goes on where it was; delete the file to begin anew.
`tests/test_mutation_check.py` looks for those texts in every run of the tests, which takes no time.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table

PROJECT = Path(__file__).resolve().parent.parent
PACKAGE = "static_gesture_classification"
RECORD = "--record"
RESULTS = PROJECT / "benchmarks" / "results" / "mutations.md"
LONGEST = 1200  # seconds that the tests of one mutation may take, on a busy machine too; whoever hangs is noticed
LIBRARIES = (
    "torch",
    "torch._dynamo",
    "pandas",
    "pyarrow.parquet",
    "sklearn.linear_model",
    "scipy.optimize",
    "hydra",
    "cv2",
)
_PROCESSES = multiprocessing.get_context(
    "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else None
)
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Change:
    """Text of a file, which occurs in it once, and what takes its place. `file` is relative to the package."""

    file: str
    old: str
    new: str

    @property
    def path(self) -> str:
        """Relative to the checkout."""
        return f"{PACKAGE}/{self.file}"

    def applied(self, text: str) -> str:
        """The text with the change. Raises `LookupError` where the old text is not there exactly once."""
        if text.count(self.old) != 1:
            raise LookupError(f"{self.path} has {text.count(self.old)} times {self.old.strip()!r}; adapt the mutation")
        return text.replace(self.old, self.new)


@dataclass(frozen=True)
class Mutation:
    """A behaviour that is broken, by which changes, and the tests that must notice: pytest's arguments."""

    behaviour: str
    changes: tuple[Change, ...]
    tests: tuple[str, ...]


def one(behaviour: str, file: str, old: str, new: str, *tests: str) -> Mutation:
    """A mutation of one place."""
    return Mutation(behaviour, (Change(file, old, new),), tests)


MUTATIONS = (
    # What comes out of a file is data.
    one(
        "a pickle in a checkpoint is not run",
        "training/checkpoint.py",
        'torch.load(path, map_location="cpu", weights_only=True)',
        'torch.load(path, map_location="cpu", weights_only=False)',
        "tests/training/test_checkpoint_is_data.py::test_pickle_in_a_checkpoint_is_not_run",
    ),
    one(
        "a pickle in a checkpoint is not run when training goes on",
        "training/callbacks.py",
        'map_location=map_location or "cpu", weights_only=True',
        'map_location=map_location or "cpu", weights_only=False',
        "tests/training/test_checkpoint_is_data.py::test_pickle_in_a_checkpoint_is_not_run",
    ),
    one(
        "a backbone is looked up among ours, not imported",
        "training/backbones.py",
        "found = _own_factory(module) if name == _FACTORY and module in _modules() else None",
        "found = _own_factory(module) if name == _FACTORY else None",
        "tests/training/test_checkpoint_is_data.py::test_module_that_a_checkpoint_names_is_not_even_imported",
    ),
    one(
        "what a backbone's file imports is no backbone",
        "training/backbones.py",
        "return found if inspect.isfunction(found) and found.__module__ == module else None",
        "return found",
        "tests/training/test_checkpoint_is_data.py::test_name_that_a_file_only_imports_is_no_backbone",
    ),
    one(
        "what a checkpoint says is checked before it is used",
        "training/checkpoint.py",
        "    check_entries(checkpoint, path)\n",
        "",
        "tests/training/test_checkpoint_is_data.py",
    ),
    one(
        "a session's pictures lie in its folder",
        "sources/recorded.py",
        "    file: PlainName\n",
        "    file: str\n",
        "tests/test_file_data.py::test_session_that_names_a_picture_elsewhere_is_refused",
    ),
    one(
        "a plan's examples lie in their source",
        "active_learning/planning/plan_file.py",
        "    image: PathInside\n",
        "    image: str\n",
        "tests/test_file_data.py::test_plan_whose_example_lies_elsewhere_is_refused",
    ),
    one(
        "JSON may begin with a byte-order mark",
        "file_data.py",
        'codecs.BOM_UTF8: "utf-8-sig"',
        'codecs.BOM_UTF8: "utf-8"',
        "tests/test_file_data.py",
    ),
    # Pictures as they are.
    Mutation(
        "a live camera's colours, though the window, wrong likewise, shows them right",
        (
            Change("recording/capture/camera.py", "return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)", "return pixels"),
            Change(
                "recording/window/window.py",
                'canvas.pixels.shape[1::-1], "RGB"',
                'canvas.pixels.shape[1::-1], "BGR"',
            ),
        ),
        ("tests/recording/capture/test_camera.py",),
    ),
    one(
        "the window's colours",
        "recording/window/window.py",
        'canvas.pixels.shape[1::-1], "RGB"',
        'canvas.pixels.shape[1::-1], "BGR"',
        "tests/recording/window/test_window.py",
    ),
    one(
        "a video's colours",
        "inference/frames.py",
        "yield Frame(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), name, index, time)",
        "yield Frame(pixels, name, index, time)",
        "tests/inference/test_frames.py::test_video_gives_its_frames_in_rgb_with_number_and_time",
    ),
    one(
        "a saved picture's colours",
        "preparation/hand_pictures.py",
        'quality=quality, colorspace="RGB"',
        'quality=quality, colorspace="BGR"',
        "tests/recording/test_session_writer.py",
    ),
    one(
        "a photograph's orientation",
        "images.py",
        "    return _turn_upright(stored, header.orientation)\n",
        "    return stored\n",
        "tests/test_images.py::test_exif_orientation_turns_the_picture_upright",
    ),
    one(
        "what is transparent lies on white",
        "images.py",
        "    white.paste(with_alpha, mask=alpha)\n",
        "    white.paste(with_alpha)\n",
        "tests/test_images.py::test_what_is_transparent_lies_on_white",
    ),
    one(
        "boxes in pixels are of the upright picture",
        "sources/image_size.py",
        "    return header.width, header.height\n",
        "    turned = header.orientation > 4\n"
        "    return (header.height, header.width) if turned else (header.width, header.height)\n",
        "tests/sources/test_upright_boxes.py",
    ),
    one(
        "a crop beyond the border repeats it",
        "preparation/geometry.py",
        'mode="edge"',
        'mode="constant"',
        "tests/preparation/test_geometry.py",
    ),
    # Training and inference see the same.
    one(
        "a crop's margin at inference",
        "training/inputs.py",
        "crop_square(image, hand.box, crop_size, crop_margin)",
        "crop_square(image, hand.box, crop_size, 0.0)",
        "tests/inference/test_predictor.py::test_crops_are_those_of_the_crops_stage",
    ),
    one(
        "an image's aspect in landmarks",
        "hand_points.py",
        "    points[..., 0] *= np.reshape(np.asarray(aspects, np.float32), (-1, 1))\n",
        "",
        "tests/preparation/test_landmarks.py::test_points_are_in_units_of_the_images_height",
    ),
    one(
        "left hands and right ones look alike to the landmark network",
        "training/models/landmark_features.py",
        "direction = torch.where(winding < 0, -1.0, 1.0)",
        "direction = torch.ones_like(winding)",
        "tests/training/test_landmark_features.py::test_left_and_right_hands_give_the_same_features",
    ),
    one(
        "mirroring of crops",
        "training/augmentation.py",
        "{(0, 0): scale * mirrored, (1, 1): scale}",
        "{(0, 0): scale, (1, 1): scale * mirrored}",
        "tests/training/test_augmentation.py",
    ),
    one(
        "pixels are normalised",
        "training/models/network.py",
        "return self.backbone((inputs - self.mean) / self.std)",
        "return self.backbone(inputs / 255)",
        "tests/training/test_models.py::test_pixels_are_normalised_inside_the_network",
    ),
    one(
        "the classes are in the checkpoint's order",
        "training/checkpoint.py",
        'vocabulary, crop = Vocabulary.from_mapping(checkpoint["gestures"]), checkpoint["crop"]',
        'vocabulary, crop = Vocabulary(tuple(sorted(checkpoint["gestures"]["names"]))), checkpoint["crop"]',
        "tests/training/test_checkpoint.py",
    ),
    # Nobody in two splits.
    one(
        "a person is in one split",
        "preparation/split.py",
        'keys = ["session"] if group == "session" else ["subject", "session"]',
        'keys = ["session"]',
        "tests/preparation/test_split.py::test_people_and_sessions_never_part_and_every_gesture_has_its_share",
    ),
    one(
        "near-duplicates stay in one split",
        "preparation/split.py",
        "units = _components(len(samples), [subjects], links)",
        "units = _components(len(samples), [subjects])",
        "tests/preparation/test_split.py::test_near_duplicates_of_two_people_tie_them_together",
        "tests/preparation/test_split.py::test_own_recording_with_a_near_duplicate_in_official_test_joins_test",
    ),
    one(
        "published splits are kept",
        "preparation/split.py",
        "split_numbers(samples) if settings.respect_official else",
        "split_numbers(samples) if False else",
        "tests/preparation/test_split.py::test_official_splits_are_kept",
    ),
    one(
        "labels are judged by what was learned from other people",
        "active_learning/labels/cross_validation.py",
        "split.split(values, own, subjects[rows])",
        "split.split(values, own, np.arange(len(rows)))",
        "tests/active_learning/labels/test_find_issues.py"
        "::test_what_is_known_of_a_person_is_not_learned_from_their_other_samples",
    ),
    one(
        "training leaves the test split alone",
        "training/datamodule.py",
        'self.samples["split"].isin(splits)',
        'self.samples["split"].replace("test", "train").isin(splits)',
        "tests/training/test_datamodule.py",
    ),
    one(
        "scores are of weights that have not learned val",
        "training/checkpoint.py",
        "classifier_of(entries_for_use(entries) if for_use else entries, path, device)",
        "classifier_of(entries_for_use(entries), path, device)",
        "tests/training/test_for_use.py",
    ),
    one(
        "the weights for use learn val and test",
        "training/datamodule.py",
        'np.union1d(self.rows["train"], self._rows_of(splits))',
        'self.rows["train"]',
        "tests/training/test_for_use.py",
    ),
    one(
        "no plan follows errors on test",
        "active_learning/diagnosis/confusions.py",
        'of_test = int((predictions.column("split") == "test").sum())',
        "of_test = 0",
        "tests/active_learning/planning/test_plan.py::test_predictions_on_test_are_refused",
    ),
    one(
        "a share of recorded people is held out",
        "active_learning/admission.py",
        "    if share > 0 and held + 1 <= share * (total + 1) + SHARE_ROUNDING:\n",
        "    if False:\n",
        "tests/active_learning/test_admission.py::test_every_fifth_new_person_is_held_out_and_the_first_are_not",
    ),
    one(
        "who is recorded again stays on their side",
        "active_learning/admission.py",
        "    if own:\n        return _split_of_known(who, own, whole)\n",
        "",
        "tests/active_learning/test_admission.py::test_person_stays_on_their_side",
    ),
    # Files that survive, and caches that do not lie.
    one(
        "a file is written whole or not at all",
        "atomic_files.py",
        "    partial = partial_path(path)\n",
        "    partial = path\n",
        "tests/test_atomic_files.py",
    ),
    one(
        "crops of another size are other crops",
        "preparation/crops.py",
        r'made = f"\0{settings.size}\0{settings.margin!r}\0{cutting_code()}\0{PIXELS_VERSION}"',
        r'made = f"\0{settings.margin!r}\0{cutting_code()}\0{PIXELS_VERSION}"',
        "tests/preparation/test_crops.py::test_killed_run_is_not_continued_at_another_size",
    ),
    one(
        "crops of another margin are other crops",
        "preparation/crops.py",
        r'made = f"\0{settings.size}\0{settings.margin!r}\0{cutting_code()}\0{PIXELS_VERSION}"',
        r'made = f"\0{settings.size}\0{cutting_code()}\0{PIXELS_VERSION}"',
        "tests/preparation/test_crops.py::test_other_size_margin_or_box_makes_other_crops",
    ),
    one(
        "landmarks of other detector settings are other landmarks",
        "preparation/looking.py",
        'made = f"{detector_of(detector.model_dump_json()).identity()}{looking_code()}{PIXELS_VERSION}"',
        'made = f"{looking_code()}{PIXELS_VERSION}"',
        "tests/preparation/test_landmarks.py::test_only_new_boxes_images_and_detector_settings_are_looked_at",
    ),
    # Training.
    one(
        "focal loss's gamma",
        "training/losses.py",
        ".clamp_min(_LEAST) ** self.gamma * entropy",
        ".clamp_min(_LEAST) * entropy",
        "tests/training/test_losses.py",
    ),
    one(
        "the best epoch is the one of the highest weighted F1",
        "training/callbacks.py",
        "key=lambda entry: (-entry[0], entry[1])",
        "key=lambda entry: (entry[0], entry[1])",
        "tests/training/test_training.py::test_a_training_learns_and_leaves_what_later_stages_read",
    ),
    one(
        "more devices than there are are refused",
        "training/hardware.py",
        'if count == 0 or (accelerator != "cpu" and count > there):',
        "if count == 0:",
        "tests/training/test_hardware.py",
    ),
    # Scores, and what follows from them.
    one(
        "a confusion's direction",
        "evaluation/metrics.py",
        "np.bincount(truths * classes + predictions, minlength=classes * classes)",
        "np.bincount(predictions * classes + truths, minlength=classes * classes)",
        "tests/evaluation/test_metrics.py",
        "tests/active_learning/diagnosis/test_confusions.py::test_directions_of_a_pair_are_apart",
    ),
    one(
        "intervals resample people",
        "evaluation/resampling_units.py",
        "    members, names = pd.factorize(group_of(frame.assign(image=each)))\n",
        "    members, names = pd.factorize(each)\n",
        "tests/evaluation/test_paired_comparison.py",
        "tests/evaluation/test_resampling_units.py",
    ),
    one(
        "the promotion guard refuses who loses a gesture",
        "evaluation/paired_comparison.py",
        "    if len(change.harmed):\n",
        "    if False:\n",
        "tests/evaluation/test_promote.py::test_a_candidate_that_loses_a_gesture_is_refused_though_its_score_is_higher",
    ),
    one(
        "the promotion guard's measure of a loss",
        "evaluation/paired_comparison.py",
        '-gestures["difference"] > settings.max_gesture_loss',
        '-gestures["difference"] > 1',
        "tests/evaluation/test_paired_comparison.py::test_a_gesture_that_is_lost_on_many_people_is_harmed",
    ),
    one(
        "a worse candidate is not promoted",
        "evaluation/paired_comparison.py",
        "    if not change.difference > 0:\n",
        "    if False:\n",
        "tests/evaluation/test_paired_comparison.py::test_one_that_errs_more_is_not_preferred_though_no_gesture_is_harmed",
    ),
    one(
        "a gesture that few people show is not lost unseen",
        "evaluation/paired_comparison.py",
        'gestures["few"] = 0.5 ** gestures["people"] >= allowed',
        'gestures["few"] = gestures["people"] < 0',
        "tests/evaluation/test_paired_comparison.py",
    ),
    one(
        "two that cannot be compared are not promoted unasked",
        "evaluation/promote.py",
        'return PromotionDecision(False, f"they cannot be compared: {why}", undecided=True)',
        'return PromotionDecision(True, f"they cannot be compared: {why}")',
        "tests/evaluation/test_promote.py",
    ),
    one(
        "the code that trains is part of a run",
        "training/identity.py",
        "own = [folder for folder in there if code_of(folder) == identity.code]",
        "own = there",
        "tests/training/test_training.py::test_a_run_that_other_code_began_is_neither_gone_on_with_nor_exported",
    ),
    one(
        "a mined hand is of the person it was mined from",
        "samples.py",
        'return subject if not subject or "/" in subject else f"{source}/{subject}"',
        'return f"{source}/{subject}" if subject else ""',
        "tests/sources/test_recorded.py::test_a_mined_hand_is_of_the_person_that_it_was_mined_from",
    ),
    Mutation(
        "compare pairs what both said about the same sample",
        (
            Change(
                "evaluation/contenders.py",
                "usable.take(pa.array(at[at >= 0]))",
                "usable.take(pa.array(np.sort(at[at >= 0])))",
            ),
            Change(
                "active_learning/comparison/before_after.py",
                "    table = predictions.table.take(pa.array(at))\n",
                "    table = predictions.table.take(pa.array(np.sort(at)))\n",
            ),
        ),
        ("tests/active_learning/comparison/test_compare.py::test_tables_in_another_order_are_paired_by_sample",),
    ),
    one(
        "people who were trained on do not count in a comparison",
        "evaluation/promote.py",
        "unseen = ~subject_digests(samples).isin(known).to_numpy()",
        "unseen = np.ones(len(samples), bool)",
        "tests/evaluation/test_promote.py"
        "::test_people_whom_the_best_one_was_trained_on_do_not_count_when_data_has_changed",
    ),
    one(
        "the plan begins with what costs most",
        "active_learning/diagnosis/pairs.py",
        "    errors.sort(key=_worst_first)\n",
        "    errors.sort(key=lambda error: error.gesture, reverse=True)\n",
        "tests/active_learning/planning/test_plan.py",
        "tests/active_learning/diagnosis/test_confusions.py",
    ),
    one(
        "what the model is unsure of is admitted",
        "active_learning/admission.py",
        "np.where(margin < settings.margin, UNSURE, EASY)",
        "np.where(margin > settings.margin, UNSURE, EASY)",
        "tests/active_learning/test_admission.py::test_errors_and_doubts_join_and_what_is_known_does_not",
    ),
    one(
        "a label that somebody corrected",
        "preparation/label_fixes.py",
        "        gestures[row] = fix.to\n",
        "",
        "tests/preparation/test_label_fixes.py",
    ),
    one(
        "too many bad entries fail",
        "preparation/index.py",
        "if report.bad > max_rejected_share * (report.rows + report.bad):",
        "if False:",
        "tests/preparation/test_index.py::test_too_many_bad_entries_fail_with_the_first_ten_and_keep_earlier_results",
    ),
    # What acts in use.
    one(
        "a gesture that is shown for a moment never begins",
        "inference/held_gestures.py",
        "if shows != hand.gesture and time - hand.candidate_since >= self.settings.hold:",
        "if shows != hand.gesture:",
        "tests/inference/test_held_gestures.py::test_gesture_that_is_shown_shorter_than_the_hold_time_never_begins",
    ),
    one(
        "the background begins nothing",
        "inference/held_gestures.py",
        " and gesture != self.vocabulary.background",
        "",
        "tests/inference/test_held_gestures.py::test_gesture_begins_once_it_is_held_and_ends_once_it_is_gone",
    ),
    one(
        "a pose on its way to another is not doubted",
        "live/doubts.py",
        "held[-1].time - held[0].time < HELD_SECONDS",
        "held[-1].time < held[0].time",
        "tests/live/test_doubts.py::test_pose_that_is_held_too_shortly_is_not_doubted",
    ),
    one(
        "nothing is kept in use unless it is switched on",
        "live/catcher.py",
        "        return self.settings.catch\n",
        "        return True\n",
        "tests/live/test_catcher.py::test_nothing_is_kept_in_memory_or_on_disk_unless_it_is_switched_on",
    ),
    # Who may use the page.
    one(
        "pages of other sites may not use the server",
        "review/gate.py",
        "if origin is not None and urlsplit(origin).netloc != host:",
        "if False:",
        "tests/review/test_gate.py::test_pages_of_other_sites_may_neither_post_nor_open_a_websocket",
    ),
    one(
        "the server answers to its own names alone",
        "review/gate.py",
        "if _name_in(host) not in self.hosts:",
        "if not host:",
        "tests/review/test_gate.py::test_a_foreign_name_for_this_machine_is_refused",
    ),
    one(
        "other machines need the token",
        "review/gate.py",
        "return hmac.compare_digest(given.encode(), self.token.encode())",
        "return True",
        "tests/review/test_gate.py::test_other_machines_stay_outside_without_a_token",
    ),
    # How it is put together.
    one(
        "8-bit weights that cost too much are not kept",
        "deployment/model_card.py",
        "return self.loss <= self.max_loss",
        "return True",
        "tests/deployment/test_export_onnx.py::test_int8_that_costs_too_much_is_not_kept",
    ),
    one(
        "each process of the landmarks stage builds one detector",
        "preparation/looking.py",
        "@cache\ndef detector_of",
        "def detector_of",
        "tests/detection/test_added_detector.py"
        "::test_stage_with_worker_processes_ends_and_each_process_builds_one_detector",
    ),
    one(
        "a setting is read where it stands",
        "settings.py",
        "    return kind.from_config(config) if reads_itself else _NOTHING\n",
        "    return _NOTHING\n",
        "tests/test_settings.py::test_settings_hold_the_nodes_values_and_those_that_stand_elsewhere",
    ),
)


@dataclass(frozen=True)
class Outcome:
    """What became of a mutation: the first test that noticed, "" where none did, and the seconds it took."""

    mutation: Mutation
    noticed_by: str
    seconds: float


def main(words: Sequence[str]) -> int:
    """Check the mutations whose behaviour holds one of `words`, all without any; returns the exit code."""
    results = Results.read() if RECORD in words else Results({}, file=None)
    words = [word for word in words if word != RECORD]
    chosen = [each for each in MUTATIONS if not words or any(word in each.behaviour for word in words)]
    chosen = [each for each in chosen if not results.rows.get(each.behaviour, "").startswith("| yes")]
    if _PROCESSES.get_start_method() == "forkserver":
        _PROCESSES.set_forkserver_preload(list(LIBRARIES))
    with checkout() as copy:
        missing = [problem for each in chosen for problem in problems_of(each, copy)]
        failing = [] if missing else failing_as_it_is(chosen, copy)
        outcomes = [] if missing or failing else [results.add(checked(each, copy)) for each in chosen]
    console = Console(width=150)
    for text in missing + [f"{test} fails without any mutation" for test in failing]:
        console.print(f"[bold red]error:[/] {text}", highlight=False)
    console.print(table_of(outcomes))
    survived = [each for each in outcomes if not each.noticed_by]
    console.print(f"{len(outcomes) - len(survived)} of {len(chosen)} mutations are noticed", highlight=False)
    return int(bool(missing or failing or survived))


@dataclass(frozen=True)
class Results:
    """Rows of the Markdown table in `file`, by behaviour; without a file they are not written down."""

    rows: dict[str, str]
    file: Path | None = RESULTS

    @classmethod
    def read(cls) -> Results:
        """Those of earlier runs, if there are any."""
        lines = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.is_file() else []
        rows = [line for line in lines if line.startswith(("| yes |", "| NO |"))]
        return cls({row.split(" | ")[1]: row for row in rows})

    def add(self, outcome: Outcome) -> Outcome:
        """Write one more down; returns it."""
        noticed, by = ("yes", f"`{outcome.noticed_by.removeprefix('tests/')}`") if outcome.noticed_by else ("NO", "")
        self.rows[outcome.mutation.behaviour] = f"| {noticed} | {outcome.mutation.behaviour} | {by} |"
        ordered = [self.rows[each.behaviour] for each in MUTATIONS if each.behaviour in self.rows]
        count = sum(row.startswith("| yes") for row in ordered)
        if self.file:
            about = (
                f"`python tests/mutation_check.py {RECORD}`, {date.today()}, Python {platform.python_version()}.\n"
                "Each behaviour is broken in a copy of the code, and the tests that must fail then are run.\n"
                f"{count} of {len(MUTATIONS)} are noticed."
            )
            table = "\n".join(["| noticed | what was broken | by the test |", "|---|---|---|", *ordered])
            self.file.write_text(f"# Mutations\n\n{about}\n\n{table}\n", encoding="utf-8")
        return outcome


@contextmanager
def checkout() -> Iterator[Path]:
    """A copy of the checkout as it is now, what Git ignores left out, beside a link to ../shared."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "checkout"
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (PROJECT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(PROJECT / name, copy / name)
        if (PROJECT.parent / "shared").is_dir():
            (Path(folder) / "shared").symlink_to(PROJECT.parent / "shared")
        yield copy


def problems_of(mutation: Mutation, project: Path) -> list[str]:
    """What a mutation replaces and is no longer there, in words."""
    problems = []
    for change in mutation.changes:
        try:
            change.applied((project / change.path).read_text(encoding="utf-8"))
        except (LookupError, OSError) as error:
            problems.append(f"{mutation.behaviour}: {error}")
    return problems


def failing_as_it_is(mutations: Sequence[Mutation], copy: Path) -> list[str]:
    """The tests that fail without any mutation."""
    tests = sorted({test for mutation in mutations for test in mutation.tests})
    for group in by_folder(tests):
        result = run(group, copy)
        if result.returncode:
            return _FAILED.findall(result.stdout) or [f"pytest {' '.join(group)} ({result.stdout[-300:]})"]
    return []


def by_folder(tests: Sequence[str]) -> list[list[str]]:
    """Tests by the folder they are in: the folders' conftest.py are called alike."""
    groups: dict[str, list[str]] = {}
    for test in tests:
        groups.setdefault(test.partition("::")[0].rpartition("/")[0], []).append(test)
    return list(groups.values())


def checked(mutation: Mutation, copy: Path) -> Outcome:
    """Run a mutation's tests on the copy with the mutation in it."""
    start = time.perf_counter()
    with mutated(mutation, copy):
        noticed = next((name for group in by_folder(mutation.tests) if (name := first_failure(group, copy))), "")
    outcome = Outcome(mutation, noticed, time.perf_counter() - start)
    print(f"{'noticed ' if noticed else 'SURVIVED'}  {mutation.behaviour} ({outcome.seconds:.0f} s)", flush=True)
    return outcome


@contextmanager
def mutated(mutation: Mutation, copy: Path) -> Iterator[None]:
    """The copy with a mutation in it, and afterwards without."""
    before = {change.path: (copy / change.path).read_text(encoding="utf-8") for change in mutation.changes}
    try:
        for change in mutation.changes:
            path = copy / change.path
            path.write_text(change.applied(path.read_text(encoding="utf-8")), encoding="utf-8")
        yield
    finally:
        for name, text in before.items():
            (copy / name).write_text(text, encoding="utf-8")


def first_failure(tests: Sequence[str], copy: Path) -> str:
    """The first test that fails, "" where all pass or are skipped."""
    try:
        result = run(["-x", *tests], copy)
    except TimeoutError:
        return f"no end within {LONGEST} s"
    failed = _FAILED.findall(result.stdout)
    return failed[0] if failed else f"pytest ended with {result.returncode}" if result.returncode else ""


@dataclass(frozen=True)
class Result:
    """How pytest ended, and what it said."""

    returncode: int
    stdout: str


def run(arguments: Sequence[str], copy: Path) -> Result:
    """Run tests of the copy, on its own code, in a process that has the large libraries loaded already.

    Raises:
        TimeoutError: they take longer than `LONGEST`.
    """
    said = copy.parent / "pytest.txt"
    process = _PROCESSES.Process(target=_pytest, args=(list(arguments), copy, said))  # type: ignore[attr-defined]
    process.start()
    process.join(LONGEST)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise TimeoutError
    return Result(int(process.exitcode), said.read_text(encoding="utf-8", errors="replace"))


def _pytest(arguments: list[str], copy: Path, said: Path) -> None:
    """In a process of its own. No bytecode is written: it goes by times in whole seconds, and mutations are quicker."""
    output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.chdir(copy)
    os.environ |= {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    sys.dont_write_bytecode = True
    own = (PROJECT, PROJECT / "tests")
    sys.path = [str(copy), *(path for path in sys.path if Path(path).resolve() not in own)]
    import pytest

    code = int(pytest.main(["-q", "-p", "no:cacheprovider", "--no-header", "--tb=no", "-rfE", *arguments]))
    package = sys.modules.get(PACKAGE)
    if package is not None and copy not in Path(str(package.__file__)).parents:
        raise RuntimeError(f"the tests ran on {package.__file__} instead of the copy")
    sys.stdout.flush()
    os._exit(code)  # whatever a test left running


def table_of(outcomes: Sequence[Outcome]) -> Table:
    """The table: what was broken, whether it was noticed, and by which test."""
    table = Table("broken", "noticed", "by", "s", title="mutations")
    table.columns[3].justify = "right"
    for each in outcomes:
        mark = "yes" if each.noticed_by else "[bold red]NO[/]"
        by = each.noticed_by.removeprefix("tests/").replace("[", r"\[")
        table.add_row(each.mutation.behaviour, mark, by, f"{each.seconds:.0f}")
    return table


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print("\n".join(each.behaviour for each in MUTATIONS))
        sys.exit(0)
    sys.exit(main(sys.argv[1:]))
