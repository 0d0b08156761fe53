"""A new gesture for a landmark checkpoint, from a few samples or a pose."""
