"""What to record or search for next: the plan's file, and how it is made."""
