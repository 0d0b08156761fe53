"""Frame in, gestures out: reading images and videos, the predictor, its command, and the export to ONNX."""
