"""False alarms: while nobody shows a gesture, how often a model names one, per minute."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from static_gesture_classification.inference.onnx_classifier import AnyClassifier

JOINED = 0.5  # seconds: named hands with shorter breaks between them are one alarm


@dataclass(frozen=True)
class AlarmRate:
    """How many alarms there were in how many seconds, and in which share of the pictures a hand was named."""

    alarms: int
    seconds: float
    named: float

    def __str__(self) -> str:
        minutes = self.seconds / 60
        rate = f"{self.alarms / minutes:.1f} a minute" if minutes > 0 else "in no time"
        return f"{rate} ({self.alarms} in {self.seconds:.0f} s; {self.named:.0%} of the pictures)"


@dataclass
class WatchedHands:
    """The hands of all pictures in a time without gestures, as the classifier saw them.

    Args:
        background: the name of the background gesture.
        times: seconds of each picture.
        named: for each picture, whether a hand of it was named as a gesture.
        inputs: for each picture, the classifier's inputs of its hands (n, ...), or None without a hand.
    """

    background: str
    times: list[float] = field(default_factory=list)
    named: list[bool] = field(default_factory=list)
    inputs: list[np.ndarray | None] = field(default_factory=list)

    def add(self, time: float, named: bool, inputs: np.ndarray | None) -> None:
        """Add a picture."""
        self.times.append(time)
        self.named.append(named)
        self.inputs.append(inputs)

    @property
    def rate(self) -> AlarmRate:
        """The alarms of the model that watched."""
        return alarm_rate(self.times, self.named)

    def rate_of(self, classifier: AnyClassifier) -> AlarmRate:
        """The alarms of another model of the same input kind, on the same hands."""
        seen = [inputs for inputs in self.inputs if inputs is not None]
        if not seen:
            return alarm_rate(self.times, self.named)
        best = classifier.answers(np.concatenate(seen)).probabilities.argmax(1)
        is_named = np.array(classifier.vocabulary.names, object)[best] != self.background
        hands = np.cumsum([0 if inputs is None else len(inputs) for inputs in self.inputs])
        named = [bool(part.any()) for part in np.split(is_named, hands[:-1])]
        return alarm_rate(self.times, named)


def alarm_rate(times: list[float], named: list[bool]) -> AlarmRate:
    """Count alarms: named hands in a row are one, also with a break of up to `JOINED` seconds.

    >>> alarm_rate([0.0, 0.1, 0.2, 2.0, 3.0], [True, False, True, True, False])
    AlarmRate(alarms=2, seconds=3.0, named=0.6)
    """
    at = [time for time, is_named in zip(times, named, strict=True) if is_named]
    alarms = sum(before is None or time - before > JOINED for before, time in zip([None, *at], at, strict=False))
    return AlarmRate(alarms, times[-1] - times[0], len(at) / len(times)) if times else AlarmRate(0, 0.0, 0.0)
