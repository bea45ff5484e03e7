import asyncio

from agentstream.net.driver import Driver


class Clock:
    """Milliseconds that the test moves."""

    def __init__(self) -> None:
        self.ms = 0

    def now_ms(self) -> int:
        return self.ms

    def wall(self) -> object:
        raise NotImplementedError


class Echo:
    """Answers what it is told, twice; wakes when asked to; breaks on "bug"."""

    def __init__(self) -> None:
        self.wake_at_ms: int | None = None
        self.heard: list[tuple[str, int]] = []

    def receive(self, happening: str, now_ms: int) -> list[str]:
        self.heard.append((happening, now_ms))
        if happening == "bug":
            raise ValueError(happening)
        if happening.startswith("wake"):
            self.wake_at_ms = int(happening[4:])
            return []
        return [f"{happening}1", f"{happening}2"]

    def wake(self, now_ms: int) -> list[str]:
        self.wake_at_ms = None
        return [f"woken at {now_ms}"]


class Drive:
    def __init__(self) -> None:
        self.machine, self.clock = Echo(), Clock()
        self.performed: list[str] = []
        self.errors: list[Exception] = []
        self.on: dict[str, str] = {}
        self.news = asyncio.Event()
        self.driver: Driver[str, str] = Driver(
            self.machine,
            self.clock,  # type: ignore[arg-type]  # nobody asks for the wall
            self.perform,
            self.errors.append,
        )

    def perform(self, output: str) -> None:
        self.performed.append(output)
        self.news.set()
        if output in self.on:
            self.driver.feed(self.on[output])


async def test_what_is_performed_may_feed_back_and_comes_after() -> None:
    drive = Drive()
    drive.on = {"a1": "b", "b1": "c"}
    drive.driver.feed("a")
    assert drive.performed == ["a1", "a2", "b1", "b2", "c1", "c2"]


async def test_a_bug_is_told_and_the_machine_goes_on() -> None:
    drive = Drive()
    drive.driver.feed("bug")
    drive.driver.feed("a")
    assert [str(error) for error in drive.errors] == ["bug"]
    assert drive.performed == ["a1", "a2"]


async def test_the_machine_is_woken_and_an_earlier_time_comes_first() -> None:
    drive = Drive()
    drive.driver.feed("wake60000")
    drive.driver.feed("wake70000")  # later: the timer stays
    drive.driver.feed("wake1")
    async with asyncio.timeout(1):
        await drive.news.wait()
    assert drive.performed == ["woken at 0"]


async def test_once_closed_nothing_happens() -> None:
    drive = Drive()
    drive.driver.feed("wake1")
    drive.driver.close()
    drive.driver.feed("a")
    await asyncio.sleep(0.005)
    assert drive.performed == []
