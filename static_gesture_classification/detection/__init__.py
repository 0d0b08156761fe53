"""Where the hands in an image are: detectors behind one small interface, chosen in conf/detector/."""
