"""`dvc exp run` composes conf/ with Hydra and without our commands; Hydra imports this first, wherever it composes."""

import static_gesture_classification.configuration  # noqa: F401  registers `sources: default`
