"""The composed configuration: the entry-point decorator of every stage, and `params.yaml`.

`conf/` is the only place where parameters are written. A stage run by hand composes it itself, with overrides from
the command line. The pipeline runs its stages on `params.yaml`, the same configuration composed once, because that
is what DVC compares to decide what to rerun:

    gestures compose [overrides]      # writes params.yaml
"""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import hydra
import yaml
from hydra import compose
from hydra._internal.hydra import Hydra
from hydra.conf import HydraConf, RunDir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf, flag_override, open_dict

from static_gesture_classification.atomic_files import write_text
from static_gesture_classification.command_help import show_help
from static_gesture_classification.command_line import as_typed
from static_gesture_classification.commands import Command, command_of
from static_gesture_classification.conf_files import default_sources
from static_gesture_classification.errors import UserError
from static_gesture_classification.garbage_collection import leave_out_what_is_there
from static_gesture_classification.local_settings import check_local_settings
from static_gesture_classification.terminal import print_anything, tell_error, watched

PROJECT = Path(__file__).resolve().parent.parent
# In a checkout conf/ lies beside the package; a wheel carries it inside.
CONF = next(folder / "conf" for folder in (PROJECT, Path(__file__).parent) if (folder / "conf/config.yaml").is_file())
# Where the package is installed, a working folder may have files of its own: conf/local/, conf/sources/mine.yaml, ...
OWN_CONF = Path("conf")
PARAMS = Path("params.yaml")
COMPOSED = Path("data/composed")
# Settings of commands that are no stages.
NOT_OF_THE_PIPELINE = {
    "add",
    "admission",
    "crop_copy",
    "data_copy",
    "download",
    "export",
    "export_onnx",
    "fix_labels",
    "live",
    "loop",
    "mining",
    "predict",
    "register",
    "report",
    "retrain",
    "review",
    "runs",
    "sweep",
    "sync",
}
_LIKE_A_NUMBER = re.compile(r"[-+.\d][-+.\d_eE:]*")  # 1e5 is text for YAML 1.1, and a number for OmegaConf
COMPOSED_ELSEWHERE = {"--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp"}  # not from conf/

# Stages name their own outputs, so Hydra's run folder is the working directory and it writes nothing of its own.
_HYDRA = HydraConf(run=RunDir("."), output_subdir=None)
for _choice in _HYDRA.defaults:
    _choice.update({group: "none" for group in ("hydra_logging", "job_logging") if group in _choice})
ConfigStore.instance().store(group="hydra", name="config", node=_HYDRA, provider="static_gesture_classification")


class OwnConf(SearchPathPlugin):
    """Lets Hydra find the working folder's own files, wherever it composes."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the folder, where it is not conf/ itself."""
        if _has_own_conf():
            search_path.append("own", f"file://{OWN_CONF.resolve()}")


def _has_own_conf() -> bool:
    return OWN_CONF.is_dir() and OWN_CONF.resolve() != CONF


Plugins.instance().register(OwnConf)


_mode_of = Hydra.get_mode


def _mode_without_composing(self: Hydra, config_name: str | None, overrides: list[str]) -> Any:
    """The mode that an override names; None, for one run, without one.

    Hydra would compose everything first to read `hydra.mode`, and then once more to run: half a second in each command.
    """
    named = any("hydra.mode" in override for override in overrides)
    return _mode_of(self, config_name, overrides) if named else None


Hydra.get_mode = _mode_without_composing  # type: ignore[method-assign]


def register_default_sources(*folders: Path) -> None:
    """Make `sources: default` stand for the files of sources/ that say they are default (`default_sources`)."""
    ConfigStore.instance().store(group="sources", name="default", node={"defaults": default_sources(*folders)})


register_default_sources(CONF, OWN_CONF)


