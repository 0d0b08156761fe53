"""The recorder's window: drawing and keys."""
