"""The sources that the configuration selects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import hydra
from omegaconf import DictConfig

from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary, require_text
from static_gesture_classification.sources.source import Source
from static_gesture_classification.sources.unknown_labels import IGNORE


class Sources(tuple[Source, ...]):
    """The selected sources in the order of the configuration; the first one keeps a picture that two have."""

    __slots__ = ()

    @classmethod
    def from_config(cls, config: DictConfig) -> Sources:
        """The sources of `sources` that are enabled.

        Raises:
            UserError: `gestures.labels` maps a label to no gesture; see also `Source`.
        """
        labels = {str(label): gesture for label, gesture in (config.gestures.get("labels") or {}).items()}
        _check_labels(labels, Vocabulary.from_config(config))
        return cls.build(config.get("sources"), config.seed, labels)

    @classmethod
    def build(cls, nodes: Mapping[Any, Any] | None, seed: int = 0, labels: Mapping[str, str] | None = None) -> Sources:
        """The enabled sources among `nodes`, by name.

        A node without a `_target_` is ignored: conf/local/ may set the root of a source that is not selected.

        Args:
            labels: label -> gesture, for all sources, whatever their own label maps say.
        """
        wanted = {name: node for name, node in (nodes or {}).items() if node is not None and "_target_" in node}
        common = {"labels": dict(labels)} if labels else {}
        return cls(
            hydra.utils.instantiate(node, name=str(name), seed=seed, _convert_="all", **common)
            for name, node in wanted.items()
            if node.get("enabled", True)
        )


def _check_labels(labels: Mapping[str, str], vocabulary: Vocabulary) -> None:
    require_text([*labels, *labels.values()], "gestures.labels")
    for label, gesture in labels.items():
        if gesture != IGNORE and gesture not in vocabulary:
            raise UserError(
                f"gestures.labels maps {label!r} to {gesture}, which is not in gestures.names; add it there, or take "
                "the label out (conf/local/default.yaml, if `gestures add` wrote it)"
            )
