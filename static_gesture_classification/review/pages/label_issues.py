"""Labels in doubt, most doubtful first; one key decides and shows the next one."""

from __future__ import annotations

from nicegui import ui

from static_gesture_classification.active_learning.labels.cross_validation import MOST_HAVE
from static_gesture_classification.active_learning.labels.find_issues import SUGGESTIONS, LabelIssueSettings
from static_gesture_classification.active_learning.labels.suggestions import Suggestion, read_suggestions
from static_gesture_classification.errors import UserError
from static_gesture_classification.preparation.landmark_store import SAMPLES
from static_gesture_classification.review import frame
from static_gesture_classification.review.finding import known_samples
from static_gesture_classification.review.gallery import Gallery
from static_gesture_classification.review.review import Review
from static_gesture_classification.review.sample_facts import KnownLandmarks, SampleFacts
from static_gesture_classification.review.shown_sample import in_doubt
from static_gesture_classification.review.viewer import Viewer, verdicts
from static_gesture_classification.workspace import Workspace

KIND = "label-issues"
SEARCH = "Search for wrong labels"
MANY = 0.2  # of all labels in doubt: then the search is weak, and not the labels
HOW = "Most doubtful first. Y takes what it looks like, R keeps the label, and the next one comes."
WEAK = (
    "So many labels in doubt mean that the search cannot tell these samples well, so most of the labels are right. "
    "It is surer by landmarks: train quickly once, then search again."
)


async def build(review: Review) -> None:
    """Show the labels in doubt, or a button that searches for some."""
    workspace = await frame.in_thread(workspace_to_check, review)
    if workspace is None:
        text = "There are no prepared samples to check. Train once; then this page lists the labels that look wrong."
        frame.empty("fact_check", "Nothing to check yet", text, [("Train", "/retrain")])
        return
    running = next((job for job in review.jobs.running() if job.kind == KIND), None)
    if running is not None:
        ui.link(f"Searching for wrong labels ({running.seconds:.0f} s so far): see its log", f"/jobs/{running.name}")
    path = LabelIssueSettings.from_config(review.config).output / SUGGESTIONS
    if not path.is_file():
        if running is None:
            _offer(review, workspace)
        return
    suggestions = await frame.in_thread(review.tables.of, path, read_suggestions, path)
    await frame.in_thread(known_samples, review, workspace)  # of millions it takes seconds
    page = LabelIssuesPage(review, workspace, suggestions)
    page.show(running is None)


def workspace_to_check(review: Review) -> Workspace | None:
    """The pipeline's samples, else those of the quick loop; those that have landmarks first, which are surer."""
    spaces = [space for space in (review.workspace, review.quick) if space.split_table.is_file()]
    usable = [space for space in spaces if space.crops.is_dir()]
    return max(usable, key=lambda space: _has_landmarks(review, space), default=None)


def _has_landmarks(review: Review, space: Workspace) -> bool:
    """Whether the search takes landmarks; see `FeatureSettings`."""
    table, samples = space.landmarks / SAMPLES, known_samples(review, space)
    if samples is None or not table.is_file():
        return False
    return review.tables.of(table, KnownLandmarks, table).share_of(samples["sample_id"]) >= MOST_HAVE


def search(review: Review, workspace: Workspace) -> None:
    """Start the job that searches."""
    own = [
        f"label_issues.samples={workspace.split_table}",
        f"label_issues.predictions={workspace.predictions('val')}",
        f"paths.landmarks={workspace.landmarks}",
        f"paths.crops={workspace.crops}",
    ]
    job = review.jobs.start("Search for wrong labels", KIND, [] if workspace == review.workspace else own)
    ui.navigate.to(f"/jobs/{job.name}")


def _offer(review: Review, workspace: Workspace) -> None:
    with ui.column().classes("w-full items-center q-pa-xl gap-3 text-center"):
        ui.icon("fact_check", size="4rem").classes("text-grey-6")
        ui.label("No label was checked yet").classes("text-h6")
        ui.label("A quick classifier that never saw a label looks for those that do not fit. It takes a minute or two.")
        ui.button(SEARCH, on_click=lambda: _start(review, workspace)).props("no-caps")


def _start(review: Review, workspace: Workspace) -> None:
    try:
        search(review, workspace)
    except UserError as error:
        ui.notify(str(error), type="warning", multi_line=True)


class LabelIssuesPage:
    """The page in one tab.

    Args:
        review: the page's.
        workspace: of the samples.
        suggestions: most doubtful first.
    """

    def __init__(self, review: Review, workspace: Workspace, suggestions: list[Suggestion]) -> None:
        self.review, self.workspace = review, workspace
        self.decisions = review.decisions()
        samples = known_samples(review, workspace)
        assert samples is not None
        self.samples = tuple(in_doubt(suggestions, samples))
        self.likely = sum(each.likely for each in suggestions)
        self.is_weak = len(self.samples) > MANY * len(samples)

    def show(self, may_search: bool) -> None:
        """Build the content."""
        if not self.samples:
            text = "Each label fits what its sample looks like, or was decided on."
            frame.empty("fact_check", "No label is in doubt", text, [("Confusions", "/confusions")])
        with ui.row().classes("w-full items-center gap-4"):
            self.summary = ui.label()
            if may_search:
                again = ui.button("Search again", color=None, on_click=lambda: _start(self.review, self.workspace))
                again.props("outline no-caps")
        if not self.samples:
            return
        ui.label(f"{HOW} {WEAK}" if self.is_weak else HOW).classes("max-w-prose")
        checkpoint = self.workspace.trained if self.workspace.trained.is_file() else None
        facts = SampleFacts(self.review, self.workspace, checkpoint)
        self.viewer = Viewer(self.decisions, facts, on_change=self._mark)
        self.gallery = Gallery(self.viewer.move_to)
        decided = verdicts(self.decisions.fixes())
        first = next((at for at, each in enumerate(self.samples) if each.sample not in decided), 0)
        self.viewer.open(self.samples, first)
        self.gallery.show(self.samples, decided)
        self._mark()

    def _mark(self) -> None:
        decided = verdicts(self.decisions.fixes())
        left = sum(each.sample not in decided for each in self.samples)
        self.summary.text = (
            f"{len(self.samples):,} labels in doubt, {self.likely:,} of them likely wrong; {left:,} are left to decide"
        )
        self.gallery.mark(decided)
