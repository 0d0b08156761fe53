# Both commands of the README in a container:
#   docker build --tag gestures .
#   docker run --rm --volume "$PWD/results:/project/reports" gestures           # make repro
#   docker run --rm gestures make test
FROM python:3.11-slim

# Git and Make for the commands, the others for cameras, videos, the recorder's window and the tests (as .ci/run).
RUN apt-get update && apt-get install --yes --no-install-recommends \
        git make libgl1 libglib2.0-0 xvfb xdotool strace chromium \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /project
COPY pyproject.toml constraints.txt setup.py MANIFEST.in Makefile README.md LICENSE ./
COPY static_gesture_classification static_gesture_classification
COPY train_static_gestures.py record_gestures.py ./
COPY conf conf
RUN make setup

COPY . .
# DVC works in a Git repository; a copy without .git becomes one.
RUN git rev-parse --git-dir > /dev/null 2>&1 || git init --quiet .
CMD ["make", "repro"]
