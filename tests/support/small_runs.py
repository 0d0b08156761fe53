"""What the tests log: a small run with one of everything."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from static_gesture_classification.tracking.run_folder import RunFolder

CONFIG = {
    "model": {"name": "resnet18", "weights": None},
    "train_hyperparams": {"lr": 0.001, "epochs": 2, "betas": [0.9, 0.99]},
    "augs": {"p": 0.8, "flip": False},
}
TAGS = ["resnet18", "valid_run", "loss_focal"]


def log_epoch(run: RunFolder, epoch: int, score: float) -> None:
    """What training and evaluation log for one epoch, in miniature."""
    run.log_series({"training/train_loss": 1 / (epoch + 1), "training/val_weighted_F1": score}, epoch)
    run.log_series({f"val/classification_report/ONE/{name}": score for name in ("precision", "recall")}, epoch)
    figure = Figure(figsize=(2, 2))
    figure.subplots().imshow([[epoch, 1], [1, epoch]])
    run.log_figure(f"val/figures/confusion_matrices/{epoch:04d}", figure)
    run.log_table(f"val/predictions/{epoch:04d}", pd.DataFrame({"sample_id": ["a", "b"], "score": [score, 1.0]}))


def log_run(run: RunFolder) -> None:
    """Two epochs, a sample image and a distribution."""
    run.log_image("datasets/train_samples/sample_0", np.full((8, 8, 3), (250, 10, 10), np.uint8))
    run.log_text("datasets/notes", "two people")
    for epoch, score in enumerate((0.5, 0.75)):
        log_epoch(run, epoch, score)
    (run.checkpoint_folder / "checkpoint_epoch=1-val_weighted_F1=0.75.ckpt").write_bytes(b"weights")
