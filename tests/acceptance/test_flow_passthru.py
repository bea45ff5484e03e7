"""Passthru over the whole of a call: what a customer's server is asked, and the way it chooses."""

from pathlib import Path

import pytest

from agentstream.calls.record import CallRecord
from agentstream.testing.customer import Asked, Customer, Reply, customer
from agentstream.testing.file_calls import CALLED, CALLER, FileCalls, file_calls
from agentstream.testing.scripted_bot import BotCall, listen, scripted_bot
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance

AFTER_BOT = """
name: after
start: talk
applets:
  talk: {type: voicebot, url: "%s", next: tell}
  tell: {type: passthru, url: "%s", %s next: good, on_302: other}
  good: {type: hangup, cause: busy}
  other: {type: hangup, cause: rejected}
"""


async def leave(call: BotCall) -> None:
    await call.until("media")
    await call.close()


async def crash(call: BotCall) -> None:
    await call.until("media")
    call.socket.transport.abort()


def told(shop: Customer) -> dict[str, str]:
    """Return what the only request to the shop said."""
    (asked,) = shop.requests
    return asked.query


async def ended(house: FileCalls, bot_url: str, shop: Customer, **fields: object) -> CallRecord:
    more = "".join(f"{name}: {value}, " for name, value in fields.items())
    return await house.dial(AFTER_BOT % (bot_url, shop.url("/after?key=7"), more)).record()


async def test_a_bot_that_closed_is_told_with_all_parameters(tmp_path: Path) -> None:
    """ST-30, PT-1, PT-10, PT-11, PT-20, PT-24, AP-1, AP-3: GET, own query first, brackets."""
    async with (
        customer(after=Reply(200)) as shop,
        scripted_bot(leave) as bot,
        file_calls(tmp_path) as house,
    ):
        record = await ended(house, bot.url, shop)
    (asked,) = shop.requests
    assert (asked.method, asked.path, asked.body) == ("GET", "/after", b"")
    assert asked.raw_query.startswith("key=7&CallSid=")
    assert "[" not in asked.raw_query
    assert "exotel-version" not in asked.headers  # AP-2
    said = asked.query
    assert said["CallSid"] == record.setup.call_sid
    assert (said["From"], said["To"]) == (said["CallFrom"], said["CallTo"]) == (CALLER, CALLED)
    assert said["Direction"] == "incoming"
    assert said["EndTime"] == "1970-01-01 05:30:00"
    assert (said["DialCallDuration"], said["DialWhomNumber"]) == ("0", "")
    assert "digits" not in said
    assert "DialCallStatus" not in said
    assert said["Stream[StreamSID]"] == record.streams[0].stream_sid
    assert said["Stream[Status]"] == "completed"
    assert said["Stream[DisconnectedBy]"] == "bot"
    assert said["Stream[Duration]"].isdecimal()
    assert said["Stream[StreamUrl]"] == bot.url
    assert record.cause.value == "busy"  # 200 is `next`


async def test_a_caller_who_hung_up_is_still_told(tmp_path: Path) -> None:
    """ST-13, ST-22, ST-30, PT-22: `cancelled` by the `user`, after the caller has gone."""
    async with (
        customer(after=Reply(200)) as shop,
        scripted_bot(listen) as bot,
        file_calls(tmp_path) as house,
    ):
        call = house.dial(AFTER_BOT % (bot.url, shop.url("/after"), ""))
        await until(lambda: bot.calls and bot.call.said("media"), 10_000)
        call.hang_up()
        record = await call.record()
    said = told(shop)
    assert (said["Stream[Status]"], said["Stream[DisconnectedBy]"]) == ("cancelled", "user")
    assert (record.cause.value, record.ended_by.value) == ("normal", "caller")


async def test_a_bot_that_cannot_be_reached_is_told_with_its_error(tmp_path: Path) -> None:
    """ST-6, ST-30, AS-166: `failed`, `NA`, 3009."""
    async with customer(after=Reply(200)) as shop, file_calls(tmp_path) as house:
        await ended(house, "ws://127.0.0.1:9/", shop)
    said = told(shop)
    assert (said["Stream[Status]"], said["Stream[DisconnectedBy]"]) == ("failed", "NA")
    assert said["Stream[Error]"].startswith("3009 ")


async def test_a_bot_that_crashed_is_told_as_failed_by_the_bot(tmp_path: Path) -> None:
    """ST-16, ST-32, AS-170: a crash can be told from a farewell, and the flow goes on."""
    async with (
        customer(after=Reply(302)) as shop,
        scripted_bot(crash) as bot,
        file_calls(tmp_path) as house,
    ):
        record = await ended(house, bot.url, shop)
    said = told(shop)
    assert (said["Stream[Status]"], said["Stream[DisconnectedBy]"]) == ("failed", "bot")
    assert "1006" in said["Stream[Error]"]
    assert record.cause.value == "rejected"  # 302 is the other way


