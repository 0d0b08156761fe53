"""Composes quickly: Hydra composes the same configuration again only where one of its files has changed."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hydra._internal import defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig

from static_gesture_classification.file_state import file_state

FIXED = ("pkg://", "structured://")


def compose_once() -> None:
    """Keep what Hydra composes, by all that it is composed of, and what it reads, by the file and its state."""
    _keep_choices()
    _keep_compositions()
    _keep_files()


def _state(folders: Iterable[str]) -> tuple[object, ...]:
    """All that a composition can be made of: the folders' files with their states, and what plugins have stored.

    Places in packages and in memory stay as they are while a process runs.
    """
    paths = [folder.removeprefix("file://") for folder in folders if not folder.startswith(FIXED)]
    files = [(str(path), *file_state(path)) for folder in paths for path in sorted(Path(folder).rglob("*.yaml"))]
    return (tuple(paths), tuple(files), pickle.dumps(ConfigStore.instance().repo.get("sources")))


def _keep_choices() -> None:
    """Which files the groups' choices mean."""
    find = defaults_list._create_defaults_list
    kept: dict[Any, bytes] = {}

    def find_files(repo: Any, config_name: Any, overrides: Any, prepend_hydra: bool, skip_missing: bool) -> Any:
        choices = {name: value for name, value in vars(overrides).items() if name != "config_overrides"}
        state = _state(source.full_path() for source in repo.get_sources())
        key = (config_name, pickle.dumps(choices), prepend_hydra, skip_missing, state)
        if key not in kept:
            found = find(repo, config_name, overrides, prepend_hydra, skip_missing)
            kept[key] = pickle.dumps((found, {name: getattr(overrides, name) for name in choices}))
        found, after = pickle.loads(kept[key])
        vars(overrides).update(after)
        return found

    defaults_list._create_defaults_list = find_files


def _keep_compositions() -> None:
    """Values of the command line come after what is kept, so that all tests with the same choices of files share it."""
    compose = ConfigLoaderImpl._compose_config_from_defaults_list
    kept: dict[Any, bytes] = {}

    def compose_files(loader: ConfigLoaderImpl, defaults: Any, repo: Any) -> DictConfig:
        key = (repr(defaults), _state(each.path for each in loader.get_search_path().get_path()))
        if key not in kept:
            kept[key] = pickle.dumps(compose(loader, defaults, repo))
        composed: DictConfig = pickle.loads(kept[key])
        return composed

    ConfigLoaderImpl._compose_config_from_defaults_list = compose_files  # type: ignore[method-assign]


def _keep_files() -> None:
    Plugins.instance()  # it registers the sources
    source_of_files = SourcesRegistry.instance().resolve("file")
    read = source_of_files.load_config
    kept: dict[tuple[str, tuple[int, int]], bytes] = {}

    def load_config(source: Any, config_path: str) -> ConfigResult:
        path = Path(source.path) / source._normalize_file_name(config_path)
        key = (str(path.resolve()), file_state(path))
        if key not in kept:
            kept[key] = pickle.dumps(read(source, config_path))
        result: ConfigResult = pickle.loads(kept[key])
        result.path, result.provider = f"{source.scheme()}://{source.path}", source.provider
        return result

    source_of_files.load_config = load_config  # type: ignore[method-assign]
