"""`gestures COMMAND --help`: the command's settings, their defaults as composed, and their meaning.

What a setting means is written once: as the comment beside it in conf/.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from static_gesture_classification.commands import Command
from static_gesture_classification.conf_files import ConfEntry, entries, package_of
from static_gesture_classification.terminal import Column, Table, say, show_table

LONGEST_DEFAULT = 40  # characters of a default that are shown


@dataclass(frozen=True)
class Described:
    """A setting: its whole name, its default, and its comment."""

    name: str
    default: str
    meaning: str


def show_help(command: Command, conf: Path) -> None:
    """Print what a command does and all of its settings; then the groups it uses besides, with their choices."""
    with initialize_config_dir(str(conf), version_base="1.3"):
        composed = compose("config")
    argument = f" {command.argument.rpartition('.')[2].upper()}" if command.argument else ""
    purpose = f"{command.purpose[:1].upper()}{command.purpose[1:]}"
    say(f"gestures {command.name}{argument} [SETTING=VALUE ...]\n\n{purpose}.\n")
    for group in command.own:
        described = [each for file in files_of(group, conf) for each in settings_in(file, conf, group)]
        show_table(
            _table(
                [replace(each, default=_shorten_default(OmegaConf.select(composed, each.name))) for each in described]
            )
        )
        short = next((each.name for each in described if each.name.startswith(f"{group}.")), None)
        if short is not None:
            say(f"\n`{group}.` may be left out: {short.partition('.')[2]}=VALUE.\n")
    if command.uses:
        say("It uses these groups too. GROUP=CHOICE takes another file of conf/GROUP/;")
        say("GROUP.NAME=VALUE sets a value.\n")
        show_table(_groups(command.uses, conf))
    say("\nEvery setting, its default and its meaning: conf/. To see all values: add --cfg job.")


def files_of(group: str, conf: Path) -> list[Path]:
    """The files that hold a group's settings: config.yaml for what stands there, else the one chosen by default."""
    folder = conf / group
    if not folder.is_dir():
        return [conf / "config.yaml"]
    default = folder / "default.yaml"
    return [default] if default.is_file() else sorted(folder.glob("*.yaml"))


def settings_in(file: Path, conf: Path, group: str) -> Iterator[Described]:
    """The settings of a file that belong to a group.

    >>> from static_gesture_classification.configuration import CONF
    >>> [s.name for s in settings_in(CONF / "plan" / "default.yaml", CONF, "plan")][:2]
    ['plan.path', 'plan.predictions']
    """
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    package = package_of(file, file.relative_to(conf).parent.as_posix().replace(".", ""))
    for entry in entries(file):
        name = ".".join([*package, *entry.path])
        if entry.is_leaf and (name == group or name.startswith(f"{group}.")):
            yield Described(name, str(entry.node.value or ""), _comment(entry, lines))


def _shorten_default(value: Any) -> str:
    """A default as YAML writes it, shortened."""
    plain = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
    text = plain if isinstance(plain, str) else yaml.safe_dump(plain, default_flow_style=True).split("\n...")[0].strip()
    return text if len(text) <= LONGEST_DEFAULT else text[: LONGEST_DEFAULT - 3] + "..."


def _comment(entry: ConfEntry, lines: list[str]) -> str:
    """The comment behind a setting, or else the comment lines right above it."""
    line, column = entry.node.end_mark.line, entry.node.end_mark.column
    behind = lines[line][column:].strip() if line < len(lines) else ""
    if behind.startswith("#"):
        return behind.lstrip("# ")
    first = (entry.key or entry.node).start_mark.line
    above = first
    while above > 0 and lines[above - 1].lstrip().startswith("#") and not lines[above - 1].startswith("# @package"):
        above -= 1
    return " ".join(each.strip().lstrip("# ") for each in lines[above:first]) if above > 0 else ""


def _table(described: list[Described]) -> Table:
    table = Table(Column("setting", no_wrap=True), Column("default"), Column("meaning", ratio=1), box=None)
    for each in described:
        table.add_row(each.name, each.default, each.meaning)
    return table


def _groups(groups: tuple[str, ...], conf: Path) -> Table:
    table = Table(Column("group", no_wrap=True), Column("choices or settings", ratio=1), box=None)
    for group in groups:
        choices = sorted(file.stem for file in (conf / group).glob("*.yaml"))
        if choices in (["default"], []):
            names = (
                each.name.partition(".")[2] for file in files_of(group, conf) for each in settings_in(file, conf, group)
            )
            table.add_row(group, ", ".join(names))
        else:
            table.add_row(group, "choices: " + ", ".join(choices))
    return table
