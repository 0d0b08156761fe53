"""Search unlabelled pictures for hands similar to the errors, review them, and admit them."""
