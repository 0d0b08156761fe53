"""Errors that a user can mend: entry points print them as one message, without a traceback."""

from __future__ import annotations


class UserError(Exception):
    """Bad input or a missing resource. The message names the file, the value and the way out."""


class DataError(UserError):
    """Data that cannot be used as it is: missing, malformed, or too much of it bad."""


class OutputError(UserError):
    """A result that cannot be written (read-only folder, full disk). Earlier results are untouched."""
