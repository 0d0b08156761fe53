"""The local page: runs, errors, labels, recording, retraining and trying, in the browser (`gestures app`)."""
