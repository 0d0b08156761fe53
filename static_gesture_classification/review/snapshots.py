"""Pictures from the browser's camera, one at a time, as JPEG."""

from __future__ import annotations

import base64
import binascii

from nicegui import ui

from static_gesture_classification.errors import UserError

MOST_SECONDS = 60.0  # for somebody to allow the camera
REFUSED = {
    "NotAllowedError": "the browser may not use the camera; allow it beside the address, then try again",
    "NotFoundError": "there is no camera; connect one, or choose pictures instead",
    "NotReadableError": "another program uses the camera; close it, then try again",
}
INSECURE = "the browser gives its camera to 127.0.0.1 and to https alone; open the page under that address"
OPEN = """
  const video = document.getElementById("%s");
  if (!navigator.mediaDevices) return "insecure";
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({video: {width: 640, height: 480}, audio: false});
    await video.play();
    return "";
  } catch (error) { return error.name; }
"""
SHOOT = """
  const video = document.getElementById("%s"), canvas = document.createElement("canvas");
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  return canvas.toDataURL("image/jpeg", 0.92);
"""
CLOSE = """
  const stream = document.getElementById("%s").srcObject;
  if (stream) stream.getTracks().forEach(track => track.stop());
"""
START = "data:image/jpeg;base64,"


class Camera:
    """The browser's camera with its picture, as a mirror."""

    def __init__(self) -> None:
        self.video = ui.element("video").props('muted playsinline aria-label="What your camera sees"')
        self.video.classes("camera")
        self.name = f"c{self.video.id}"

    async def open(self) -> None:
        """Ask for the camera. Raises `UserError` where there is none, or it may not be used."""
        problem = await ui.run_javascript(OPEN % self.name, timeout=MOST_SECONDS)
        if problem == "insecure":
            raise UserError(INSECURE)
        if problem:
            raise UserError(REFUSED.get(str(problem), f"the camera cannot be used ({problem})"))

    async def shoot(self) -> bytes:
        """A picture, as JPEG. Raises `UserError` where the browser sends none."""
        text = await ui.run_javascript(SHOOT % self.name, timeout=10)
        try:
            return base64.b64decode(str(text).removeprefix(START), validate=True)
        except binascii.Error as error:
            raise UserError("the camera gave no picture; try again") from error

    def close(self) -> None:
        """Let the camera go."""
        ui.run_javascript(CLOSE % self.name)
