"""The whole pipeline, as `make repro` runs it: parameters, all stages that changed, and what came out.

gestures repro [overrides]
"""

from __future__ import annotations

from pathlib import Path

import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from static_gesture_classification.code_identity import PACKAGE
from static_gesture_classification.commands_in_turn import run_in_turn
from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError

PIPELINE = Path("dvc.yaml")


@entry_point
def main(config: DictConfig) -> None:
    """Run it."""
    if not PIPELINE.is_file():
        raise UserError(f"there is no {PIPELINE} here; run this in a checkout of the project")
    given = list(HydraConfig.get().overrides.task)
    run_in_turn(
        [
            ("", [PACKAGE, "compose", *given]),
            ("", ["dvc", "repro"]),
            ("", [PACKAGE, "summary", *given]),
        ]
    )


def pipeline_stages() -> list[str]:
    """The stages in their order; none where there is no pipeline here."""
    if not PIPELINE.is_file():
        return []
    return list(yaml.safe_load(PIPELINE.read_text(encoding="utf-8"))["stages"])


if __name__ == "__main__":
    main()
