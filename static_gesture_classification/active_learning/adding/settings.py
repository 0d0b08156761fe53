"""The settings of `gestures add`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pydantic import Field

from static_gesture_classification.detection.detector import DetectorSettings
from static_gesture_classification.errors import UserError
from static_gesture_classification.gestures import Vocabulary
from static_gesture_classification.settings import Settings
from static_gesture_classification.workspace import Workspace

ASK = "name the new gesture: gestures add ROCK add.pictures=FOLDER"
_LABELS = "labels"  # of a source: its label map


class AddSettings(Settings):
    """What is added, from what, and to which checkpoint; see conf/add.

    Args:
        gesture: the new gesture's name.
        pictures: images, folders of images, or recorded sessions; none: recorded sessions of this gesture, else its
            poses in conf/poses.
        record: whether samples are recorded; None: where there are none and a camera is there.
        samples: how many are recorded.
        source: the camera, video or stream that they are recorded from.
        subject: who shows it; "" if unknown.
        checkpoint: the landmark checkpoint that learns it; None: the best one there is.
        other_checkpoints: to try in this order if there is none named.
        output: where the checkpoint that knows it goes.
        posed: posed hands of it.
        mixed: hands of it mixed with known ones.
        slack: how far a joint may stray from the fitted pose, in degrees.
        turns: how far yaw, pitch and roll may, in degrees.
        unlike: degrees by which a sample's pose may differ from the others'.
        claimed: share of an old gesture's hands above which the new gesture is the same.
        force: add it although it is an old one, or the samples are not alike.
        sheet: the picture of samples and fitted hands.
        local: the file of settings that gets the gesture.
        recorded: where the samples go, as a recorded session.
        vocabulary: the configured gestures.
        poses: the node `poses`, plain values.
        alike: groups of names that datasets have for one gesture.
        label_maps: of the selected sources, label -> gesture.
        detector: finds the hands.
        workspaces: folders with landmarks of the old gestures, the first that has some counts.
        aspect: width / height of the pictures in which posed hands are (see `landmarks.aspect_without_image`).
        seed: of everything random.
    """

    gesture: str
    pictures: tuple[Path, ...] = ()
    record: bool | None
    samples: int = Field(ge=1, le=50, strict=True)
    source: int | str
    subject: str = ""
    checkpoint: Path | None
    other_checkpoints: tuple[Path, ...]
    output: Path
    posed: int = Field(ge=50, le=20_000)
    mixed: int = Field(ge=0, le=20_000)
    slack: float = Field(ge=0, le=45)
    turns: tuple[float, float, float]
    unlike: float = Field(gt=0)
    claimed: float = Field(gt=0, le=1)
    force: bool
    sheet: Path
    local: Path
    recorded: Path
    vocabulary: Vocabulary
    poses: dict[str, Any]
    alike: tuple[tuple[str, ...], ...]
    label_maps: tuple[dict[str, str], ...]
    detector: DetectorSettings
    workspaces: tuple[Workspace, ...]
    seed: int

    @classmethod
    def from_config(cls, config: DictConfig) -> AddSettings:
        """Read them.

        Raises:
            UserError: no name, one that cannot be a gesture's or exists, a path that does not exist.
        """
        if not config.add.gesture:
            raise UserError(ASK)
        given = config.add.pictures
        pictures = [given] if isinstance(given, str) else list(given or ())
        settings = cls.read(
            config,
            "add",
            pictures=tuple(Path(path).expanduser() for path in pictures),
            subject=config.add.subject or "",
            vocabulary=Vocabulary.from_config(config),
            poses=OmegaConf.to_container(config.poses, resolve=True),
            label_maps=[dict(node.get(_LABELS) or {}) for node in (config.get("sources") or {}).values() if node],
            detector=DetectorSettings.from_config(config),
            workspaces=(Workspace.read(config, "retrain.paths"), Workspace.from_config(config)),
            seed=config.seed,
        )
        settings.check_name()
        for path in settings.pictures:
            if not path.exists():
                raise UserError(f"add.pictures names {path}, which does not exist; name images, or a folder of them")
        if settings.pictures and settings.record:
            raise UserError("add.record=true records samples, and add.pictures names some; leave one of them out")
        return settings

    @property
    def is_posed(self) -> bool:
        """Whether conf/poses describes the gesture."""
        return self.gesture in (self.poses.get("gestures") or {})

    @property
    def no_samples(self) -> str:
        """That nothing shows the gesture, in words."""
        return (
            f"there are no samples of {self.gesture}: no session of it in {self.recorded}, and conf/poses/ does not "
            "describe it"
        )

    def check_name(self) -> None:
        """Raise `UserError` for a name that a gesture cannot have."""
        check_gesture_name(self.gesture)


def check_gesture_name(name: str) -> None:
    """Raise `UserError` for a name that a gesture cannot have."""
    if name != name.strip() or not any(sign.isalnum() for sign in name) or any(sign in name for sign in ',"[]{}'):
        raise UserError(f"{name!r} is no good name for a gesture; use letters, digits and _, such as ROCK")
    Vocabulary((name, f"not {name}"))  # what every gesture's name must be
