"""One file per format to export to: pictures and their hands in, the format's files out."""
