"""The run folder, the truth about a run, and the trackers that mirror it."""

import static_gesture_classification.torchvision_operators  # noqa: F401  (before lightning imports torchvision)
