"""Whom and where a flow leads, as far as this machine can tell: flows, numbers, SIP addresses.

What is only known during a call (`{TransferTo}`, a server's answer) is left alone.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from agentstream.calls.commands import DialSpec
from agentstream.flows.applets.connect import ConnectSettings
from agentstream.flows.applets.transfer import TransferSettings
from agentstream.flows.dial_plan import targets_of
from agentstream.flows.document import FlowDocument
from agentstream.flows.source import Path
from agentstream.switch.routing import NoRoadError, Roads, find_road

_TRUNK_SID: Final = re.compile(r"sips?:tr[a-z0-9]{26}", re.ASCII | re.IGNORECASE)  # TR-4
_NAMED: Final = 5  # flows that are named when the one that is wanted is not there


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the flow will run in."""

    flows: Mapping[str, str] | None = None  # the published ones' names by sid; None: unknown
    roads: Roads = field(default_factory=Roads)


NOWHERE: Final = Surroundings()


@dataclass(frozen=True, slots=True)
class Miss:
    """A target that a call would not reach. `path` leads to it in the applet's fields."""

    code: str
    applet: str
    path: Path
    text: str


def misses(document: FlowDocument, around: Surroundings) -> Iterator[Miss]:
    """Yield the targets that would not be reached, in the order of the document."""
    for name, settings in document.applets.items():
        match settings:
            case TransferSettings(flow=flow):
                yield from _unknown_flow(name, flow, document, around.flows)
            case ConnectSettings():
                yield from _undialled(name, settings, around.roads)
            case _:
                pass


def _unknown_flow(
    applet: str, flow: str, document: FlowDocument, flows: Mapping[str, str] | None
) -> Iterator[Miss]:
    if flows is None or "{" in flow or flow in {document.name, *flows, *flows.values()}:
        return
    known = ", ".join(sorted(flows.values())[:_NAMED]) or "none"
    yield Miss(
        "no-flow", applet, ("flow",), f"no flow '{flow}' is published here; there are {known}"
    )


def _undialled(applet: str, settings: ConnectSettings, roads: Roads) -> Iterator[Miss]:
    for place, text in enumerate(settings.numbers or ()):
        if "{" in text:
            continue
        targets, _ = targets_of([text], "")  # their form was looked at with the document
        for target in targets:
            why = _why_not(DialSpec(target.destination, "100", settings.trunk), roads)
            if why:
                yield Miss("no-road", applet, ("numbers", place), why)


def _why_not(spec: DialSpec, roads: Roads) -> str:
    is_number = not spec.destination.lower().startswith(("sip:", "sips:"))
    if _TRUNK_SID.fullmatch(spec.destination):  # a row of the account, whichever machine has it
        return ""
    if is_number and not roads.trunks:  # a machine without trunks is not where it will run
        return ""
    try:
        find_road(spec, roads, "")
    except NoRoadError as error:
        return str(error)
    return ""
