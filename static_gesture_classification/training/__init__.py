"""From crops or landmarks to a trained network: input kinds, batches, augmentation, networks, losses, checkpoints.

`settings` and `inputs` do without torch, which takes seconds to import.
"""
