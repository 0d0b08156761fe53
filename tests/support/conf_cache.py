"""Composes quickly: Hydra composes the same configuration again only where one of its files has changed."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig

from static_gesture_classification.file_state import file_state


def compose_once() -> None:
    """Keep what Hydra composes, by all that it is composed of, and what it reads, by the file and its state."""
    _keep_compositions()
    _keep_files()


def _keep_compositions() -> None:
    """Values of the command line come after what is kept, so that all tests with the same choices of files share it."""
    compose = ConfigLoaderImpl._compose_config_from_defaults_list
    kept: dict[Any, bytes] = {}

    def compose_files(loader: ConfigLoaderImpl, defaults: Any, repo: Any) -> DictConfig:
        folders = [each.path.removeprefix("file://") for each in loader.get_search_path().get_path()]
        files = {str(path): file_state(path) for folder in folders for path in Path(folder).rglob("*.yaml")}
        stored = pickle.dumps(ConfigStore.instance().repo.get("sources"))
        key = (repr((defaults, folders)), tuple(sorted(files.items())), stored)
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
