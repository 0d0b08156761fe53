"""Looking up the files of a Mendeley Data dataset: address, size and SHA-256, as its public interface lists them.

GET <api>/<dataset>/folders/<version>                     [{"id", "name", "parent_id"}, ...]
GET <api>/<dataset>/files?folder_id=<id>&version=<n>      [{"filename", "content_details": {"size", "sha256_hash",
                                                            "download_url"}}, ...]; the top folder is "root"
"""

from __future__ import annotations

from typing import Any

from static_gesture_classification.downloads.connection import (
    Attempts,
    Connection,
    DownloadError,
    FinalError,
    PassingError,
)
from static_gesture_classification.downloads.plan import Listing
from static_gesture_classification.downloads.transfer import RemoteFile


def published_files(api: str, listing: Listing, connection: Connection) -> dict[str, RemoteFile]:
    """File name -> file, of all folders of the dataset.

    Raises:
        DownloadError: the list cannot be had.
    """
    dataset = f"{api}/{listing.dataset}"
    try:
        folders = ["root", *(str(folder["id"]) for folder in _list(f"{dataset}/folders/{listing.version}", connection))]
        addresses = [f"{dataset}/files?folder_id={folder}&version={listing.version}" for folder in folders]
        entries = [entry for address in addresses for entry in _list(address, connection)]
        return {entry["filename"]: _file(entry) for entry in entries}
    except (PassingError, FinalError, KeyError, TypeError) as error:
        raise DownloadError(f"cannot look up the files of {dataset}: {error!s}") from error


def _file(entry: dict[str, Any]) -> RemoteFile:
    details = entry["content_details"]
    return RemoteFile(entry["filename"], details["download_url"], details.get("size"), details.get("sha256_hash"))


def _list(url: str, connection: Connection) -> list[dict[str, Any]]:
    attempts = Attempts(connection, url)
    while True:
        with attempts.one():
            answer = connection.json(url)
            if not isinstance(answer, list):
                raise FinalError(f"{url} does not answer with a list")
            return answer
