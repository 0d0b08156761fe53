"""Every setting in conf/ with its defaults and its place, read without Hydra.

The command line needs to know which settings are text, to take them as typed. conf/local/ needs to know which settings
exist, to refuse a mistyped one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from static_gesture_classification.errors import UserError

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
PACKAGE_COMMENT = re.compile(r"#\s*@package\s+(\S+)")
DEFAULT_SOURCE = re.compile(r"^# @default (\d+)$", re.MULTILINE)
GLOBAL = "_global_"
INTERPOLATION = re.compile(r"\$\{(?:oc\.select:)?([\w.]+)(?:,([^{}]*))?\}")
NULL, TEXT_TAG = "tag:yaml.org,2002:null", "tag:yaml.org,2002:str"

# Text settings that are null until they are set: nothing else says that they are text.
TEXT_OR_NULL = (
    "add.checkpoint",
    "add.gesture",
    "add.subject",
    "crop_copy.url",
    "data_copy.url",
    "crops.part",
    "download.dataset",
    "evaluate.crops",
    "evaluate.landmarks",
    "evaluate.samples",
    "evaluate.split",
    "export.checkpoint",
    "export.output",
    "export.split",
    "fix_labels.apply",
    "fix_labels.sample",
    "fix_labels.to",
    "fix_labels.undo",
    "fix_labels.who",
    "live.checkpoint",
    "live.json_lines",
    "live.room",
    "live.second",
    "live.source",
    "live.subject",
    "logger.mlflow.artifact_location",
    "logger.mlflow.tracking_uri",
    "logger.neptune.mode",
    "logger.neptune.project",
    "mining.list",
    "mining.pool",
    "parallel.address",
    "predict.input",
    "promote.run",
    "recording.checkpoint",
    "recording.gesture",
    "recording.mistaken_for",
    "recording.refit_landmarks",
    "recording.rescue",
    "recording.room",
    "recording.source",  # 0 is a camera, 2024_11_05 a folder: the recorder tells them apart
    "recording.subject",
    "register.artifact_location",
    "register.tracking_uri",
    "report.run",
    "runs.run",
    "sources.*.choice",
    "sources.*.data",
    "sources.*.image",
    "sources.*.licence",
    "sources.*.subject_pattern",
    "sources.*.units",
    "sync.run",
)
AUTO_DEFAULT = "auto"  # the default of settings that take truth values or numbers too
LABELS = "labels"  # maps of labels to gestures: keys and values are names


@dataclass(frozen=True)
class ConfEntry:
    """A setting in a file. `key` is the node of its name; None for an item of a list."""

    path: tuple[str, ...]
    node: yaml.Node
    file: Path
    key: yaml.Node | None = None

    @property
    def is_leaf(self) -> bool:
        """Whether it is a value; an empty group of settings is one too."""
        return not isinstance(self.node, yaml.MappingNode) or not self.node.value

    def where(self, node: yaml.Node | None = None) -> str:
        """File and line of a node of this entry, for messages."""
        return f"{self.file}, line {(node or self.key or self.node).start_mark.line + 1}"


@dataclass
class Declared:
    """The settings of conf/ without conf/local/: path -> default values, one for each file that has it."""

    defaults: dict[str, list[Any]] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)  # paths of nodes that hold settings
    choices: set[str] = field(default_factory=set)  # groups of files to choose from, as in model=resnet18

    def knows(self, path: str) -> bool:
        """Whether a setting, a group of settings or a choice has this path."""
        return path in self.defaults or path in self.groups or path in self.choices

    def is_text(self, path: str) -> bool:
        """Whether a setting is text, by its default or, where that is null, by `TEXT_OR_NULL`."""
        if any(fnmatchcase(path, text) for text in TEXT_OR_NULL) or LABELS in path.split(".")[:-1]:
            return True
        return any(isinstance(value, str) and value != AUTO_DEFAULT for value in self._values(path))

    def _values(self, path: str, depth: int = 5) -> Iterator[Any]:
        """The default values, references followed."""
        for value in self.defaults.get(path, []):
            reference = INTERPOLATION.fullmatch(value) if isinstance(value, str) else None
            if reference is None or depth == 0:
                yield value
                continue
            other, default = reference.groups()
            found = list(self._values(self._absolute(other, path), depth - 1))
            yield from found or ([] if default is None else [yaml.load(default, Loader)])

    def _absolute(self, reference: str, path: str) -> str:
        """The path that a reference means: each leading dot is a level up from the setting."""
        name = reference.lstrip(".")
        up = len(reference) - len(name)
        return ".".join([*path.split(".")[:-up], name]) if up else name


@lru_cache(maxsize=4)
def read_declared(conf: Path) -> Declared:
    """Read the settings of all files of conf/.

    Raises:
        UserError: a file is not YAML; a gesture or label lacks quotes, so that it is no text.
    """
    result = Declared()
    for file in sorted(conf.rglob("*.yaml")):
        group = file.relative_to(conf).parent.as_posix()
        if group == "local":
            continue
        if group != ".":
            result.choices.add(group)
        package = package_of(file, group)
        for entry in entries(file):
            check_names(entry, package)
            path = ".".join([*package, *entry.path])
            if entry.is_leaf:
                result.defaults.setdefault(path, []).append(value_of(entry.node))
            result.groups |= {".".join(path.split(".")[:end]) for end in range(1, path.count(".") + 1)}
    return result


def default_sources(*folders: Path) -> list[str]:
    """The sources that are read by default: their files have a line `# @default N`. Sorted by N, then by name.

    Each of `folders` is laid out as conf/.

    The rows of the sample table have this order. Where two sources have one picture, the first source keeps it.
    """
    marked = {}
    for file in (file for folder in folders for file in (folder / "sources").glob("*.yaml")):
        if found := DEFAULT_SOURCE.search(file.read_text(encoding="utf-8-sig")):
            marked[file.stem] = int(found[1])
    return sorted(marked, key=lambda name: (marked[name], name))


def package_of(file: Path, group: str) -> tuple[str, ...]:
    """Where a file's settings go, by its first line, else by its folder."""
    with file.open(encoding="utf-8-sig") as lines:
        header = PACKAGE_COMMENT.match(lines.readline())
    package = header.group(1) if header else group.replace("/", ".")
    return () if package in (GLOBAL, ".") else tuple(package.split("."))


