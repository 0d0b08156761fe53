"""Gestures in use: a camera is watched, gestures begin and end, hooks act on them, errors are caught."""
