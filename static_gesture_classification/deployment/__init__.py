"""A checkpoint leaves the project: ONNX, int8, and the model card."""

import static_gesture_classification.torchvision_operators  # noqa: F401  (before lightning imports torchvision)
