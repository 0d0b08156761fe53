"""The error about labels that a source's label map lacks: it names all of them, and how to map them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from static_gesture_classification.local_settings import LOCAL

IGNORE = "ignore"  # in a label map: hands with this label are left out
SIMILAR_LABEL = 0.75  # least share of common letters of two names; `fists` and FIST have more, `point` and FOUR fewer


@dataclass
class UnknownLabel:
    """A label without a gesture, the first file that has it, and its number of hands."""

    label: str
    file: str
    hands: int = 0


def message(source: str, root: str, unknown: Iterable[UnknownLabel], known: Mapping[str, str]) -> str:
    """The error that names all unknown labels and shows the lines that map them.

    Args:
        source: name of the source.
        root: its folder.
        unknown: the labels.
        known: label or gesture -> gesture.
    """
    labels = sorted(unknown, key=lambda each: (-each.hands, each.label))
    wanted = {each.label: nearest(each.label, known) or IGNORE for each in labels}
    named = ", ".join(f"{each.label!r} ({each.hands:,} {_hands(each.hands)} in {each.file})" for each in labels)
    gestures = ", ".join(dict.fromkeys(gesture for gesture in known.values() if gesture != IGNORE))
    text = (
        f"{root}: unknown label{'s' if len(labels) > 1 else ''} {named}; map each to a gesture ({gestures}) or to "
        f"{IGNORE}, which leaves it out. Put these lines into conf/{LOCAL}, with the right gestures:\n\n"
        f"{lines(source, wanted)}"
    )
    command = override(source, wanted)
    return f"{text}\n\nor, for one command: {shlex.quote(command)}" if command else text


def _hands(count: int) -> str:
    return "hand" if count == 1 else "hands"


def lines(source: str, wanted: Mapping[str, str]) -> str:
    """The lines of conf/local/default.yaml that map labels to gestures."""
    mapped = "\n".join(f"      {_quote(label)}: {_quote(gesture)}" for label, gesture in wanted.items())
    return f"sources:\n  {source}:\n    labels:\n{mapped}"


def override(source: str, wanted: Mapping[str, str]) -> str | None:
    """The same as an override of Hydra, or None where its grammar cannot write one of the labels."""
    pairs = ", ".join(f"{_escape(label)}: {_escape(gesture)}" for label, gesture in wanted.items())
    text = f"++sources.{source}.labels={{{pairs}}}"
    try:
        read = OverridesParser.create().parse_override(text).value()
    except HydraException:
        return None
    return text if read == dict(wanted) else None


def nearest(label: str, known: Mapping[str, str]) -> str | None:
    """The gesture with a name or label that resembles this label, or None.

    >>> nearest("thumbs up", {"THUMBS_UP": "THUMBS_UP"}), nearest("like (2)", {"like": "THUMBS_UP"})
    ('THUMBS_UP', 'THUMBS_UP')
    """
    names = {_letters(name): gesture for name, gesture in known.items()}
    match = get_close_matches(_letters(label), [name for name in names if name], n=1, cutoff=SIMILAR_LABEL)
    return names[match[0]] if match else None


def _letters(name: str) -> str:
    """A name without case, blanks, punctuation and a number at its end."""
    return re.sub(r"[\W_]+|[\W_]*\d+[\W_]*$", "", name.casefold())


def _quote(text: str) -> str:
    """Quote a text for YAML, unless it is a plain word."""
    plain = re.fullmatch(r"[A-Za-z]\w*", text, re.ASCII) and text.lower() not in YAML_WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)


YAML_WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")


def _escape(text: str) -> str:
    return re.sub(r"([\\()\[\]{}:=,])", r"\\\1", text)