def entry_point(run: Callable[[DictConfig], Any]) -> Callable[[], None]:
    """Make a stage's `main(config)` a command: Hydra's command line, errors of the user's without a traceback."""

    @functools.wraps(run)
    def main(config: DictConfig) -> None:
        with told_errors():
            expand_homes(config)
            if "DVC_STAGE" in os.environ:
                watched.stage(os.environ["DVC_STAGE"].rpartition(":")[2])
            run(config)

    @functools.wraps(run)  # tests call the stage itself as `main.__wrapped__(config)`
    def command() -> None:
        leave_out_what_is_there()
        print_anything()
        this = command_of(_module_of(run))
        with told_errors():
            if this is not None and {"--help", "-h"} & set(sys.argv[1:]):
                show_help(this, CONF)
                return
            sys.argv[1:] = as_typed(sys.argv[1:], CONF, this.own if this else (), this.argument if this else "")
            if not COMPOSED_ELSEWHERE & {argument.partition("=")[0] for argument in sys.argv[1:]}:
                check_local_settings(CONF, OWN_CONF if _has_own_conf() else CONF)
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(main)()

    return command


def show_help_of(command: Command) -> None:
    """Print the settings of a command."""
    print_anything()
    with told_errors():
        show_help(command, CONF)


def _module_of(run: Callable[..., Any]) -> str:
    """The module that a `main` is of, also where it runs as `python -m MODULE` or as a script."""
    if run.__module__ != "__main__":
        return run.__module__
    specification = sys.modules["__main__"].__spec__
    return specification.name if specification else Path(sys.argv[0]).stem


@contextmanager
def told_errors() -> Iterator[None]:
    """End the command with status 1 and the message of a `UserError`, without a traceback."""
    try:
        yield
    except UserError as error:
        tell_error(str(error))
        sys.exit(1)


def expand_homes(config: DictConfig) -> None:
    """Make `~` at the beginning of a text the user's home folder, in place: a shell does so only where it sees a path.

    >>> config = OmegaConf.create({"sources": {"folder": {"root": "~/photos"}}, "note": "a ~/b"})
    >>> expand_homes(config)
    >>> config.sources.folder.root == os.path.expanduser("~/photos"), config.note
    (True, 'a ~/b')
    """
    written = OmegaConf.to_container(config, resolve=False)
    with open_dict(config), flag_override(config, "readonly", False):
        for place, text in _texts(written):
            if text == "~" or text.startswith(("~/", "~\\")):
                OmegaConf.update(config, place, os.path.expanduser(text))  # noqa: PTH111  Path would drop a last slash


def _texts(node: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """All texts of a configuration, with where they are (OmegaConf's `a.b[0]`)."""
    if isinstance(node, str):
        yield place, node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _texts(value, f"{place}[{key}]")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _texts(value, f"{place}[{index}]")


def compose_again(overrides: Sequence[str]) -> DictConfig:
    """The configuration with these overrides, as a command that Hydra has started gets it."""
    config = compose("config", overrides=list(overrides))
    expand_homes(config)
    return config


def write_params(configuration: Mapping[str, Any]) -> bool:
    """Write what the stages read to `params.yaml` unless it holds that already; returns whether it changed.

    Under `dvc exp run` DVC has composed it, with the experiment's overrides, so it is left alone.
    """
    if "DVC_EXP_NAME" in os.environ and PARAMS.is_file():
        return False
    read = {name: node for name, node in configuration.items() if name not in NOT_OF_THE_PIPELINE}
    header = "# Composed from conf/ by `make repro` and `dvc repro`; edit conf/, not this file.\n"
    text = header + yaml.dump(read, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=120)
    if PARAMS.is_file() and PARAMS.read_text(encoding="utf-8") == text:
        return False
    write_text(PARAMS, text)
    return True


class _Dumper(yaml.SafeDumper):
    """Writes texts that YAML 1.2 or OmegaConf would read as numbers in quotes, and nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "'" if _LIKE_A_NUMBER.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


@entry_point
def main(config: DictConfig) -> None:
    """Compose `params.yaml`, and leave `data/composed` for the stages that come after it."""
    write_params(cast(dict[str, Any], OmegaConf.to_container(config, resolve=True)))
    write_text(COMPOSED, "params.yaml is composed from conf/\n")


if __name__ == "__main__":
    main()
