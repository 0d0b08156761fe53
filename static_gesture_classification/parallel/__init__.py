"""Where work runs in parallel: on this machine's processors, or on a cluster. One file per engine."""