async def test_a_limit_that_ended_the_stream_is_told_as_completed(tmp_path: Path) -> None:
    """ST-14, ST-31, AS-48: `completed`, `NA`."""
    document = AFTER_BOT.replace("next: tell", "settings: {max_seconds: 1}, next: tell")
    async with (
        customer(after=Reply(200)) as shop,
        scripted_bot(listen) as bot,
        file_calls(tmp_path) as house,
    ):
        await house.dial(document % (bot.url, shop.url("/after"), "")).record()
    said = told(shop)
    assert (said["Stream[Status]"], said["Stream[DisconnectedBy]"]) == ("completed", "NA")
    assert said["Stream[Duration]"] == "1"


async def test_an_account_without_a_free_stream_is_told_so(tmp_path: Path) -> None:
    """AS-50, ST-1, ST-30: `failed`, `NA`, Streaming_call_throttled."""
    async with (
        customer(after=Reply(200)) as shop,
        scripted_bot(listen) as bot,
        file_calls(tmp_path, stream_limit=1) as house,
    ):
        first = house.dial(bot.url)
        await until(lambda: bot.calls, 10_000)
        await ended(house, bot.url, shop)
        first.hang_up()
        await first.record()
    said = told(shop)
    assert (said["Stream[Status]"], said["Stream[DisconnectedBy]"]) == ("failed", "NA")
    assert said["Stream[DetailedStatus]"] == "Streaming_call_throttled"


async def test_a_302_is_an_answer_and_nobody_follows_it(tmp_path: Path) -> None:
    """PT-3: the redirect is output B."""
    moved = Reply(302, headers=(("Location", "/elsewhere"),))
    async with (
        customer(after=moved, elsewhere=Reply(200)) as shop,
        scripted_bot(leave) as bot,
        file_calls(tmp_path) as house,
    ):
        record = await ended(house, bot.url, shop)
    assert [asked.path for asked in shop.requests] == ["/after"]
    assert record.cause.value == "rejected"


@pytest.mark.parametrize("status", [404, 500, 204])
async def test_another_status_takes_the_failure_output_or_the_second(
    status: int, tmp_path: Path
) -> None:
    """PT-4: the error output where it is wired, else output B."""
    async with (
        customer(after=Reply(status)) as shop,
        scripted_bot(leave) as bot,
        file_calls(tmp_path) as house,
    ):
        second = await ended(house, bot.url, shop)
        wired = await ended(house, bot.url, shop, on_failure="good")
    assert (second.cause.value, wired.cause.value) == ("rejected", "busy")


async def test_a_late_answer_is_not_waited_for(tmp_path: Path) -> None:
    """PT-5: the time is a setting of the applet."""
    async with (
        customer(after=Reply(200, delay_ms=3_000)) as shop,
        scripted_bot(leave) as bot,
        file_calls(tmp_path) as house,
    ):
        record = await ended(house, bot.url, shop, timeout_seconds=1)
    assert record.cause.value == "rejected"
    assert record.duration_ms < 3_000


async def test_in_the_background_nobody_waits_and_it_is_tried_again(tmp_path: Path) -> None:
    """PT-2, PT-6: the call goes on at once; a failure is repeated twice, also after its end."""
    seen = []

    def flaky(asked: Asked) -> Reply:
        seen.append(asked)
        return Reply(200 if len(seen) == 3 else 503)

    async with (
        customer(after=flaky) as shop,
        scripted_bot(leave) as bot,
        file_calls(tmp_path) as house,
    ):
        record = await ended(house, bot.url, shop, mode="async")
        await shop.until_asked("/after", 3, 20_000)
    assert record.cause.value == "busy"
    assert len({asked.raw_query for asked in seen}) == 1


async def test_the_stream_may_come_as_one_json_text(tmp_path: Path) -> None:
    """PT-21: receivers handle both."""
    async with (
        customer(after=Reply(200)) as shop,
        scripted_bot(leave) as bot,
        file_calls(tmp_path) as house,
    ):
        await ended(house, bot.url, shop, stream_encoding="json")
    said = told(shop)
    assert '"Status":"completed"' in said["Stream"].replace(": ", ":")
    assert "Stream[Status]" not in said


async def test_one_setting_shows_bot_and_server_the_same_numbers_us_13(tmp_path: Path) -> None:
    """US-13, AS-70, CX-9: `start` and Passthru alike."""
    async with (
        customer(after=Reply(200)) as shop,
        scripted_bot(leave) as bot,
        file_calls(tmp_path, country_code="91", number_format="national0") as house,
    ):
        await ended(house, bot.url, shop)
    said, [start] = told(shop), bot.call.said("start")
    assert (said["From"], said["To"]) == ("09876500001", "08040000002")
    assert (start["start"]["from"], start["start"]["to"]) == (said["From"], said["To"])
