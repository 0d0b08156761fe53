"""Predictions table, metrics, figures, the evaluate stage, and choosing the best epoch."""

import static_gesture_classification.torchvision_operators  # noqa: F401  (before lightning imports torchvision)
