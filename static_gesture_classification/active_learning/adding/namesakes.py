"""Published labels that show a new gesture: they are background so far, and would contradict it in a later training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Namesakes:
    """Published labels of a new gesture.

    Args:
        labels: those that go to it from now on.
        elsewhere: label -> gesture, those that a source maps to another gesture; they stay there.
    """

    labels: tuple[str, ...] = ()
    elsewhere: Mapping[str, str] = field(default_factory=dict)


def find_namesakes(
    gesture: str, alike: Sequence[Sequence[str]], maps: Iterable[Mapping[str, str]], background: str | None
) -> Namesakes:
    """The labels that are called like a gesture, or like one of its other names.

    Args:
        gesture: the new gesture.
        alike: groups of names of one gesture, as datasets have them.
        maps: the sources' label maps, label -> gesture.
        background: the gesture of hands that show none of the others.

    >>> find_namesakes("ROCK", [["rock", "horns"]], [{"rock": "BACKGROUND", "fist": "FIST"}], "BACKGROUND").labels
    ('horns', 'rock')
    """
    groups = [group for group in alike if _letters(gesture) in map(_letters, group)]
    names = {_letters(gesture), *(_letters(name) for group in groups for name in group)}
    mapped = [(label, to) for each in maps for label, to in each.items() if _letters(label) in names]
    elsewhere = {label: to for label, to in mapped if to not in (background, gesture)}
    own = {name for group in groups for name in group} | {label for label, _ in mapped}
    return Namesakes(tuple(sorted(own - set(elsewhere) - {gesture})), elsewhere)


def _letters(name: str) -> str:
    """A name without capitals and signs."""
    return "".join(sign for sign in name.casefold() if sign.isalnum())
