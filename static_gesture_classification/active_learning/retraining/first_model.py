"""A first model within a minute, without a photograph: it learns from drawn hands.

    gestures first-model

Some pictures of drawn hands are what it is measured on; thousands of posed hands without pictures, landmarks only, are
what it learns from. It is the quick loop with `conf/experiment/drawn_hands.yaml`, so that what you record later joins:
`gestures retrain +experiment=drawn_hands`.
"""

from __future__ import annotations

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from static_gesture_classification.active_learning.retraining.retrain import STAGES
from static_gesture_classification.code_identity import PACKAGE
from static_gesture_classification.commands_in_turn import run_in_turn
from static_gesture_classification.configuration import entry_point

DRAW = "draw hands"
EXPERIMENT = "+experiment=drawn_hands"
FIRST_STAGES = (DRAW, *STAGES)


@entry_point
def main(config: DictConfig) -> None:
    """Draw hands, and train on them."""
    given = list(HydraConfig.get().overrides.task)
    run_in_turn(
        [
            (DRAW, [PACKAGE, "synthetic", EXPERIMENT, *given]),
            ("", [PACKAGE, "retrain", EXPERIMENT, *given]),
        ]
    )


if __name__ == "__main__":
    main()
