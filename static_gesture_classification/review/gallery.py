"""Pictures of samples, page by page: a click, or Enter, opens one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from nicegui import ui

from static_gesture_classification.review import frame, thumbnails
from static_gesture_classification.review.shown_sample import SampleList, ShownSample

PAGE = 60  # pictures at a time
STYLE = """
<style>
  .gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(104px, 1fr)); gap: 8px; }
  .gallery button { position: relative; padding: 0; border: 1px solid rgba(128, 128, 128, 0.35); border-radius: 4px;
    background: none; color: inherit; cursor: pointer; text-align: left; overflow: hidden; font-size: 12px; }
  .gallery img { width: 100%; aspect-ratio: 1; object-fit: cover; display: block; background: rgba(128,128,128,0.2); }
  .gallery .caption { padding: 2px 4px; display: block; overflow: hidden; text-overflow: ellipsis;
    white-space: nowrap; }
  .gallery .decided { position: absolute; left: 0; right: 0; top: 0; padding: 2px 4px; background: #00598c;
    color: white; font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
</style>
"""
_PICKED = "(event) => { const one = event.target.closest('[data-at]'); if (one) emit(Number(one.dataset.at)) }"


class Gallery:
    """A page of pictures, with buttons to the next and the one before.

    Args:
        on_open: called with the position of the sample that is to be opened.
    """

    def __init__(self, on_open: Callable[[int], Any]) -> None:
        self.samples: SampleList = ()
        self.decided: Mapping[str, str] = {}
        self.first = 0
        ui.add_head_html(STYLE)
        self._pictures = ui.html(sanitize=False).classes("w-full")
        self._pictures.on("click", lambda event: on_open(int(event.args)), js_handler=_PICKED)
        with ui.row().classes("items-center") as self._pager:
            frame.button("chevron_left", "Pictures before", lambda: self._turn(-PAGE))
            self._place = ui.label()
            frame.button("chevron_right", "More pictures", lambda: self._turn(PAGE))

    def show(self, samples: SampleList, decided: Mapping[str, str]) -> None:
        """Show samples from the first on; `decided` has what was decided on some of them, by id."""
        self.samples, self.decided, self.first = samples, decided, 0
        self._draw()

    def mark(self, decided: Mapping[str, str]) -> None:
        """Show what was decided since."""
        self.decided = decided
        self._draw()

    def _turn(self, step: int) -> None:
        self.first = max(0, min(self.first + step, (len(self.samples) - 1) // PAGE * PAGE))
        self._draw()

    def _draw(self) -> None:
        last = min(self.first + PAGE, len(self.samples))
        pictures = (_picture(self.samples[at], at, self.decided) for at in range(self.first, last))
        self._pictures.content = f'<div class="gallery">{"".join(pictures)}</div>'
        self._place.text = f"{self.first + 1:,} to {last:,} of {len(self.samples):,}"
        self._pager.visible = len(self.samples) > PAGE


def _picture(sample: ShownSample, at: int, decided: Mapping[str, str]) -> str:
    verdict = decided.get(sample.sample, "")
    mark = f'<span class="decided">{escape(verdict)}</span>' if verdict else ""
    whose = sample.subject or "unknown person"
    score = "" if sample.prediction is None else f"{sample.score:.2f}"
    caption = f"{sample.gesture}: {sample.suggested}?" if sample.suggested else sample.in_short
    spoken = ", ".join(part for part in (sample.title, score, whose, verdict) if part)
    return (
        f'<button data-at="{at}" aria-label="{escape(spoken)}" title="{escape(spoken)}">'
        f'<img src="{thumbnails.address_of(sample.sample)}" alt="" loading="lazy">{mark}'
        f'<span class="caption">{escape(caption)}<br>{escape(f"{score} {whose}".strip())}</span></button>'
    )
