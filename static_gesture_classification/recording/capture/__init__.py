"""Pictures from a camera, a video or a folder, as they come."""
