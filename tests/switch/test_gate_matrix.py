"""Who may call what, cell by cell, over real sockets: the proof that this is no open relay.

The product behind the engine does with an invitation what a switchboard would: it runs a flow, goes
to the telephone network, rings a number of this house, or knows no such number.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest

from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.sip.reports import Accepted, Ended, Report
from agentstream.sip.signaling import Credentials, Dial
from agentstream.switch.dial_guard import DialGuard
from agentstream.switch.trunk_gate import GateSettings, UnknownCallers
from agentstream.testing.answering import SDP
from agentstream.testing.gated import GatedHouse, gated_house
from agentstream.testing.trunk_books import book_with, trunk, trunk_sid
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
HOST = "127.0.0.1"
OFFER = SDP.format(host=HOST, version=1)
FLOW, PSTN, BARE = "+918000000042", "+918000000043", "+918000000044"
THEIRS, THEIR_CLI = "+918000000052", "+918000000053"
NOBODYS, ABROAD, SHORT = "+912240009999", "+14155550100", "1000"
BOOK = book_with(
    trunk("listed", account="acme", networks=("127.0.0.2",), numbers={FLOW: "flow", PSTN: "pstn"}),
    trunk("bare", account="acme", networks=("127.0.0.12",), numbers={BARE: "flow"}),
    trunk("login", account="login", users={"ann": "secret"}, numbers={"+918000000062": "pstn"}),
    trunk("other", networks=("127.0.0.4",), numbers={THEIRS: "flow", THEIR_CLI: "pstn"}),
    trunk("idle", networks=("127.0.0.5",), numbers={"+918000000072": "pstn"}, is_active=False),
    trunk("safe", networks=("127.0.0.6",), numbers={"+918000000082": "pstn"}, is_secure=True),
)
RINGS = {FLOW, PSTN, THEIRS}
NUMBERS = {
    "flow number": FLOW,
    "flow number without a flow": BARE,
    "pstn number": PSTN,
    "another account's": THEIRS,
    "unmapped, in the country": NOBODYS,
    "abroad, guarded": ABROAD,
    "no E.164": SHORT,
}
# Who calls: the last octet of the source, the host and user of From, the credentials.
CALLERS: dict[str, tuple[int, str, Credentials | None]] = {
    "unknown source": (9, "sip:eve@elsewhere.test", None),
    "unknown source, a listed trunk's number": (9, f"sip:{PSTN}@elsewhere.test", None),
    "unknown source, a login trunk's number": (9, "sip:+918000000062@elsewhere.test", None),
    "unknown source, a listed trunk's domain": (9, "sip:eve@listed.pstn.test", None),
    "carrier": (8, f"sip:{PSTN}@listed.pstn.test", None),
    "ACL source": (2, f"sip:{PSTN}@elsewhere.test", None),
    "digest user": (3, "sip:x@login.pstn.test", Credentials("ann", "secret")),
    "digest user without credentials": (3, "sip:x@login.pstn.test", None),
    "wrong password": (3, "sip:x@login.pstn.test", Credentials("ann", "guess")),
    "unknown user": (3, "sip:x@login.pstn.test", Credentials("eve", "secret")),
    "other account's trunk": (4, f"sip:{THEIR_CLI}@other.pstn.test", None),
    "inactive trunk": (5, "sip:x@idle.pstn.test", None),
    "secure trunk over UDP": (6, "sip:x@safe.pstn.test", None),
}
CARRIER = ["rings", "404", "rings", "rings", "404", "404", "404"]
OUTSIDE = [cell.replace("404", "403") for cell in CARRIER]  # where nothing rings: no reason
# Nobody but a trunk's own caller ever gets a "network".
WANTED = {
    "unknown source": OUTSIDE,
    "unknown source, a listed trunk's number": OUTSIDE,
    "unknown source, a login trunk's number": [c.replace("403", "407") for c in OUTSIDE],
    "unknown source, a listed trunk's domain": ["403"] * 7,
    "carrier": CARRIER,
    "ACL source": ["flow", "404", "network", "network", "network", "403", "484"],
    "digest user": ["network"] * 5 + ["403", "484"],
    "digest user without credentials": ["407"] * 7,
    "wrong password": ["403"] * 7,
    "unknown user": ["403"] * 7,
    "other account's trunk": ["network"] * 3 + ["flow", "network", "403", "484"],
    "inactive trunk": ["503"] * 7,
    "secure trunk over UDP": ["403"] * 7,
}


@asynccontextmanager
async def house(unknown_callers: UnknownCallers = "accept") -> AsyncIterator[GatedHouse]:
    settings = GateSettings(
        unknown_callers=unknown_callers,
        carriers=(ip_network("127.0.0.8/32"),),
        country_code="91",
        guard=DialGuard(frozenset({"91"})),
    )
    async with gated_house(BOOK, settings, RINGS) as here:
        yield here


async def call(
    here: GatedHouse, octet: int, from_uri: str, credentials: Credentials | None, number: str
) -> str:
    """Return where one call went, or the status that it was refused with."""
    ended: list[Report] = []
    caller = SipEngine(SipConfig((Listener("udp", f"127.0.0.{octet}", 0),)))
    caller.on_report(lambda r: ended.append(r) if isinstance(r, Accepted | Ended) else None)
    await caller.start()
    try:
        went = len(here.went)
        target = f"sip:{number}@{HOST}:{here.port}"
        ref = caller.place(Dial(target, from_uri, OFFER, credentials=credentials))
        await until(lambda: ended)
        if isinstance(ended[0], Ended):
            return str(ended[0].status)
        caller.hang_up(ref)
        return here.went[went][0]
    finally:
        await caller.stop(1_000)


async def test_who_may_call_what(capsys: pytest.CaptureFixture[str]) -> None:
    """SIP-23, SIP-25, SIP-30, SIP-35, SIP-72, SIP-73, FL-1, FL-2, TR-42."""
    got: dict[str, list[str]] = {}
    async with house() as here:
        for who, (octet, from_uri, credentials) in CALLERS.items():
            got[who] = [
                await call(here, octet, from_uri, credentials, number)
                for number in NUMBERS.values()
            ]
    with capsys.disabled():
        print("\n" + table(got))  # noqa: T201  (the matrix is for people to read)
    assert got == WANTED


@pytest.mark.parametrize("number", NUMBERS.values())
async def test_where_unknown_callers_are_refused_they_reach_nothing(number: str) -> None:
    async with house("refuse") as here:
        assert await call(here, 9, "sip:eve@elsewhere.test", None, number) == "403"
        carrier = await call(here, 8, "sip:eve@elsewhere.test", None, number)
        assert carrier == ("rings" if number in RINGS else "404")


async def test_where_unknown_callers_get_silence_nothing_comes_back() -> None:
    async with house("silence") as here:
        replies: list[Report] = []
        caller = SipEngine(SipConfig((Listener("udp", "127.0.0.9", 0),)))
        caller.on_report(replies.append)
        await caller.start()
        sip = f"sip:{FLOW}@{HOST}:{here.port}"
        caller.place(Dial(sip, "sip:eve@elsewhere.test", OFFER))
        await until(lambda: here.engine.counters.get("ignored", 0) >= 2)  # and once repeated
        await caller.stop(1)
        assert not replies
        assert not here.went


async def test_a_trunks_caller_is_told_to_the_product_with_the_number_it_shows() -> None:
    """SIP-21, SIP-26: what From says is not what a carrier is shown, unless it is mapped."""
    async with house() as here:
        assert await call(here, 2, "sip:bob@elsewhere.test", None, NOBODYS) == "network"
        assert await call(here, 2, f"sip:{PSTN[1:]}@elsewhere.test", None, NOBODYS) == "network"
        told = [(invited.trunk_sid, invited.shown_caller) for _, invited in here.went]
        assert told == [(trunk_sid("listed"), FLOW), (trunk_sid("listed"), PSTN)]


async def test_guessing_passwords_bans_the_source_before_parsing() -> None:
    """SIP-35."""
    async with house() as here:
        here.gate.strike = here.engine.strike
        wrong = Credentials("ann", "guess")
        for _ in range(10):
            assert await call(here, 3, "sip:x@login.pstn.test", wrong, NOBODYS) == "403"
        assert here.engine.counters["bans"] == 1
        caller = SipEngine(SipConfig((Listener("udp", "127.0.0.3", 0),)))
        caller.on_report(lambda _: None)
        await caller.start()
        right = Credentials("ann", "secret")
        target = f"sip:{NOBODYS}@{HOST}:{here.port}"
        caller.place(Dial(target, "sip:x@login.pstn.test", OFFER, credentials=right))
        await until(lambda: here.engine.counters["messages_banned"] >= 2)
        await caller.stop(1)
        assert await call(here, 2, "sip:x@listed.pstn.test", None, FLOW) == "flow"
        rejected = here.gate.rejections.recent("login")
        assert {(one.reason, one.user, one.status) for one in rejected} == {
            ("digest-failed", "ann", 403)
        }


def table(got: dict[str, list[str]]) -> str:
    width = max(map(len, got)) + 2
    head = " " * width + " | ".join(NUMBERS)
    lines = [
        f"{who:<{width}}" + " | ".join(
            f"{cell:<{len(name)}}" for cell, name in zip(cells, NUMBERS, strict=True)
        )
        for who, cells in got.items()
    ]  # fmt: skip
    return "\n".join([head, *lines])
