"""A dataset that the project does not know: one picture per hand, <gesture>-<person>-<number>.png."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from static_gesture_classification.sources.source import Hand, Hands, Piece, Source, files_in


@dataclass(kw_only=True)
class Portraits(Source):
    """Reads what the names of files say; the whole picture is the box."""

    def pieces(self) -> Sequence[Piece]:
        """All files at once."""
        return [partial(self._hands)]

    def _hands(self) -> Iterator[Hands]:
        parts = {name: name.split("-") for name in files_in(self.folder)}
        rows = [Hand(name, name, label, (0, 0, 1, 1), person, person) for name, (label, person, _) in parts.items()]
        yield Hands.of("", rows)
