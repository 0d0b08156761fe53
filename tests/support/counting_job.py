"""A command for tests of jobs: counts to a number, says so, and ends as it is told."""

from __future__ import annotations

import sys
import time

from static_gesture_classification.terminal import begin_stage, say, track, warn


def main() -> None:
    """Count; `fail` ends with an error, `wait` goes on until it is asked to stop."""
    begin_stage("count")
    for _ in track(range(5), "counting", 5, "numbers"):
        pass
    begin_stage("end")
    if "fail" in sys.argv:
        say("error: the number is odd; take an even one")
        sys.exit(1)
    try:
        say("it waits")
        sys.stdout.flush()
        while "wait" in sys.argv:
            time.sleep(0.05)
    except KeyboardInterrupt:
        warn("stopped whole")
        sys.exit(130)


if __name__ == "__main__":
    main()
