"""Networks: what all have in common (network.py), and one file per library that backbones come from."""
