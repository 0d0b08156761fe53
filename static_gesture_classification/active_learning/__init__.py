"""Active learning: find confusions, record or mine such samples, admit the model's errors, retrain and compare."""
