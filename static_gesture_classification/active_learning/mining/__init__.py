"""Search pictures that nobody labelled for hands like the errors, review them, and admit them."""
