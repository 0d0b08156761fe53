"""The quick loop: from new samples to a new confusion matrix in a minute."""
