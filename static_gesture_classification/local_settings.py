"""conf/local/default.yaml, the settings of one machine: each is used or refused, never ignored."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

import yaml
from hydra.utils import get_object

from static_gesture_classification.conf_files import NULL, ConfEntry, Declared, check_names, entries, read_declared
from static_gesture_classification.errors import UserError

LOCAL = "local/default.yaml"
ELSEWHERE = ("local.yaml", "local.yml", "default.yaml", "default.yml", "local/default.yml", "local/local.yaml")
# Groups that may hold anything: names of gestures, poses, labels, tags and the like.
OPEN_NODES = ("poses", "download", "tags", "hydra")
SIMILAR_SETTING = 0.6


def check_local_settings(conf: Path, own: Path | None = None) -> None:
    """Check the local settings.

    Args:
        conf: the folder whose files declare the settings.
        own: the folder of `local/default.yaml`, where it is another.

    Raises:
        UserError: the file is in the wrong place, is no YAML in UTF-8, or has an unknown setting; names the line and
            the nearest setting.
    """
    folder = own or conf
    for name in ELSEWHERE:
        if (folder / name).is_file():
            raise UserError(f"{folder / name} is read by nothing; the settings of this machine are {folder / LOCAL}")
    file = folder / LOCAL
    if not file.is_file():
        return
    known = read_declared(conf)
    settings = list(entries(file))
    free: list[tuple[str, ...]] = []  # groups in which every setting is allowed
    for entry in settings:
        check_names(entry)
        if any(entry.path[: len(group)] == group for group in free):
            continue
        if _is_open(entry, settings, known):
            free.append(entry.path)
        else:
            _check(entry, known)


def _is_open(entry: ConfEntry, own: Iterable[ConfEntry], known: Declared) -> bool:
    """Whether a group may hold any setting: it is in `OPEN_NODES`, maps labels, or is new and has a `_target_`."""
    path = ".".join(entry.path)
    if entry.path[0] in OPEN_NODES or entry.path[-1] == "labels":
        return True
    if known.defaults.get(path) and all(value in (None, {}) for value in known.defaults[path]):
        return True
    return not known.knows(path) and any(other.path == (*entry.path, "_target_") for other in own)


def _check(entry: ConfEntry, known: Declared) -> None:
    path = ".".join(entry.path)
    if "." in entry.path[-1] and known.knows(path):
        raise UserError(
            f"{entry.where()}: {entry.path[-1]}: a dot does not lead into a group here; write\n\n{_nest(path)}"
        )
    if not known.knows(path) and not _target_takes(entry, known):
        raise UserError(f"{entry.where()}: there is no setting {path}{_nearest(entry, known)}")
    if path in known.groups and path not in known.defaults and _is_value(entry):
        raise UserError(
            f"{entry.where()}: {path} is a group of settings ({', '.join(_below(path, known)[:5])}, ...), not one; "
            f"indent what belongs to it below {entry.path[-1]}:{_choice(entry, known)}"
        )


def _choice(entry: ConfEntry, known: Declared) -> str:
    """How to choose a file of conf/<group>/, in words; "" for other groups."""
    group, chosen = "/".join(entry.path), getattr(entry.node, "value", "")
    if group not in known.choices or not isinstance(chosen, str):
        return ""
    return f". To choose conf/{group}/{chosen}.yaml, write\n\ndefaults:\n  - override /{group}: {chosen}"


def _is_value(entry: ConfEntry) -> bool:
    return not isinstance(entry.node, yaml.MappingNode) and not (
        entry.node.tag == NULL or str(entry.node.value).startswith("${")
    )


def _target_takes(entry: ConfEntry, known: Declared) -> bool:
    """Whether the `_target_` of the group has an argument of that name."""
    for target in known.defaults.get(".".join([*entry.path[:-1], "_target_"]), []):
        try:
            arguments = inspect.signature(get_object(target)).parameters.values()
        except Exception:  # a library is missing; Hydra reports that when it builds the target
            return True
        if any(each.name == entry.path[-1] or each.kind is each.VAR_KEYWORD for each in arguments):
            return True
    return False


def _below(group: str, known: Declared) -> list[str]:
    """Names directly below a group; "" is the top level."""
    prefix = f"{group}." if group else ""
    paths = (*known.defaults, *known.groups, *known.choices)
    names = {path[len(prefix) :].split(".")[0] for path in paths if path.startswith(prefix)}
    return sorted(names - {"", "_target_"})


def _nearest(entry: ConfEntry, known: Declared) -> str:
    """The setting that is probably meant, or all names of the group, in words."""
    group = ".".join(entry.path[:-1])
    elsewhere = sorted(path for path in (*known.defaults, *known.groups) if path.rpartition(".")[2] == entry.path[-1])
    if elsewhere:
        return f"; there is {', '.join(elsewhere[:3])}"
    beside = get_close_matches(entry.path[-1], _below(group, known), n=1, cutoff=SIMILAR_SETTING)
    if beside:
        return f"; the nearest is {'.'.join([*entry.path[:-1], beside[0]])}"
    return f"; {group or 'the top level'} has {', '.join(_below(group, known)[:20])}"


def _nest(path: str) -> str:
    return "\n".join(f"{'  ' * depth}{name}:" for depth, name in enumerate(path.split(".")))
