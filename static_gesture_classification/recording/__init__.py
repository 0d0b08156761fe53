"""The recorder: camera, what to keep of its pictures, the session on disk, the window and the lines that replace it."""
