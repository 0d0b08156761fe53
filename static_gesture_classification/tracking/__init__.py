"""The run folder, the truth about a run, and the trackers that mirror it."""
