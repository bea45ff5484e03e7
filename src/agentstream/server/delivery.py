"""Calls to numbers reach a platform: the flow that is made for them, and which numbers ring it.

platform by SIP          a Connect applet that dials the trunk, `sip:TRUNK_SID` (FL-3)
platform with a program  a Connect applet that asks the program where each call goes (FL-4, PN-56)
bot                      a Voicebot applet with the bot's address
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agentstream.base.errors import CommandError
from agentstream.base.ids import AccountSid
from agentstream.flows.document import DocumentError, parse
from agentstream.server.flow_check import stream_problems
from agentstream.store.protocols import Store
from agentstream.store.values import Flow, Number

RING_S: Final = 30  # AP-47, where the trunk has no time of its own
RING_LIMIT_S: Final = 300  # of a Connect applet
_BYE: Final = {"type": "hangup"}


@dataclass(frozen=True, slots=True)
class Delivery:
    """A flow to publish, and the numbers that are to ring it."""

    name: str
    document: str
    numbers: tuple[str, ...]  # in the form of the store


def to_trunk(sid: str, ring_s: int = 0) -> Mapping[str, Any]:
    """Return an applet that dials a trunk's destinations.

    A platform that refuses is not called again: what it said is its answer.
    """
    ring = min(ring_s or RING_S, RING_LIMIT_S)
    return {"type": "connect", "numbers": [f"sip:{sid}"], "ring_seconds": ring, "retries": 0}


def to_program(url: str) -> Mapping[str, Any]:
    """Return an applet that asks a program where the call goes."""
    return {"type": "connect", "url": url, "mode": "programmable", "ring_seconds": RING_S}


def to_bot(url: str) -> Mapping[str, Any]:
    """Return an applet that lets the caller talk to a bot."""
    return {"type": "voicebot", "url": url}


def flow_of(name: str, applet: Mapping[str, Any]) -> str:
    """Return the document of a flow with this one applet; CommandError if it cannot be one."""
    applets = {"talk": {**applet, "next": "bye"}, "bye": _BYE}
    text = json.dumps({"version": 1, "name": name, "start": "talk", "applets": applets}, indent=2)
    try:
        document = parse(text)
    except DocumentError as error:
        raise CommandError("\n".join(str(problem) for problem in error.problems)) from error
    for problem in stream_problems(document):
        raise CommandError(str(problem))
    return text


async def check_free(
    store: Store, account_sid: AccountSid, flow: str, numbers: Sequence[str], *, takes_over: bool
) -> None:
    """Refuse numbers that ring for another account, or here already unless they are taken over.

    One that rings the flow of this name stays as it is.
    """
    own = await store.flows.find(account_sid, flow)
    rung = {one.number: one for one in await store.numbers.list()}
    for number in numbers:
        known = rung.get(number)
        if known is None:
            continue
        if known.account_sid != account_sid:
            raise CommandError(f"number {number} belongs to another account")
        if not takes_over and not (own and known.flow_sid == own.sid):
            raise CommandError(
                f"{number} rings something already (agentstream numbers list): --deliver lets it"
                " ring this instead, --no-deliver leaves it as it is"
            )


async def deliver(store: Store, account_sid: AccountSid, wanted: Delivery) -> Flow:
    """Publish the flow and let the numbers ring it; a number that cannot gives the others back.

    The flow stays then, and nothing rings it.
    """
    before = {one.number: one for one in await store.numbers.list(account_sid)}
    flow = await store.flows.apply(account_sid, wanted.name, wanted.document, publish=True)
    done: list[str] = []
    try:
        for number in wanted.numbers:
            done.append(number)
            await store.numbers.assign(number, account_sid, flow.sid)
    except BaseException:
        for number in done[:-1]:
            await _give_back(store, number, before.get(number))
        raise
    return flow


async def _give_back(store: Store, number: str, was: Number | None) -> None:
    if was is None:
        await store.numbers.release(number)
    elif was.flow_sid is None:
        await store.numbers.attach(number, was.account_sid, was.event_endpoint, was.answer_mode)
    else:
        await store.numbers.assign(number, was.account_sid, was.flow_sid)
