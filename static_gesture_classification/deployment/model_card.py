"""The model card beside an exported file: MODEL.md, in plain English, with Hugging Face's header.

The header is that of https://huggingface.co/docs/hub/model-cards, made by the library of that hub; the sections follow
Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019). Every number was measured on the file beside the card,
or on the measured weights of its checkpoint where the file has those for use; what was not measured is called so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from static_gesture_classification.atomic_files import write_text
from static_gesture_classification.deployment.scores import Score, SplitScores
from static_gesture_classification.deployment.skin_tones import ToneScores
from static_gesture_classification.deployment.sources import SourceFacts
from static_gesture_classification.deployment.usage import NetworkInput, usage
from static_gesture_classification.evaluation.resampling_units import SUBJECT, describe_units
from static_gesture_classification.synthetic.subjects import TONES

CARD = "MODEL.md"
MARK = "<!-- Written by gestures export-onnx for"  # and the file's name
NOT_MEASURED = "not measured"
TITLES = {"test": "Test: nothing was chosen on these hands", "val": "Val: the epoch was chosen on these hands"}
WEAK, FEW_PEOPLE, SHOWN = 0.9, 5, 3


@dataclass(frozen=True)
class Int8Outcome:
    """What 8-bit weights cost.

    Args:
        loss: of weighted F1 on val.
        max_loss: that is allowed.
        size: of the file, as a share of the other one's.
        scores: per split.
    """

    loss: float
    max_loss: float
    size: float
    scores: Mapping[str, Score]

    @property
    def is_kept(self) -> bool:
        """Whether the file is written."""
        return self.loss <= self.max_loss


@dataclass(frozen=True)
class CardFacts:
    """Everything that the card says.

    Args:
        file, int8_file: names of the files; the second is None where none was written.
        about: the file's metadata (`inference.onnx_file.onnx_metadata`), with `checkpoint` and `epoch`.
        inputs: of the network.
        data_version: of the data that it was trained on; None if unknown.
        missing: why the data are not there; "" if they are.
        subjects_apart: whether each person is in one split only.
        sources: of the data; () without data.
        gestures: hands and people per gesture in train; empty without data.
        scores: per split.
        difference, compared, on_real: see `export_onnx.ExportedModel`.
        int8: None where it was not asked for.
        tones: None where they were not measured.
        no_tones: why; "" if they were.
        for_use: whether the file's weights learned val and test too, and the scores are of those that were measured.
    """

    file: str
    int8_file: str | None
    about: Mapping[str, Any]
    inputs: Sequence[NetworkInput]
    data_version: str | None
    missing: str
    subjects_apart: bool
    sources: Sequence[SourceFacts]
    gestures: pd.DataFrame
    scores: Mapping[str, SplitScores]
    difference: float
    compared: int
    on_real: bool
    int8: Int8Outcome | None
    tones: ToneScores | None
    no_tones: str
    for_use: bool = False


def card_path(file: Path) -> Path:
    """Where a file's card belongs: MODEL.md, or FILE.MODEL.md where somebody else's or another file's lies there."""
    usual = file.with_name(CARD)
    own = not usual.exists() or f"{MARK} {file.name} -->" in usual.read_text(encoding="utf-8", errors="replace")
    return usual if own else file.with_name(f"{file.stem}.{CARD}")


def write_card(facts: CardFacts, path: Path) -> None:
    """Write the card. Raises `OutputError` where it cannot be written."""
    write_text(path, card(facts))


def card(facts: CardFacts) -> str:
    """The card's text: Markdown with a YAML header."""
    sections = (
        _what(facts),
        ("## How to use it", *usage(facts.file, facts.inputs, facts.about)),
        _data(facts),
        _scores(facts),
        _tones(facts),
        _calibration(facts),
        _limits(facts),
        _file(facts),
    )
    body = "\n\n".join("\n".join(lines) for lines in sections)
    return f"---\n{_header(facts)}\n---\n{MARK} {facts.file} -->\n\n{body}\n"


def table(heading: Sequence[str], rows: Iterable[Sequence[object]], texts: int = 1) -> list[str]:
    """A Markdown table; all columns but the first `texts` to the right. A bar in a name is escaped."""
    rule = ["---"] * texts + ["---:"] * (len(heading) - texts)
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in (heading, rule, *rows)]
    return [f"| {' | '.join(row)} |" for row in cells]


