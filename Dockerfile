# Both commands of the README in a container:
#   docker build --tag gesture-training .
#   docker run --name repro gesture-training                           # make repro; if it is stopped: docker start --attach repro
#   docker cp repro:/project/reports reports                   # and repro:/project/models
#   docker run --rm gesture-training make test
#
# Datasets, recordings and the settings of this machine are not in the image; hand them in:
#   docker run --volume "$PWD/data/raw:/project/data/raw:ro" --volume "$PWD/conf/local:/project/conf/local:ro" gesture-training
#
# PyPI's torch brings CUDA, several GB. Without a GPU:
#   docker build --build-arg PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu --tag gesture-training .
FROM python:3.11-slim-bookworm

# Git and Make for the commands, the others for cameras, videos, the recorder's window and the tests (as .ci/run).
RUN apt-get update && apt-get install --yes --no-install-recommends \
        git make libgl1 libglib2.0-0 libatomic1 xvfb xdotool strace chromium \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home gestures && install --directory --owner gestures --group gestures /project
USER gestures
WORKDIR /project

# The dependencies, by what names them alone: a change of the code or the README does not install them again.
ARG PIP_EXTRA_INDEX_URL
COPY --chown=gestures:gestures pyproject.toml constraints.txt setup.py MANIFEST.in Makefile LICENSE ./
RUN mkdir static_gesture_classification \
    && touch static_gesture_classification/__init__.py train_static_gestures.py record_gestures.py README.md \
    && PIP_NO_CACHE_DIR=1 make setup

# DVC works in a Git repository; a copy without .git becomes one. What COPY brings may be younger than what is installed.
COPY --chown=gestures:gestures . .
RUN git rev-parse --git-dir > /dev/null 2>&1 || { rm -rf .git && git init --quiet .; } ; touch .venv/.installed
CMD ["make", "repro"]
