"""A new gesture in conf/local/default.yaml, so that every command and every later training knows it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from static_gesture_classification.atomic_files import write_text
from static_gesture_classification.errors import UserError

LINE_WIDTH = 120


def read_local(path: Path) -> Any:
    """The settings of the file with their comments; an empty mapping where there is none.

    Raises:
        UserError: it is no YAML, or holds no settings.
    """
    if not path.is_file():
        return {}
    try:
        content = _yaml().load(path.read_text(encoding="utf-8-sig"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}); mend it first, since the new gesture goes there") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no settings, such as `seed: 1`; mend it first, since the new gesture goes there")
    return content


def add_to_local(
    path: Path, name: str, names: Sequence[str], variants: Sequence[dict[str, Any]], labels: Sequence[str] = ()
) -> None:
    """Write the gesture to the file; what is in there, comments too, stays.

    Args:
        names: all gestures, the new one among them.
        variants: its poses (see `synthetic.poses`).
        labels: published labels that show it, in all sources.
    """
    content = read_local(path)
    _group(content, "gestures")["names"] = [DoubleQuotedScalarString(each) for each in names]
    if labels:
        own = _group(_group(content, "gestures"), "labels")
        own.update({DoubleQuotedScalarString(label): DoubleQuotedScalarString(name) for label in labels})
    _group(_group(content, "poses"), "gestures")[DoubleQuotedScalarString(name)] = list(variants)
    text = io.StringIO()
    _yaml().dump(content, text)
    write_text(path, text.getvalue())


def _group(content: Any, name: str) -> Any:
    if content.get(name) is None:
        content[name] = {}
    return content[name]


def _yaml() -> YAML:
    yaml = YAML()
    yaml.default_flow_style, yaml.width = None, LINE_WIDTH
    yaml.preserve_quotes = True
    return yaml
