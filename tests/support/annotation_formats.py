"""What the tests of several formats share."""

from static_gesture_classification.sources.source import Source


def nobody(kind: type[Source], path: str) -> tuple[str, str]:
    """Subject and session of a picture of which nothing tells who it is, in a source named after its module."""
    return kind(name=kind.__module__.rpartition(".")[2], root="").unknown_subject(path)
