"""Files as data of declared types: anything else is an error that names the file. No file runs code.

A file from elsewhere (a checkpoint, a session, a plan) may hold anything. Each kind of file declares its content as
data classes or annotated types, and other content is refused first. Nothing here resolves a reference, imports what a
file names, or follows a path out of its folder.

JSON may be UTF-8 or UTF-16, with or without a byte-order mark.
"""

from __future__ import annotations

import codecs
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, TypeVar, cast

import yaml
from pydantic import AfterValidator, BeforeValidator, TypeAdapter, ValidationError
from pydantic_core import from_json

from static_gesture_classification.errors import DataError

T = TypeVar("T")
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_SAFE_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C, where there is one: ten times as fast
_SHOWN = 60  # characters of a value in a message


def read_json(path: Path, kind: type[T], way_out: str, version: tuple[str, int] | None = None) -> T:
    """Read a JSON file as `kind`: a data class, a container or an annotated type; unknown keys are ignored.

    Args:
        path: the file.
        kind: checked strictly: no text for a number, no number for a text.
        way_out: for messages about an unusable file.
        version: the key of the format's version, and the version that this program reads.

    Raises:
        DataError: it is missing, unreadable, not whole JSON, of another version, or no `kind`.
    """
    try:
        text = decode_text(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"there is no {path}; {way_out}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); {way_out}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not whole JSON (neither UTF-8 nor UTF-16: {error}); {way_out}") from error
    if version is not None:
        _check_version(text, path, way_out, *version)
    return parse_json(text, kind, str(path), way_out)


def read_yaml(path: Path, way_out: str) -> dict[str, Any]:
    """Read a YAML file that maps names to plain values.

    Raises:
        DataError: it is missing, unreadable, or something else.
    """
    try:
        text = decode_text(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not readable YAML ({error}); {way_out}") from error
    return parse_yaml(text, str(path), way_out)


def parse_yaml(text: str, where: str, way_out: str) -> dict[str, Any]:
    """YAML text that maps names to plain values; `where` names its origin in messages. See `read_yaml`."""
    try:
        content = yaml.load(text, _SAFE_YAML) or {}
    except (ValueError, yaml.YAMLError) as error:
        raise DataError(f"{where} is not readable YAML ({error}); {way_out}") from error
    return check_type(content, dict[str, Any], where, way_out)


def parse_json(text: str, kind: type[T], where: str, way_out: str) -> T:
    """JSON text as `kind`; `where` names its origin in messages. See `read_json`."""
    try:
        return cast(T, _adapter(kind).validate_json(text, strict=True))  # type: ignore[arg-type]
    except ValidationError as error:
        if error.errors(include_url=False)[0]["type"] == "json_invalid":
            raise DataError(f"{where} is not whole JSON ({_explain(error)}); {way_out}") from error
        raise DataError(f"{where}: {_explain(error)}; {way_out}") from error


def check_type(value: object, kind: type[T], where: str, way_out: str) -> T:
    """A plain value from a file, if it strictly is a `kind`.

    Raises:
        DataError: it is none; names `where` it comes from and the part that does not fit.
    """
    try:
        return cast(T, _adapter(kind).validate_python(value, strict=True))  # type: ignore[arg-type]
    except ValidationError as error:
        raise DataError(f"{where}: {_explain(error)}; {way_out}") from error


def decode_text(data: bytes) -> str:
    """The text of a file, without its byte-order mark. Raises `UnicodeDecodeError`."""
    return data.decode(next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8"))


def plain_name(name: str) -> str:
    """A name that stays in its folder when it becomes a file's. Raises `ValueError` otherwise."""
    if name in ("", ".", "..") or any(sign in name for sign in "/\\\0") or PureWindowsPath(name).drive:
        raise ValueError("is not the plain name of a file in its folder")
    return name


def path_inside(path: str) -> str:
    """A relative path, with forward slashes, that does not climb out. Raises `ValueError` otherwise."""
    parts = (*PurePosixPath(path).parts, *PureWindowsPath(path).parts)
    if not path or "\0" in path or ".." in parts or PurePosixPath(path).is_absolute() or PureWindowsPath(path).anchor:
        raise ValueError("is not a path inside its folder")
    return path


def _as_text(value: object) -> object:
    """None as "", a whole number (a subject called 7) as its digits."""
    if value is None:
        return ""
    return str(value) if type(value) is int else value


PlainName = Annotated[str, AfterValidator(plain_name)]
PathInside = Annotated[str, AfterValidator(path_inside)]
Text = Annotated[str, BeforeValidator(_as_text)]


@lru_cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _check_version(text: str, path: Path, way_out: str, key: str, read: int) -> None:
    try:
        content = from_json(text)
    except ValueError as error:
        raise DataError(f"{path} is not whole JSON ({error}); {way_out}") from error
    found = content.get(key) if isinstance(content, dict) else None
    if type(found) is not int or found != read:
        raise DataError(f"{path} has {key.replace('_', ' ')} {found!r:.{_SHOWN}}, this program reads {read}; {way_out}")


def _explain(error: ValidationError) -> str:
    """The first error: its place, the value and the rule."""
    first = error.errors(include_url=False)[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    message = first["msg"].removeprefix("Value error, ").removeprefix("Invalid JSON: ").removeprefix("Input ")
    if first["type"] == "json_invalid":
        return message
    if first["type"] == "missing":
        return f"{place} is missing"
    return f"{place or 'its content'} is {first['input']!r:.{_SHOWN}}, which {message}"
