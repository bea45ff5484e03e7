"""Answers as XML (CC-8)."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.api.xml import xml_text


@pytest.mark.parametrize(
    ("value", "xml"),
    [
        ({"A": None}, "<A />"),
        ({"A": True, "B": 1, "C": 1.5}, "<A>true</A><B>1</B><C>1.5</C>"),
        ({"A": "<b>&\"'"}, "<A>&lt;b&gt;&amp;\"'</A>"),
        (
            {"Calls": [{"Sid": "1", "To": "2"}]},
            "<Calls><Call><Sid>1</Sid><To>2</To></Call></Calls>",
        ),
        ({"Legs": [{"Leg": {"Id": 1}}]}, "<Legs><Leg><Id>1</Id></Leg></Legs>"),
        ({"Events": ["a", "b"]}, "<Events><Event>a</Event><Event>b</Event></Events>"),
        ({"A": []}, "<A />"),
    ],
)
def test_json_values_become_elements(value: dict[str, Any], xml: str) -> None:
    declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
    assert xml_text(value) == f"{declaration}<TwilioResponse>{xml}</TwilioResponse>"


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_any_text_can_be_parsed_again(text: str) -> None:
    found = ET.fromstring(xml_text({"A": text})).findtext("A")  # noqa: S314  (our own answer)
    assert found is not None
    assert len(found) <= len(text)
    if text.isascii() and text.isprintable():
        assert found == text
