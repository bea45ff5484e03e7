import asyncio
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from agentstream.base.errors import BusyError
from agentstream.net.dns import DnsError, DnsLimits, Resolver, ask_system
from agentstream.testing.manual_clock import ManualClock


class System:
    """Answers as told, and counts the questions."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.down = False

    def __call__(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        self.gate.wait(5)
        if self.down or host == "none.example":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return () if host == "empty.example" else ("192.0.2.1", "2001:db8::1")


@pytest.fixture
def system() -> Iterator[System]:
    made = System()
    yield made
    made.gate.set()


TIME = ManualClock()
MakeResolver = Callable[[DnsLimits], Resolver]


@pytest.fixture
def make(system: System) -> Iterator[MakeResolver]:
    made: list[Resolver] = []

    def resolver(limits: DnsLimits) -> Resolver:
        made.append(Resolver(limits, system, TIME))
        return made[-1]

    yield resolver
    system.gate.set()
    for each in made:
        each.close()


async def test_a_name_is_asked_once_until_it_is_old(system: System, make: MakeResolver) -> None:
    resolver = make(DnsLimits(keep_ms=100))
    for _ in range(3):
        assert await resolver.lookup("a.example") == ("192.0.2.1", "2001:db8::1")
    TIME.advance(100)
    await resolver.lookup("a.example")
    assert system.asked == ["a.example", "a.example"]


async def test_an_address_is_its_own(system: System, make: MakeResolver) -> None:
    resolver = make(DnsLimits())
    assert await resolver.lookup("192.0.2.7") == ("192.0.2.7",)
    assert await resolver.lookup("2001:DB8::7") == ("2001:db8::7",)
    assert system.asked == []


async def test_askers_of_one_name_share_one_question(system: System, make: MakeResolver) -> None:
    resolver = make(DnsLimits())
    system.gate.clear()
    asking = [asyncio.create_task(resolver.lookup("a.example")) for _ in range(20)]
    await asyncio.sleep(0)
    asking[0].cancel()  # one who leaves takes nothing from the others
    system.gate.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert set(answers[1:]) == {("192.0.2.1", "2001:db8::1")}
    assert system.asked == ["a.example"]


async def test_a_failure_is_kept_for_a_shorter_while(system: System, make: MakeResolver) -> None:
    resolver = make(DnsLimits(keep_failure_ms=10))
    for _ in range(2):
        with pytest.raises(DnsError, match=r"none\.example has no address: Name or service"):
            await resolver.lookup("none.example")
    assert len(system.asked) == 1
    TIME.advance(10)
    with pytest.raises(DnsError):
        await resolver.lookup("none.example")
    assert len(system.asked) == 2
    with pytest.raises(DnsError, match="none was given"):
        await resolver.lookup("empty.example")


async def test_a_resolver_that_hangs_is_given_up_in_time(
    system: System, make: MakeResolver
) -> None:
    resolver = make(DnsLimits(timeout_ms=10))
    system.gate.clear()
    with pytest.raises(DnsError, match=r"a\.example was not resolved in 10 ms"):
        await resolver.lookup("a.example")


async def test_names_being_asked_have_a_bound(system: System, make: MakeResolver) -> None:
    resolver = make(DnsLimits(at_once=2, timeout_ms=10))
    system.gate.clear()
    waiting = [asyncio.create_task(resolver.lookup(f"{n}.example")) for n in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await resolver.lookup("3.example")
    system.gate.set()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_names_kept_have_a_bound(system: System, make: MakeResolver) -> None:
    resolver = make(DnsLimits(names=2))
    for host in ("a.example", "b.example", "a.example", "c.example", "a.example", "b.example"):
        await resolver.lookup(host)
    assert system.asked == ["a.example", "b.example", "c.example", "b.example"]


@pytest.mark.parametrize("host", ["", "a" * 254])
async def test_a_name_that_can_be_none_is_not_asked(
    system: System, make: MakeResolver, host: str
) -> None:
    with pytest.raises(DnsError, match="253"):
        await make(DnsLimits()).lookup(host)
    assert system.asked == []


async def test_a_name_that_the_system_cannot_spell_has_no_address() -> None:
    resolver = Resolver()
    with pytest.raises(DnsError):
        await resolver.lookup("a" * 100 + ".example")
    resolver.close()


@pytest.mark.integration
def test_the_system_knows_itself() -> None:
    assert "127.0.0.1" in ask_system("localhost")