def entries(file: Path) -> Iterator[ConfEntry]:
    """All settings of a file but Hydra's `defaults`; a group comes before its settings; a list is a value.

    Raises:
        UserError: the file is not UTF-8, is not YAML, or holds no settings; names the line.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
        root = yaml.compose(text, Loader)
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 ({error.reason}); save it as UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        lines = text.splitlines()
        tab = mark and mark.line < len(lines) and lines[mark.line].startswith("\t")
        why = "it begins with a tab; YAML takes spaces only" if tab else getattr(error, "problem", None) or str(error)
        raise UserError(f"{file}{line}: {why}") from error
    if root is None or root.tag == NULL:
        return
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"{file}, line 1: it must hold settings, such as `seed: 1`")
    for entry in _below(root, (), file):
        if entry.path[0] != "defaults":
            yield entry


def _below(node: yaml.MappingNode, path: tuple[str, ...], file: Path) -> Iterator[ConfEntry]:
    for key, value in node.value:
        entry = ConfEntry((*path, str(key.value)), value, file, key)
        yield entry
        if isinstance(value, yaml.MappingNode):
            yield from _below(value, entry.path, file)


def value_of(node: yaml.Node) -> Any:
    """The plain value of a node; a list without its items."""
    if isinstance(node, yaml.ScalarNode):
        return node.value if node.tag == TEXT_TAG else yaml.safe_load(node.value) if not node.style else node.value
    return [] if isinstance(node, yaml.SequenceNode) else {}


def check_names(entry: ConfEntry, package: tuple[str, ...] = ()) -> None:
    """Raise `UserError` for a gesture or label that YAML reads as a truth value, a number or null: it needs quotes."""
    path = (*package, *entry.path)
    names: list[yaml.Node] = []
    if LABELS in path[:-1]:
        names = [entry.key, entry.node] if entry.key is not None else [entry.node]
    elif path[:1] == ("poses",) and path[1:2] == ("gestures",) and len(path) == 3 and entry.key is not None:
        names = [entry.key]
    elif (path[:1] == ("sources",) and path[-1] == "gestures") or path == ("gestures", "names"):
        names = list(entry.node.value) if isinstance(entry.node, yaml.SequenceNode) else []
    elif path == ("gestures", "background") and entry.node.tag != NULL:
        names = [entry.node]
    for name in names:
        if isinstance(name, yaml.ScalarNode) and not is_name(name):
            raise UserError(
                f"{entry.where(name)}: {name.value or 'nothing'} is a name of {'.'.join(path)}, but YAML reads it as "
                f'{_kind(name)}; put it in quotes: "{name.value}"'
            )


def is_name(node: yaml.ScalarNode) -> bool:
    """Whether a scalar is read as text."""
    if node.style:  # in quotes
        return True
    return node.tag in (TEXT_TAG, "tag:yaml.org,2002:timestamp") and not _is_number(node.value)


def _is_number(text: str) -> bool:
    try:
        float(text)  # 1e5 is text for YAML 1.1, and a number for OmegaConf
    except ValueError:
        return False
    return True


def _kind(node: yaml.ScalarNode) -> str:
    kinds = {"bool": "a truth value", "null": "nothing"}
    return kinds.get(node.tag.rpartition(":")[2], "a number")
