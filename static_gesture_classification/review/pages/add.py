"""A gesture of your own: name it, show it, and let the newest landmark model learn it."""

from __future__ import annotations

import asyncio
import base64
import uuid
from pathlib import Path

from nicegui import events, ui

from static_gesture_classification.active_learning.adding.settings import check_gesture_name
from static_gesture_classification.active_learning.adding.shown import keep_picture
from static_gesture_classification.errors import UserError
from static_gesture_classification.review import frame
from static_gesture_classification.review.review import Review
from static_gesture_classification.review.snapshots import Camera
from static_gesture_classification.review.standing import Standing, survey
from static_gesture_classification.review.starting import start_adding
from static_gesture_classification.terminal import in_number

SHOTS, PAUSE, COUNTDOWN = 5, 0.7, 3  # pictures of one go, seconds between them, seconds before
SHOWN = "shown"  # folder of pictures, in the page's own


async def build(review: Review) -> None:
    """Show the three steps."""
    standing = await frame.in_thread(survey, review)
    if not standing.models:
        frame.empty(
            "waving_hand",
            "First, a model",
            "A gesture is added to a model that knows others. The first one is made in about a minute.",
            [("Make a first model", "/")],
        )
        return
    AddPage(review, standing).build()


class AddPage:
    """The page while it is open.

    Args:
        review: what all pages share.
        standing: where the user stands.
    """

    def __init__(self, review: Review, standing: Standing) -> None:
        self.review, self.standing = review, standing
        self.folder = review.settings.folder / SHOWN / uuid.uuid4().hex
        self.kept: list[Path] = []

    def build(self) -> None:
        """Build it."""
        frame.heading("1. Name it")
        with ui.row().classes("items-start w-full"):
            self.gesture = ui.input("Name of the gesture", value=frame.query("gesture")).props('hint="such as ROCK"')
            self.subject = ui.input("Who shows it").props('hint="may stay empty"')
            for field in (self.gesture, self.subject):
                field.classes("w-56 q-mb-md")
        if self.standing.unlearned:
            self._recorded()
        frame.heading("2. Show it")
        ui.label(f"The page takes {SHOTS} pictures. Turn your hand a little between them; one hand, well lit.")
        self.camera = Camera()
        with ui.row().classes("items-center"):
            self.taking = ui.button(f"Take {SHOTS} pictures", icon="photo_camera", on_click=self.take).props("no-caps")
            self.says = ui.label("").props('role="status"')
        self._upload()
        self.pictures = ui.row().classes("gap-2")
        frame.heading("3. Let it learn")
        ui.button("Learn it", icon="school", on_click=self.learn).props("no-caps")

    def _recorded(self) -> None:
        ui.label("Recorded already, and known to no model:")
        with ui.row():
            for name, count in self.standing.unlearned.items():

                async def learn(gesture: str = name) -> None:
                    await self._start(gesture, None)

                ui.button(f"Learn {name} ({in_number(count, 'picture')})", on_click=learn).props("no-caps outline")

    def _upload(self) -> None:
        most = int(self.review.settings.largest_upload * 1e6)
        with ui.expansion("Or choose pictures of it", icon="image").classes("w-full"):
            ui.upload(
                label="Pictures that show it",
                multiple=True,
                auto_upload=True,
                max_file_size=most,
                on_upload=self._uploaded,
                on_rejected=lambda: ui.notify(
                    f"Only images of at most {most / 1e6:g} MB can be chosen.", type="negative"
                ),
            ).props('accept="image/*" flat bordered').classes("w-full")

    async def _uploaded(self, event: events.UploadEventArguments) -> None:
        await self._keep(await event.file.read())

    async def take(self) -> None:
        """Count down, and take the pictures."""
        self.taking.disable()
        try:
            await self.camera.open()
            for left in range(COUNTDOWN, 0, -1):
                self.says.set_text(f"{left} ...")
                await asyncio.sleep(1)
            for number in range(1, SHOTS + 1):
                await self._keep(await self.camera.shoot())
                self.says.set_text(f"{number} of {SHOTS}")
                await asyncio.sleep(PAUSE)
            self.says.set_text("Taken. Leave out what shows something else, or take more.")
        except (UserError, TimeoutError) as error:
            self.says.set_text(str(error) or "The browser did not answer; try again.")
        finally:
            self.camera.close()
            self.taking.enable()

    async def _keep(self, data: bytes) -> None:
        try:
            path = await frame.in_thread(keep_picture, data, self.folder)
        except UserError as error:
            ui.notify(str(error), type="negative")
            return
        self.kept.append(path)
        with self.pictures:
            self._show(path)

    def _show(self, path: Path) -> None:
        source = "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode()
        with ui.card().tight().props("flat bordered") as card:
            ui.image(source).classes("w-32").props(f'alt="Picture {len(self.kept)}"')

            def leave_out() -> None:
                path.unlink(missing_ok=True)
                self.kept.remove(path)
                card.delete()

            frame.button("delete", f"Leave out picture {len(self.kept)}", leave_out)

    async def learn(self) -> None:
        """Check, and start the job."""
        name = str(self.gesture.value or "").strip()
        known = {each for model in self.standing.models for each in model.gestures}
        same = next((each for each in known if each.casefold() == name.casefold()), None)
        if not name:
            ui.notify("Give it a name first.", type="warning")
        elif same:
            ui.notify(f"{same} is known already. Record more of it, then retrain.", type="warning")
        elif not self.kept:
            ui.notify("Show it first, or choose pictures.", type="warning")
        else:
            await self._start(name, self.folder)

    async def _start(self, name: str, folder: Path | None) -> None:
        try:
            check_gesture_name(name)
            subject = str(self.subject.value or "").strip()
            job = await frame.in_thread(start_adding, self.review.jobs, name, folder, subject)
        except UserError as error:
            ui.notify(str(error), type="negative", multi_line=True)
            return
        ui.navigate.to(f"/jobs/{job.name}")
