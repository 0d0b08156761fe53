"""One file per published dataset: its files in, sample table out."""
