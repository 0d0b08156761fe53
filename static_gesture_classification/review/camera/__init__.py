"""The browser's camera: pictures come in, and what the recorder or the live view makes of them goes back."""
