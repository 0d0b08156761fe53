"""Fetching published datasets: resumable transfers, safe unpacking, the download command."""
