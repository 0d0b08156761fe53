"""Settings of the synthetic hands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from static_gesture_classification.parallel.engine import EngineSettings
from static_gesture_classification.settings import Settings

Quality = Annotated[int, Field(ge=1, le=100)]


class SyntheticSettings(Settings, key="synthetic"):
    """The number of pictures and subjects, and their variety; see conf/synthetic.

    Args:
        images: number of pictures.
        background_times: number of background pictures for each picture of another gesture.
        val, test: share of subjects in val and test.
        subjects: number of subjects.
        size: side of a picture in pixels.
        variety: 0, a friendly studio, to 1, any room, light and camera.
        quality: least and greatest quality of the JPEG files.
        seed: other seeds give other pictures.
        n_jobs: number of processes; -1 is one per core.
        contact_sheet: file of the contact sheet.
        engine: where pictures are taken.
    """

    images: int = Field(ge=1)
    background_times: int = Field(ge=1)
    val: float = Field(ge=0, lt=1)
    test: float = Field(ge=0, lt=1)
    subjects: int = Field(ge=1)
    size: int = Field(ge=64, le=1024)
    variety: float = Field(ge=0, le=1)
    quality: tuple[Quality, Quality]
    seed: str
    n_jobs: int
    contact_sheet: Path
    engine: EngineSettings = EngineSettings()

    @field_validator("test")
    @classmethod
    def _leave_subjects_to_train(cls, test: float, info: ValidationInfo) -> float:
        val = info.data.get("val", 0.0)
        if val + test >= 1:
            raise ValueError(f"and val ({val}) must be below 1 together")
        return test

    @field_validator("subjects")
    @classmethod
    def _have_subjects_for_each_split(cls, subjects: int, info: ValidationInfo) -> int:
        least = 1 + sum(info.data.get(split, 0.0) > 0 for split in ("val", "test"))
        if subjects < least:
            raise ValueError(f"must be {least} or more, one for each split that has people")
        return subjects

    @field_validator("quality")
    @classmethod
    def _have_order(cls, quality: tuple[int, int]) -> tuple[int, int]:
        if quality[0] > quality[1]:
            raise ValueError("must be [least, greatest], within 1 and 100")
        return quality

    @field_validator("n_jobs")
    @classmethod
    def _use_processes(cls, n_jobs: int) -> int:
        if n_jobs == 0:
            raise ValueError("must be a number of processes, or -1 for one per core")
        return n_jobs
