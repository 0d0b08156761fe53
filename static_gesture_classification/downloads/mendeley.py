"""Lists the files of a Mendeley Data dataset with address, size and SHA-256, by its public interface.

GET <api>/<dataset>/folders/<version>                     [{"id", "name", "parent_id"}, ...]
GET <api>/<dataset>/files?folder_id=<id>&version=<n>      [{"filename", "content_details": {"size", "sha256_hash",
                                                            "download_url"}}, ...]; the top folder is "root"
"""

from __future__ import annotations

from static_gesture_classification.downloads.connection import Connection, TransferError
from static_gesture_classification.downloads.settings import Listing
from static_gesture_classification.downloads.transfer import RemoteFile


def list_files(api: str, listing: Listing, connection: Connection) -> dict[str, RemoteFile]:
    """File name -> file, of all folders of the dataset. Raises `TransferError`."""
    address, found = f"{api}/{listing.dataset}", {}
    try:
        folders = connection.json(f"{address}/folders/{listing.version}")
        for folder in ("root", *(entry["id"] for entry in folders)):
            for entry in connection.json(f"{address}/files?folder_id={folder}&version={listing.version}"):
                name, details = entry["filename"], entry["content_details"]
                found[name] = RemoteFile(name, details["download_url"], details.get("size"), details.get("sha256_hash"))
    except (AttributeError, KeyError, TypeError) as error:
        raise TransferError(f"{address} does not list its files as it used to ({error!r})") from error
    return found
