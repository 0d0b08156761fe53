"""Search the settings of a training: many trials, of which the bad ones are stopped early (docs/sweeps.md).

    gestures sweep                                  # the landmark model: conf/sweep/landmarks.yaml
    gestures sweep sweep=crops model=mobilenet_v2
    gestures sweep trials=40                        # goes on with the study

Each trial is an ordinary run. Repeat the command to go on with a sweep that was interrupted, or to add trials.
"""

from __future__ import annotations

from importlib.util import find_spec

from omegaconf import DictConfig

from static_gesture_classification.configuration import entry_point
from static_gesture_classification.errors import UserError
from static_gesture_classification.terminal import next_steps, show_table


@entry_point
def main(config: DictConfig) -> None:
    """Run the trials that are left, show what they found, and promote the best one if it is better."""
    require_optuna()
    from static_gesture_classification.sweeps import results, winner
    from static_gesture_classification.sweeps.settings import SweepSettings
    from static_gesture_classification.sweeps.study import open_study
    from static_gesture_classification.sweeps.trial import run_trials

    settings = SweepSettings.from_config(config)
    with open_study(settings) as study:
        run_trials(study, settings)
        show_table(results.terminal_table(results.write_results(study, settings), settings))
        winner.settle_winner(study, settings)
    next_steps(
        {
            "all trials": str(settings.folder / results.TRIALS),
            "as a picture": str(settings.folder / results.PARALLEL_COORDINATES),
            "their runs": "gestures runs",
            "more trials": "gestures sweep with the same settings, and trials=N",
        }
    )


def require_optuna() -> None:
    """Raise `UserError` where Optuna is not installed."""
    if find_spec("optuna") is None:
        raise UserError(
            "gestures sweep needs Optuna, which is absent: pip install 'static-gesture-classification[sweep]'"
        )


if __name__ == "__main__":
    main()
