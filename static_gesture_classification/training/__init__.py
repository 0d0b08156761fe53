"""Data module, augmentation, models, losses and the Lightning module."""

import static_gesture_classification.torchvision_operators  # noqa: F401  (before lightning imports torchvision)
