"""From crops to a trained network: batches, augmentation, networks, losses, the Lightning module, checkpoints."""

import static_gesture_classification.torchvision_operators  # noqa: F401  (before lightning and timm import torchvision)
