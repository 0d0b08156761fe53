"""What acts on gestures: one file for each way out."""
