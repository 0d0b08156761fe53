"""Overrides on the command line: text settings take any text as typed; several values need --multirun; short forms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.errors import HydraException

from static_gesture_classification.conf_files import Declared, read_declared
from static_gesture_classification.errors import UserError

FLAGS = {  # of a command, by its first own group
    "recording": {"--background": "recording.background=true"},
    "add": {"--record": "add.record=true"},
}
MULTIRUN = ("-m", "--multirun")
PLAIN_TEXT = re.compile(r"null|\$\{.*\}|")


def as_typed(arguments: list[str], conf: Path, own: Sequence[str] = (), nameless: str = "") -> list[str]:
    """Arguments of a command as Hydra wants them: with whole names of settings, and quoted values where needed.

    Args:
        arguments: as the user typed them.
        conf: the folder of all settings.
        own: the command's own groups: their settings need no group.
        nameless: the setting that a first value without a name is of, as in `gestures add ROCK`.

    Raises:
        UserError: a setting is given several values without --multirun.
    """
    flags = FLAGS.get(own[0], {}) if own else {}
    arguments = [flags.get(argument, argument) for argument in arguments]
    if nameless and arguments and not arguments[0].startswith("-") and "=" not in arguments[0]:
        arguments = [f"{nameless}={arguments[0]}", *arguments[1:]]
    multirun = bool(set(MULTIRUN) & set(arguments))
    return [quote(qualify(argument, read_declared(conf), own), conf, multirun) for argument in arguments]


def qualify(argument: str, known: Declared, own: Sequence[str]) -> str:
    """One override with the whole name of its setting: `input=DIR` is `predict.input=DIR` for `gestures predict`."""
    key, separator, _ = argument.partition("=")
    if not separator or not re.fullmatch(r"[A-Za-z_][\w.]*", key) or key in known.defaults:
        return argument
    group = next((group for group in own if f"{group}.{key}" in known.defaults), None)
    return argument if group is None else f"{group}.{argument}"


def quote(argument: str, conf: Path, multirun: bool = False) -> str:
    """One override, its value quoted where Hydra would read it differently.

    The value of a text setting (`Declared.is_text`) may be any text: 12, 1e5, true, or with commas and brackets; null
    and references keep their meaning. The value of another setting is quoted where Hydra cannot read it.
    """
    key, separator, value = argument.partition("=")
    if argument.startswith(("-", "~")) or not separator:
        return argument
    known, name = read_declared(conf), key.lstrip("+").partition("@")[0].replace("/", ".")
    override = _parse(argument)
    if override is not None and override.is_sweep_override():
        if multirun:
            return argument
        if known.knows(name) and not known.is_text(name):
            raise UserError(
                f"{argument} lists several values: to run once with each, add --multirun; else give {key} one value"
            )
    elif override is not None and (not known.is_text(name) or _is_text(override, value)):
        return argument
    if override is None and value[:1] + value[-1:] == "[]" and not known.is_text(name):
        return f"{key}=[{','.join(_item(item.strip()) for item in value[1:-1].split(','))}]"
    return f"{key}={hydra_text(value)}"


def _item(text: str) -> str:
    """An item of a list, in quotes where Hydra cannot read it."""
    return text if _parse(f"item={text}") else hydra_text(text)


def hydra_text(value: str) -> str:
    """Quote a text by Hydra's grammar.

    >>> hydra_text("it's here")
    '"it\\'s here"'
    """
    mark = '"' if "'" in value and '"' not in value else "'"
    # a backslash escapes only before a quotation mark
    escaped = re.sub(rf"(\\*)({mark}|$)", lambda found: found[1] * 2 + (f"\\{mark}" if found[2] else ""), value)
    return f"{mark}{escaped}{mark}"


def _is_text(override: Override, typed: str) -> bool:
    """Whether Hydra reads an override as the text that was typed, as a text in quotes, or as null."""
    value = override.value()
    return isinstance(override._value, QuotedString) or value == typed or bool(PLAIN_TEXT.fullmatch(typed))


def _parse(argument: str) -> Override | None:
    try:
        return OverridesParser.create().parse_override(argument)
    except HydraException:
        return None
