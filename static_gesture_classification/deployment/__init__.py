"""A checkpoint leaves the project: ONNX, int8, and the model card."""
