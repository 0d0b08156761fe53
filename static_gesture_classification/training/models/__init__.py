"""Networks: what all have in common (network.py), and one file per library that backbones come from."""

import static_gesture_classification.torchvision_operators  # noqa: F401  (before timm imports torchvision)
