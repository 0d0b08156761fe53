"""Composes quickly: Hydra parses a file of the configuration again only where it has changed."""

from __future__ import annotations

import pickle
from pathlib import Path

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.plugins.config_source import ConfigResult

from static_gesture_classification.file_state import file_state


def parse_conf_files_once() -> None:
    """Keep what Hydra's source of files reads, by the file and its state."""
    read = FileConfigSource.load_config
    kept: dict[tuple[str, tuple[int, int]], bytes] = {}

    def load_config(source: FileConfigSource, config_path: str) -> ConfigResult:
        path = Path(source.path) / source._normalize_file_name(config_path)
        key = (str(path.resolve()), file_state(path))
        if key not in kept:
            kept[key] = pickle.dumps(read(source, config_path))
        result: ConfigResult = pickle.loads(kept[key])
        result.path, result.provider = f"{source.scheme()}://{source.path}", source.provider
        return result

    FileConfigSource.load_config = load_config  # type: ignore[method-assign]