def score_in_words(score: Score) -> str:
    """A score with its interval: `0.964 (0.948 to 0.978)`."""
    return f"{score.weighted_f1:.3f} ({score.interval.low:.3f} to {score.interval.high:.3f})"


def _header(facts: CardFacts) -> str:
    from huggingface_hub import EvalResult, ModelCardData  # it takes a second to import

    results = [
        EvalResult(
            task_type="image-classification",
            task_name="Hand gesture classification",
            dataset_type="own",
            dataset_name=f"the data that it was trained on, {name} split",
            dataset_split=name,
            metric_type="f1",
            metric_name="Weighted F1",
            metric_value=round(each.whole.weighted_f1, 4),
        )
        for name, each in facts.scores.items()
    ]
    data = ModelCardData(
        library_name="onnx",
        license="other",
        license_name="to-be-chosen-by-who-publishes-it",
        tags=["onnx", "hand-gesture-recognition", "static-gesture-classification", str(facts.about["input"])],
        metrics=["f1"],
        model_name=Path(facts.file).stem if results else None,
        eval_results=results or None,
    )
    return data.to_yaml().strip()


def _what(facts: CardFacts) -> list[str]:
    names, background = facts.about["gestures"]["names"], facts.about["gestures"]["background"]
    shown = [name for name in names if name != background]
    rest = f", or {background}: a hand that shows none of them" if background else ""
    return [
        f"# Static hand gestures, from {_sees(facts)}",
        "",
        f"`{facts.file}` says which gesture a hand shows: {', '.join(shown)}{rest}. It looks at one hand in one "
        "picture; it does not find hands, and knows no movement.",
        "",
        f"It is the model `{facts.about['model']}`, as one ONNX file that runs in onnxruntime without PyTorch.",
    ]


def _sees(facts: CardFacts) -> str:
    parts = {"crops": "a square picture of the hand", "points": "21 landmarks"}
    return " and ".join(text for name, text in parts.items() if any(each.name == name for each in facts.inputs))


def _data(facts: CardFacts) -> list[str]:
    if not facts.sources:
        return ["## What it was trained on", "", f"Not known: {facts.missing}."]
    rows = [
        (each.name, each.licence, each.subjects or "not known", *(f"{count:,}" for count in each.hands.values()))
        for each in facts.sources
    ]
    gestures = [(name, f"{row.hands:,}", f"{row.subjects:,}") for name, row in facts.gestures.iterrows()]
    return [
        "## What it was trained on",
        "",
        f"Hands of each source. {_say_held_out(facts)} People are counted where it is known who they are; "
        "synthetic ones are people too.",
        "",
        *table(("source", "licence of its data", "people", "train", "val", "test"), rows, texts=2),
        "",
        "The licences are those that the configuration names. The weights carry none of their own: who publishes them "
        "has to choose one that the data allow.",
        "",
        "Hands per gesture in train:",
        "",
        *table(("gesture", "hands", "people"), gestures),
    ]


def _scores(facts: CardFacts) -> list[str]:
    lines = ["## How good it is", ""]
    if not facts.scores:
        return [*lines, f"Scores: {NOT_MEASURED}, since {facts.missing or 'its data have no val and no test split'}."]
    lines += [
        f"Weighted F1, with a 95 % interval, measured on {_say_measured(facts)} {_say_held_out(facts)} Worst source "
        "first.",
        "",
        "The place of each hand is known, as its source gives it; a hand that was not found there is an error. "
        f"Finding hands in whole photographs: {NOT_MEASURED} here.",
    ]
    for name, each in facts.scores.items():
        rows = [
            ("**all**", *_score_cells(each.whole)),
            *((key, *_score_cells(one)) for key, one in each.sources.items()),
        ]
        lines += ["", f"### {TITLES[name]}", ""]
        lines += table(("source", "weighted F1 (interval)", "hands", "people", "not found"), rows)
        lines += ["", _interval_note(each.whole), "", *_gesture_table(each)]
    absent = [name for name in TITLES if name not in facts.scores]
    return [*lines, *(line for name in absent for line in ("", f"The {name} split: {NOT_MEASURED}, it has no sample."))]


