"""A page on which people try the recogniser: a picture or the camera in, hands with their gestures out.

    pip install -r requirements.txt
    python app.py

It talks to nobody but its visitors: Gradio's analytics are off, its fonts are those of the visitor, and its policy
(CSP) lets browsers ask this host alone.
"""

from __future__ import annotations

import os

os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1")

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import gradio
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from starlette.middleware import Middleware

from static_gesture_classification.inference.predictor import RecognisedHand
from static_gesture_classification.inference.recogniser_folder import load_recogniser

FOLDER = Path(__file__).resolve().parent
COLOURS = ("#56b4e9", "#e69f00")  # differ for every kind of colour blindness (Okabe and Ito)
OUTLINE = "#101418"  # around lines, so that they are seen on any picture
KEPT_SECONDS = 300  # seconds after which Gradio's copies of pictures are deleted; it looks as often
HELP = """# Hand gestures

Give a picture with a hand in it, or take one with your camera. The gestures are {gestures}{rest}.

Show the whole hand. It is computed where this page runs; pictures are deleted there within ten minutes.
"""
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'"
)  # Gradio's own scripts are inline, and it compiles some
Message = MutableMapping[str, Any]


class OnlyThisHost:
    """Tells browsers with every answer that the page may ask this host alone (an ASGI middleware)."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Answer a request."""

        async def send_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                header = (b"content-security-policy", POLICY.encode())
                message = {**message, "headers": [*message.get("headers", []), header]}
            await send(message)

        await self.app(scope, receive, send_policy)


class Page:
    """The page, and what it does."""

    def __init__(self, folder: Path) -> None:
        self.predictor = load_recogniser(folder)

    def recognise(self, image: np.ndarray | None) -> tuple[np.ndarray | None, list[list[str]]]:
        """The picture with its hands drawn in, and a row of a table for each hand and likely gesture."""
        if image is None:
            return None, []
        hands = self.predictor.predict(image)
        return draw_hands(image, hands), rows_of(hands, self.predictor.vocabulary.names)

    def build(self) -> gradio.Blocks:
        """The page's parts."""
        vocabulary = self.predictor.vocabulary
        shown = ", ".join(spoken_name(name) for name in vocabulary if name != vocabulary.background)
        rest = f"; {spoken_name(vocabulary.background)} means none of them" if vocabulary.background else ""
        with gradio.Blocks(
            title="Hand gestures", analytics_enabled=False, delete_cache=(KEPT_SECONDS, KEPT_SECONDS)
        ) as blocks:
            gradio.Markdown(HELP.format(gestures=shown, rest=rest))
            with gradio.Row():
                picture = gradio.Image(label="Picture", sources=["upload", "webcam", "clipboard"], type="numpy")
                found = gradio.Image(label="Hands", interactive=False, format="png", buttons=["download", "fullscreen"])
            table = gradio.Dataframe(
                headers=["hand", "gesture", "probability"], label="Gestures", interactive=False, type="array"
            )
            picture.change(self.recognise, picture, [found, table], api_name="recognise")
        return blocks


def spoken_name(gesture: str) -> str:
    """A gesture as people say it."""
    return gesture.replace("_", " ").lower()


def rows_of(hands: Sequence[RecognisedHand], names: Sequence[str], most: int = 3) -> list[list[str]]:
    """Number of the hand, gesture and probability of the likeliest gestures, for each hand."""
    return [
        [str(number), spoken_name(names[index]), f"{hand.probabilities[index]:.0%}"]
        for number, hand in enumerate(hands, 1)
        for index in hand.probabilities.argsort()[::-1][:most].tolist()
    ]


def draw_hands(image: np.ndarray, hands: Sequence[RecognisedHand]) -> np.ndarray:
    """The picture with the hands' points, boxes, numbers, gestures and probabilities."""
    picture = Image.fromarray(image).convert("RGB")
    drawing, unit = ImageDraw.Draw(picture), max(1.0, max(image.shape[:2]) / 640)
    for number, hand in enumerate(hands):
        colour = COLOURS[number % len(COLOURS)]
        text = f"{number + 1}: {spoken_name(hand.gesture)} {hand.score:.0%}"
        draw_found_hand(drawing, hand, text, colour, unit)
    return np.asarray(picture)


def draw_found_hand(drawing: ImageDraw.ImageDraw, hand: RecognisedHand, text: str, colour: str, unit: float) -> None:
    """One hand; lines are `unit` pixels times a few wide."""
    width, height = drawing.im.size
    x1, y1, x2, y2 = (share * side for share, side in zip(hand.hand.box, (width, height) * 2, strict=True))
    for wide, style in ((6, OUTLINE), (3, colour)):
        drawing.rectangle((x1, y1, x2, y2), outline=style, width=max(1, round(wide * unit)))
    for x, y in () if hand.hand.landmarks is None else hand.hand.landmarks.tolist():
        centre, radius = (x * width, y * height), 3 * unit
        drawing.circle(centre, radius, fill=OUTLINE, outline=colour, width=max(1, round(unit)))
    font = ImageFont.load_default(18 * unit)
    right, bottom = drawing.textbbox((0, 0), text, font=font)[2:]
    pad = 4 * unit
    x = max(0.0, min(x1, width - right - 2 * pad))
    y = y1 - bottom - 2 * pad if y1 > bottom + 2 * pad else y1
    drawing.rectangle((x, y, x + right + 2 * pad, y + bottom + 2 * pad), fill=OUTLINE)
    drawing.text((x + pad, y + pad), text, fill=colour, font=font)


def main() -> None:
    """Serve the page."""
    system = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    Page(FOLDER).build().launch(
        theme=system,
        app_kwargs={"middleware": [Middleware(OnlyThisHost)]},
        ssr_mode=False,
        run_history=False,
        max_file_size="20mb",
        footer_links=["api"],
    )


if __name__ == "__main__":
    main()
