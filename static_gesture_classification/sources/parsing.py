"""Reads JSON and XML from elsewhere as data, with an error that names the file.

defusedxml refuses entities, declared or external, so that a file can neither fill the memory nor read another file
(https://docs.python.org/3/library/xml.html#xml-security).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import orjson
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from static_gesture_classification.errors import DataError


class NotWholeError(Exception):
    """A file that is not whole XML, or declares entities. The message is the reason alone."""


def read_any_json(path: Path, way_out: str = "export it again or delete it") -> Any:
    """The content of a JSON file, with or without a byte-order mark; it may have NaN and infinities.

    Raises:
        DataError: it is not whole JSON, or cannot be read.
    """
    try:
        data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            return json.loads(data)  # accepts NaN, which orjson does not
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path} is not whole JSON ({error}; {len(data):,} bytes); {way_out}") from error


def read_xml(path: Path) -> Element:
    """The root of an XML file.

    Raises:
        NotWholeError: it is not whole XML, has entities, or cannot be read.
    """
    try:
        return fromstring(path.read_bytes())
    except OSError as error:
        raise NotWholeError(f"it cannot be read: {error.strerror}") from error
    except ParseError as error:
        raise NotWholeError(f"it is not whole XML ({error})") from error
    except DefusedXmlException as error:
        raise NotWholeError("it declares entities, which an annotation file has no use for") from error
    except (ValueError, LookupError) as error:  # an unknown encoding
        raise NotWholeError(f"it is not readable XML ({error})") from error
