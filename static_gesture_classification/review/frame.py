"""The frame around every page: heading, navigation, light and dark; and the parts that pages share."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from nicegui import run, ui

from static_gesture_classification.errors import UserError
from static_gesture_classification.review import palette
from static_gesture_classification.review.review import Review
from static_gesture_classification.terminal import errors

Build = Callable[[Review], Awaitable[None] | None]
Value = TypeVar("Value")

NAME = "Gestures"
# The choice of light or dark stays in the browser; without one the system's counts.
REMEMBER_DARK = """
<script>
  document.documentElement.lang = "en";
  document.addEventListener("DOMContentLoaded", () => {
    const chosen = localStorage.getItem("dark");
    if (chosen !== null) setTimeout(() => Quasar.Dark.set(chosen === "true"), 0);
  });
</script>
"""
TOGGLE_DARK = '() => { const dark = !Quasar.Dark.isActive; Quasar.Dark.set(dark); localStorage.setItem("dark", dark) }'
STYLE = """
<style>
  body { font-size: 15px; }
  .q-drawer .q-item.here { font-weight: 600; background: rgba(0, 114, 178, 0.14); }
  .skip { position: absolute; left: -9999px; }
  .skip:focus { left: 8px; top: 8px; z-index: 9999; background: white; color: black; padding: 8px; }
  /* Quasar's own colours of text are too dark on dark ground; that of buttons with a filled ground stays. */
  body.body--dark .text-primary { --q-primary: #7cc4f5; }
  body.body--dark .text-info { --q-info: #7cc4f5; }
  body.body--dark .text-positive { --q-positive: #4cc79f; }
  body.body--dark .text-negative { --q-negative: #ff9d5c; }
  body.body--dark .text-accent { --q-accent: #ff9d5c; }
  .job-log { white-space: pre-wrap; overflow-wrap: anywhere; font-family: monospace; font-size: 13px; max-height: 60vh;
    overflow-y: auto; width: 100%; padding: 8px; border: 1px solid rgba(128, 128, 128, 0.4); border-radius: 4px; }
  ol.path { list-style: none; margin: 0; padding: 0; }
  ol.path .step { display: flex; flex-wrap: wrap; align-items: center; gap: 12px; padding: 12px 8px;
    border-bottom: 1px solid rgba(128, 128, 128, 0.3); }
  ol.path .step.next { border-left: 4px solid #0072B2; background: rgba(0, 114, 178, 0.08); }
  ol.path .grow { flex: 1 1 240px; min-width: 0; }
  video.camera { width: 100%; max-width: 400px; aspect-ratio: 4 / 3; transform: scaleX(-1); background: #222;
    border-radius: 4px; }
  .plain-link { color: inherit; text-decoration: underline; }
  table.pairs { border-collapse: collapse; display: block; overflow-x: auto; max-width: 100%; }
  table.pairs th, table.pairs td { text-align: left; padding: 4px 12px 4px 0; }
  @media (max-width: 600px) { table.pairs th, table.pairs td { padding-right: 6px; font-size: 13px; } }
  table.pairs tr { border-bottom: 1px solid rgba(128, 128, 128, 0.3); }
  :focus-visible { outline: 3px solid #E69F00 !important; outline-offset: 1px; }
</style>
"""


@dataclass(frozen=True)
class Page:
    """A page.

    Args:
        address: its path; `{name}` in it is a part that `frame.part` gives the page.
        title: heading, and entry of the navigation.
        icon: Material icon of the navigation.
        build: makes the content, inside the frame.
        listed: whether the navigation has it.
    """

    address: str
    title: str
    icon: str
    build: Build
    listed: bool = True


async def show(page: Page, pages: Sequence[Page], review: Review) -> None:
    """Build a page inside its frame. A user error is shown in place of the content, with its way out."""
    ui.colors(primary=palette.PRIMARY, accent=palette.ACCENT, positive="#00704f", negative="#b34700", info="#0072B2")
    ui.page_title(f"{page.title} - {NAME}")
    ui.add_head_html(STYLE + REMEMBER_DARK)
    ui.add_body_html('<a class="skip" href="#content">Skip to the content</a>')
    drawer = _navigation(page, pages)
    with ui.header().classes("items-center q-py-xs q-px-md no-wrap"):
        button("menu", "Show or hide the navigation", lambda: drawer.run_method("toggle"))
        ui.label(page.title).classes("text-h6 ellipsis").props('role="heading" aria-level="1"')
        ui.space()
        with ui.button(icon="contrast").props('flat round color=white aria-label="Light or dark"') as dark:
            ui.tooltip("Light or dark")
        dark.on("click", js_handler=TOGGLE_DARK)
    with ui.column().classes("w-full max-w-screen-xl mx-auto q-pa-sm gap-4").props('id="content"'):
        await attempt(page.build, review)


async def attempt(do: Callable[..., Any], *arguments: Any) -> Any:
    """Do something, or wait for it; a user error becomes a box that says what is wrong and the way out."""
    try:
        result = do(*arguments)
        return await result if inspect.isawaitable(result) else result
    except UserError as error:
        problem(str(error))
    except Exception:  # the page stays; the terminal has the rest
        errors.print_exception()
        problem("This went wrong here. The terminal that runs `gestures app` says what; please report it.")


async def in_thread(do: Callable[..., Value], *arguments: Any) -> Value:
    """`do(*arguments)` in a thread, so that other pages stay quick meanwhile."""
    result = await run.io_bound(do, *arguments)
    return cast(Value, result)  # None only while the server stops


async def wait_for(result: Awaitable[Value], text: str, share: Callable[[], float] | None = None) -> Value:
    """What takes long; meanwhile the browser has the page, and says what is waited for.

    Args:
        result: what is waited for.
        text: what that is.
        share: tells how much of it is done, 0..1.
    """
    with ui.column().classes("w-full items-center q-pa-md") as waiting:
        with ui.row().classes("items-center no-wrap").props('role="status"'):
            ui.spinner(size="lg")
            ui.label(text)
        if share is not None:
            progress(share)
    await ui.context.client.connected()  # a page that is not sent within `response_timeout` is an error
    try:
        return await result
    finally:
        waiting.delete()


def heading(text: str = "") -> ui.label:
    """A heading within a page."""
    return ui.label(text).classes("text-h6").props('role="heading" aria-level="2"')


def progress(share: Callable[[], float]) -> ui.linear_progress:
    """A bar that shows how much is done, as `share` tells, 0..1."""
    bar = ui.linear_progress(0, show_value=False, size="8px").props('rounded aria-label="Progress"')
    with bar:
        ui.timer(0.5, lambda: bar.set_value(share()))
    return bar


def problem(text: str, title: str = "This did not work") -> None:
    """A box that says what is wrong."""
    with ui.card().classes("w-full").props('flat bordered role="alert"'), ui.row().classes("items-start no-wrap"):
        ui.icon("error_outline", size="md", color="negative")
        with ui.column().classes("gap-1"):
            ui.label(title).classes("text-weight-bold")
            ui.label(text).style("white-space: pre-wrap; overflow-wrap: anywhere")


def empty(icon: str, title: str, text: str, actions: Sequence[tuple[str, str]] = ()) -> None:
    """What a page says while it has nothing to show.

    Args:
        icon: Material icon.
        title: what is missing.
        text: what to do about it.
        actions: labels and addresses of buttons that lead on.
    """
    with ui.column().classes("w-full items-center q-pa-xl gap-3 text-center"):
        ui.icon(icon, size="4rem").classes("text-grey-6")
        ui.label(title).classes("text-h6")
        ui.label(text).classes("max-w-prose")
        with ui.row().classes("justify-center"):
            for label, address in actions:
                ui.button(label, on_click=lambda _, to=address: ui.navigate.to(to)).props("no-caps")


def button(icon: str, label: str, do: Callable[..., Any] | None = None, key: str = "") -> ui.button:
    """A round button with an icon; `label` is read out and shown as a tooltip, with the `key` that does the same."""
    with ui.button(icon=icon, on_click=do).props(f'flat round color=inherit aria-label="{label}"') as made:
        ui.tooltip(f"{label} ({key})" if key else label)
    return made


def query(name: str, default: str = "") -> str:
    """A value of the page's address after the question mark."""
    request = ui.context.client.request
    return default if request is None else request.query_params.get(name, default)


def part(name: str) -> str:
    """A part of the page's address, by its name in `Page.address`."""
    request = ui.context.client.request
    return "" if request is None else str(request.path_params.get(name, ""))


def _navigation(page: Page, pages: Sequence[Page]) -> ui.left_drawer:
    # Quasar itself opens it where there is room. NiceGUI would ask the browser, which may be gone before it answers.
    drawer = ui.left_drawer(value=True, bordered=True).props(
        "width=210 breakpoint=900 show-if-above", remove="model-value"
    )
    with drawer, ui.element("nav").classes("w-full").props('aria-label="Pages"'), ui.list().props("role=none"):
        for each in pages:
            if each.listed:
                _entry(each, each.address.split("/")[1] == page.address.split("/")[1])
    return drawer


def _entry(page: Page, is_here: bool) -> None:
    here = ' aria-current="page"' if is_here else ""
    with ui.item().props(f'clickable tag=a role=link href="{page.address}"{here}').classes("here" if is_here else ""):
        with ui.item_section().props("avatar"):
            ui.icon(page.icon)
        with ui.item_section():
            ui.item_label(page.title)
