"""Names of files, which on Linux may be any bytes: whether a table can hold one, and how to print it otherwise."""

from __future__ import annotations


def is_text(name: str) -> bool:
    """Whether a name is UTF-8, so that a table can hold it."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def printable(name: str) -> str:
    r"""A name that can be printed and written: bytes that are not UTF-8 become `\xe9`."""
    if is_text(name):
        return name
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # halves of a character that are no file's bytes
        return name.encode("utf-8", "backslashreplace").decode("utf-8")