def _say_measured(facts: CardFacts) -> str:
    if facts.for_use:
        return (
            "weights that learned from train alone. The file's own come from the same training with the hands of the "
            "other splits too: they know more people, and there is nobody left to measure them on."
        )
    return "the file itself."


def _say_held_out(facts: CardFacts) -> str:
    if facts.subjects_apart:
        return "Nobody is in two splits, as far as people are known; nor is a recording."
    return "No recording is in two splits, but people are: on people who are new to it, expect less."


def _score_cells(score: Score) -> tuple[str, ...]:
    return score_in_words(score), f"{score.samples:,}", str(score.subjects or "not known"), f"{score.missed:,}"


def _interval_note(score: Score) -> str:
    return f"Intervals come from {describe_units({'unit': score.interval.unit, 'unknown': score.interval.unknown})}."


def _gesture_table(scores: SplitScores) -> list[str]:
    rows = [
        (name, *(NOT_MEASURED if pd.isna(value) else f"{value:.3f}" for value in row[:3]), f"{int(row[3]):,}")
        for name, *row in scores.gestures[["precision", "recall", "f1", "support"]].itertuples(name=None)
    ]
    return table(("gesture", "precision", "recall", "F1", "hands"), rows)


def _tones(facts: CardFacts) -> list[str]:
    lines = ["## Per skin tone", ""]
    if facts.tones is None:
        return [*lines, f"Synthetic hands: {NOT_MEASURED}, since {facts.no_tones}.", *_no_real_tones()]
    rows = [
        (f"{tone} ({_hex(TONES[tone - 1])})", score_in_words(each), f"{each.samples:,}", f"{each.missed:,}")
        for tone, each in enumerate(facts.tones.scores, 1)
    ]
    return [
        *lines,
        f"Synthetic hands of the ten tones of Monk's scale, from the picture to the gesture with this project's hand "
        f"detector: {facts.tones.subjects} synthetic people, each with each gesture once per tone. Pose, light and "
        "clothes are the same in all tones, so compare the tones with each other. Drawn hands are no "
        "photographs: the level says little.",
        "",
        *table(("tone, 1 the lightest", "weighted F1 (interval)", "hands", "not found"), rows),
        *_no_real_tones(),
    ]


def _hex(colour: tuple[int, ...]) -> str:
    return "#" + bytes(colour).hex()


def _no_real_tones() -> list[str]:
    return ["", f"Photographs per skin tone: {NOT_MEASURED}; nobody has noted the tones of the people in them."]


def _calibration(facts: CardFacts) -> list[str]:
    temperature, advantage = facts.about["calibration"]["temperature"], facts.about["calibration"]["advantage"]
    background = facts.about["gestures"]["background"]
    fitted = (temperature, advantage) != (1, 0)
    errors = [f"{each.calibration_error:.3f} on {name}" for name, each in facts.scores.items()]
    error = "; ".join(errors) if errors else NOT_MEASURED
    lines = [
        "## What the probabilities mean",
        "",
        f"They are computed inside the file with a temperature of {temperature:.3g}"
        + (f" and an advantage of {background} of {advantage:+.2f}" if background else "")
        + ("; both were read off val." if fitted else "; they were not calibrated on val."),
        f"Expected calibration error (mean distance between a score and how often it is right): {error}.",
    ]
    return [*lines, *(_none_of_these(facts, background) if background else [])]


def _none_of_these(facts: CardFacts, background: str) -> list[str]:
    """How often hands without a gesture are taken for one, and the other way round."""
    shares = [_false_alarms(name, each, background) for name, each in facts.scores.items()]
    return [
        "",
        f"{background} means none of these. The output `strangeness` weighs it against the likeliest gesture alone: "
        "above 0.5, it is the answer.",
        *(shares or [f"How often other hands are taken for a gesture: {NOT_MEASURED}."]),
    ]


def _false_alarms(name: str, scores: SplitScores, background: str) -> str:
    pairs, support = scores.pairs, scores.gestures["support"]
    none, shown = int(support.get(background, 0)), int(support.drop(background, errors="ignore").sum())
    alarms = int(pairs.loc[pairs["gesture"] == background, "count"].sum())
    lost = int(pairs.loc[pairs["prediction"] == background, "count"].sum())
    return (
        f"On {name}, {alarms:,} of {none:,} hands that show none are taken for a gesture, and {lost:,} of {shown:,} "
        "that show one for none."
    )


