"""Answers as XML: the same names as in JSON, under one root element (CC-8)."""

import re
from collections.abc import Mapping, Sequence
from typing import Final
from xml.etree import ElementTree as ET

ROOT: Final = "TwilioResponse"
_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
# What XML 1.0 (section 2.2) has no way to write, not even as a reference.
_UNWRITABLE: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Value = Mapping[str, "Value"] | Sequence["Value"] | str | int | float | None


def xml_text(body: Mapping[str, Value]) -> str:
    """Return a document; null is an empty element, a list's items stand in its own element.

    An item that is one mapping under one name is that element, as `Leg` in `Legs`; others take the
    list's name without its s.
    """
    root = ET.Element(ROOT)
    _fill(root, body)
    return _DECLARATION + ET.tostring(root, encoding="unicode")


def _fill(element: ET.Element, value: Value) -> None:
    if value is None:
        return
    if isinstance(value, bool):
        element.text = str(value).lower()
    elif isinstance(value, str | int | float):
        element.text = _UNWRITABLE.sub("\ufffd", str(value))
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            _fill(ET.SubElement(element, name), inner)
    else:
        for item in value:
            _fill(element if _is_named(item) else ET.SubElement(element, element.tag[:-1]), item)


def _is_named(item: Value) -> bool:
    return isinstance(item, Mapping) and [isinstance(v, Mapping) for v in item.values()] == [True]
