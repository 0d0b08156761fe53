"""`python -m static_gesture_classification` is the console script `gestures`."""

from static_gesture_classification.commands import main

if __name__ == "__main__":
    main()
