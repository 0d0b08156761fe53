"""One file from a server to the disk, however often the connection is cut: resumed, and checked.

While unfinished it lies beside its destination as `.NAME.partial`, with `.NAME.partial.json`, which says of which
version of which URL it is a part. A file that is not what was published is kept and named, never deleted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.filesize import decimal

from static_gesture_classification.atomic_files import explained_write_errors, partial_path, write_json
from static_gesture_classification.downloads.byte_progress import ByteProgress, byte_progress, say
from static_gesture_classification.downloads.connection import (
    CHUNK,
    Attempts,
    Connection,
    DownloadError,
    FinalError,
    PassingError,
    RangeUnsatisfiableError,
    Reply,
)
from static_gesture_classification.errors import DataError
from static_gesture_classification.file_data import read_json


@dataclass(frozen=True)
class RemoteFile:
    """A published file. `size` in bytes and `sha256` (hex) are what the publisher says, None where they say nothing."""

    name: str
    url: str
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class PartialState:
    """Which version of which file the bytes in a partial file belong to."""

    url: str
    validator: str | None
    total: int | None


def fetch(remote: RemoteFile, destination: Path, connection: Connection, room_for: Callable[[int], None]) -> Path:
    """Bring `remote` to `destination`, going on where an earlier call was cut off; returns `destination`.

    A file that is there already, fetched earlier or put there by hand, is checked and used.

    Args:
        room_for: called with the bytes still to come once they are known; raises where they do not fit.

    Raises:
        DownloadError: it cannot be fetched.
        DataError: what was fetched is not what was published.
        OutputError: it cannot be written.
    """
    if destination.exists():
        check(destination, remote)
        return destination
    partial = partial_path(destination)
    with explained_write_errors(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        try:
            _receive(remote, partial, connection, room_for)
        except (PassingError, FinalError) as error:
            _forget_if_empty(partial)
            raise DownloadError(f"cannot fetch {remote.url}: {error}. {by_hand(remote, destination)}") from error
        check(partial, remote)
        partial.replace(destination)
        _state_path(partial).unlink(missing_ok=True)
    return destination


def by_hand(remote: RemoteFile, destination: Path) -> str:
    """How to get a file without this program."""
    return (
        f"Repeat the command to go on where it stopped; or fetch {remote.name} in another way, "
        f"put it at {destination} and repeat the command"
    )


def check(path: Path, remote: RemoteFile) -> None:
    """Compare a fetched file with the published size and hash, where there are any.

    Raises:
        DataError: they differ. The file is left where it is.
    """
    size = path.stat().st_size
    advice = (
        f"It was kept; delete it to fetch it again. If {remote.url} itself has changed, correct its size and sha256 in "
        "conf/downloads/"
    )
    if remote.size is not None and size != remote.size:
        raise DataError(f"{path} has {size:,} bytes, published are {remote.size:,}. {advice}")
    if remote.sha256 is not None and (found := sha256(path)) != remote.sha256.lower():
        raise DataError(f"{path} has the SHA-256 {found}, published is {remote.sha256}. {advice}")


def sha256(path: Path) -> str:
    """SHA-256 of a file as hex, read in pieces, with progress."""
    digest = hashlib.sha256()
    with path.open("rb") as file, byte_progress(f"checking {path.name}", total=path.stat().st_size) as progress:
        while piece := file.read(CHUNK):
            digest.update(piece)
            progress.advance(len(piece))
    return digest.hexdigest()


def _receive(remote: RemoteFile, partial: Path, connection: Connection, room_for: Callable[[int], None]) -> None:
    """Fill the partial file until it is complete."""
    partial.touch()
    attempts = Attempts(connection, remote.name, furthest=_usable(remote, partial))
    with byte_progress(remote.name, attempts.furthest, remote.size) as progress:
        complete = False
        while not complete:
            with attempts.one():
                complete = _receive_some(remote, partial, connection, room_for, progress, attempts)


def _receive_some(
    remote: RemoteFile,
    partial: Path,
    connection: Connection,
    room_for: Callable[[int], None],
    progress: ByteProgress,
    attempts: Attempts,
) -> bool:
    """One request: append what comes; returns whether the file is complete."""
    start, state = _usable(remote, partial), _read_state(partial)
    if state is not None and start == state.total:
        return True
    try:
        reply = connection.get(remote.url, start, validator=state.validator if state else None)
    except RangeUnsatisfiableError as error:
        if error.total == start:
            return True
        _begin(partial, None)
        raise PassingError("the server has fewer bytes by now, beginning again") from error
    try:
        _check_offer(reply, remote, partial)
        start = _continue_or_restart(reply, start, state, remote, partial)
        if reply.total is not None:
            room_for(reply.total - start)
        progress.expect(reply.total if reply.total is not None else remote.size)
        progress.at(start)
        with partial.open("r+b") as file:
            file.seek(start)
            for piece in reply.body():
                file.write(piece)
                progress.advance(len(piece))
                attempts.reached(progress.done)
    finally:
        reply.close()
    if reply.total is not None and progress.done < reply.total:
        raise PassingError(f"the connection was cut at {decimal(progress.done)} of {decimal(reply.total)}")
    return True


def _check_offer(reply: Reply, remote: RemoteFile, partial: Path) -> None:
    """A wrong file is best noticed before it is fetched."""
    if None not in (remote.size, reply.total) and remote.size != reply.total:
        raise DataError(
            f"{remote.url} offers {reply.total:,} bytes, published are {remote.size:,}: it has changed, or the server "
            "sends something else. Look at it in a browser; if it is the right file, correct its size and sha256 in "
            f"conf/downloads/ ({partial.name} is kept)"
        )


def _continue_or_restart(
    reply: Reply, start: int, state: PartialState | None, remote: RemoteFile, partial: Path
) -> int:
    """Where in the partial file the reply goes; empties it where the reply cannot follow what is there."""
    current = PartialState(remote.url, reply.validator, reply.total)
    if start and reply.start == start and state is not None and _same_version(state, current):
        return start
    if reply.start:
        # A part of another version, or not the part that was asked for: what is there is worth nothing.
        _begin(partial, None)
        raise PassingError("the file changed on the server, beginning again")
    if start:
        changed = state is None or not _same_version(state, current)
        reason = "the file changed on the server" if changed else "the server cannot resume"
        say(f"  {remote.name}: {reason}, beginning again")
    _begin(partial, current)
    return 0


def _forget_if_empty(partial: Path) -> None:
    if partial.stat().st_size == 0:
        partial.unlink()
        _state_path(partial).unlink(missing_ok=True)


def _same_version(state: PartialState, current: PartialState) -> bool:
    """Whether two parts are of one version of a file, as far as the server tells."""
    totals = {total for total in (state.total, current.total) if total is not None}
    return state.url == current.url and state.validator == current.validator and len(totals) < 2


def _begin(partial: Path, state: PartialState | None) -> None:
    """Empty the partial file, then say what will be in it: in this order, no kill can leave them contradicting."""
    with partial.open("wb"):
        pass
    if state is None:
        _state_path(partial).unlink(missing_ok=True)
    else:
        write_json(_state_path(partial), asdict(state))


def _usable(remote: RemoteFile, partial: Path) -> int:
    """How many bytes of the partial file can be gone on from: it must be known what they are a part of."""
    state, size = _read_state(partial), partial.stat().st_size
    identified = state is not None and state.url == remote.url and (state.validator or state.total is not None)
    return size if identified and state and (state.total is None or size <= state.total) else 0


def _read_state(partial: Path) -> PartialState | None:
    try:
        return read_json(_state_path(partial), PartialState, "")
    except DataError:
        return None


def _state_path(partial: Path) -> Path:
    return partial.with_name(partial.name + ".json")