def _limits(facts: CardFacts) -> list[str]:
    names = [each.name for each in facts.inputs]
    lines = ["It knows static gestures only, of one hand; not what a person means by them."]
    if "points" in names:
        lines.append(
            "It can be no better than the landmarks. A right hand's back looks to it like a left palm. Rotation "
            "counts: a hand that is turned shows another gesture."
        )
    if "crops" in names:
        lines.append("It expects crops like those of training: square, with the margin below, upright, in colour.")
    lines += _weak_gestures(facts)
    lines += _thin_data(facts)
    lines.append("Do not use it where an error can hurt somebody, or to tell who a person is.")
    return ["## Limits", "", *(f"- {line}" for line in lines)]


def _weak_gestures(facts: CardFacts) -> list[str]:
    """The gestures and confusions that a reader should know of, from the first split with scores."""
    name, scores = next(iter(facts.scores.items()), ("", None))
    if scores is None:
        return [f"Its errors are {NOT_MEASURED}."]
    weak = scores.gestures["f1"].dropna().sort_values()
    weak = weak[weak < WEAK]
    lines = [
        f"Weakest on {name}: " + ", ".join(f"{key} ({value:.2f})" for key, value in weak.head(SHOWN).items()) + "."
    ]
    pairs = scores.pairs.head(SHOWN).itertuples()
    errors = ", ".join(f"{row.gesture} as {row.prediction} ({row.count} of {_support(scores, row)})" for row in pairs)
    return [*(lines if len(weak) else []), *([f"Commonest errors on {name}: {errors}."] if errors else [])]


def _support(scores: SplitScores, row: Any) -> int:
    return int(scores.gestures["support"].get(row.gesture, row.count))


def _thin_data(facts: CardFacts) -> list[str]:
    lines = []
    few = [f"{name} ({row.subjects})" for name, row in facts.gestures.iterrows() if row.subjects < FEW_PEOPLE]
    if few:
        lines.append(f"Shown by fewer than {FEW_PEOPLE} known people in train: {', '.join(few)}.")
    whole = [(name, each.whole) for name, each in facts.scores.items() if each.whole.interval.unit != SUBJECT]
    lines += [f"In {name}, not all people are known, so its intervals are too narrow." for name, _ in whole]
    if facts.scores:
        lines.append(
            "The people of val and test come from the sources of train: with another camera, or hands that are further "
            "away, expect less."
        )
    return lines


def _file(facts: CardFacts) -> list[str]:
    crop = facts.about["crop"]
    inputs = [(f"`{each.name}`", each.kind, each.shape_in_words) for each in facts.inputs]
    on = "samples of its data" if facts.on_real else "random inputs"
    lines = ["## The file", "", *table(("input", "type", "shape"), inputs, texts=3), ""]
    if crop["size"]:
        lines.append(
            f"- Crops: {crop['size']} x {crop['size']} pixels, RGB; margin {crop['margin']} of the hand's longer side."
        )
    if facts.about["normalisation"]:
        mean, std = (", ".join(f"{each:.3g}" for each in facts.about["normalisation"][key]) for key in ("mean", "std"))
        lines.append(f"- Pixels are normalised inside the file (mean {mean}; deviation {std}).")
    lines += [
        f"- Data version: {facts.data_version or 'not known'}. Checkpoint: SHA-256 {facts.about['checkpoint']}.",
        f"- Compared with the checkpoint on {facts.compared:,} {on}: its answers differ by at most "
        f"{facts.difference:.1g}.",
        *_int8(facts),
    ]
    return lines


def _int8(facts: CardFacts) -> list[str]:
    if facts.int8 is None:
        return [f"- 8-bit weights: {NOT_MEASURED}."]
    scores = "; ".join(f"{name} {score_in_words(each)}" for name, each in facts.int8.scores.items())
    change = f"weighted F1 on val changes by {0 - facts.int8.loss:+.4f}; {scores}"
    if facts.int8_file is None:
        return [f"- 8-bit weights were not kept: {change}; a loss of at most {facts.int8.max_loss} is allowed."]
    return [f"- `{facts.int8_file}` has 8-bit weights and {facts.int8.size:.0%} of the size: {change}."]
