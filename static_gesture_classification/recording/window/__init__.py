"""The recorder's window: what is drawn, which keys there are."""
