"""The stages between raw data and training: index, crops, split, landmarks."""
