"""Settings of the local page; see conf/review."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig
from pydantic import Field

from static_gesture_classification.errors import UserError
from static_gesture_classification.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost", "::1")
ANY_ADDRESS = "0.0.0.0"


class ReviewSettings(Settings):
    """Where the page listens, and what it keeps.

    Args:
        host: address to listen on.
        port: likewise; 0 for a free one.
        browser: whether to open it in the browser.
        share_on_lan: whether other machines may use it too, by https and with a token.
        lan_port: on which it listens to them.
        largest_upload: MB of an uploaded file.
        folder: of jobs, history and thumbnails.
        in_use: folder of the sessions that were caught in use.
        recorded: folder of the recorded sessions.
        hand_finder: the detector's model file; None for a detector without one.
        digits: folder of the sign-language digits.
        added: the checkpoint that knows an added gesture.
    """

    host: str
    port: int = Field(ge=0, le=65535)
    browser: bool
    share_on_lan: bool
    lan_port: int = Field(ge=0, le=65535)
    largest_upload: float = Field(gt=0)
    folder: Path
    in_use: Path
    recorded: Path
    hand_finder: Path | None
    digits: Path
    added: Path

    @classmethod
    def from_config(cls, config: DictConfig) -> ReviewSettings:
        """From the composed configuration.

        Raises:
            UserError: it would listen to other machines without a token.
        """
        settings = cls.read(config, "review")
        if settings.host not in LOOPBACK and not settings.share_on_lan:
            raise UserError(
                f"review.host is {settings.host}, which other machines can reach; set review.share_on_lan=true, so "
                "that they need a token, or leave review.host at 127.0.0.1"
            )
        return settings

    @property
    def own_address(self) -> str:
        """The address to listen on for this machine's browser: what goes over a network goes by https alone."""
        return self.host if self.host in LOOPBACK else LOOPBACK[0]

    @property
    def lan_address(self) -> str:
        """The address to listen on for other machines: every one, where no other is named."""
        return ANY_ADDRESS if self.host in LOOPBACK else self.host
