"""Connect and customers' servers: who says whom to dial, and who is told (AP-44, AP-48)."""

from agentstream.calls.causes import Cause
from agentstream.calls.commands import Bridge, Dial, Fetch, HangUpLeg, Play, StopPlaying
from agentstream.flows.applets.connect import ASKS_LIMIT, PARTIES_LIMIT, ConnectSettings
from agentstream.flows.context import Dialled
from agentstream.testing.calls import LEG
from agentstream.testing.visits import Visit

AAA, BBB, CCC = "+919000000001", "+919000000002", "+919000000003"
URL = "https://crm.example/whom?key=k1"


def ring(*numbers: str, **fields: object) -> tuple[Visit, Dial, Play]:
    """Enter a Connect that dials one party; return its Dial and its music."""
    visit = Visit(ConnectSettings.model_validate({"numbers": list(numbers), **fields}))
    return visit, visit.take(Dial), visit.take(Play)


def test_a_server_is_asked_whom_to_dial_ap_40() -> None:
    visit = Visit(ConnectSettings(url=URL, ring_seconds=20))
    fetch = visit.take(Fetch)
    assert fetch.request.url == URL  # its own query stays (AP-1)
    assert fetch.request.query == visit.context.parameters(0)
    visit.expect_nothing()
    visit.answers(fetch, f"{AAA}, {BBB}".encode())
    dial = visit.take(Dial)
    assert (dial.spec.destination, dial.spec.ring_ms) == (AAA, 20_000)
    visit.take(Play)
    visit.gone(dial.leg_sid, Cause.BUSY)
    second = visit.take(Dial)
    visit.gone(second.leg_sid, Cause.BUSY)
    visit.take(StopPlaying)
    visit.left("on_nobody_answered")  # no second round: the server decides


def test_an_empty_answer_is_nobody_dialled_ap_45() -> None:
    visit = Visit(ConnectSettings(url=URL, mode="programmable", fallback_url=URL))
    visit.answers(visit.take(Fetch), b'{"destination": {"numbers": []}}')
    assert visit.left("on_nobody_dialled").reason == (
        "nobody was dialled: the list of numbers is empty"
    )


def test_a_server_that_does_not_answer_is_nobody_dialled_and_waited_for_5_s_ap_45() -> None:
    visit = Visit(ConnectSettings(url=URL))
    fetch = visit.take(Fetch)
    visit.wait(5999)
    visit.expect_nothing()
    visit.wait(1)
    assert visit.left("on_nobody_dialled").reason == (
        "nobody was dialled: there was no answer in time"
    )
    assert fetch.request.timeout_ms == 5000


def test_a_caller_who_goes_while_the_server_thinks_dials_nobody() -> None:
    visit = Visit(ConnectSettings(url=URL))
    visit.take(Fetch)
    visit.hangs_up()
    visit.left("on_nobody_answered")
    assert visit.context.dial == Dialled("canceled", "", 0, "")


def test_the_server_is_asked_again_after_each_attempt_ap_44() -> None:
    visit = Visit(ConnectSettings(url=URL, fetch_after_attempt=True))
    visit.answers(visit.take(Fetch), f"{AAA},{BBB}".encode())
    dial, music = visit.take(Dial), visit.take(Play)
    visit.gone(dial.leg_sid, Cause.BUSY)
    again = visit.take(Fetch)
    query = dict(again.request.query)  # it is told how the attempt went
    assert (query["DialWhomNumber"], query["DialCallStatus"]) == (AAA, "busy")
    visit.answers(again, CCC.encode())
    third = visit.take(Dial)
    assert third.spec.destination == CCC
    visit.expect_nothing()  # the music has never stopped
    visit.gone(third.leg_sid, Cause.NO_ANSWER)
    visit.answers(visit.take(Fetch), b"")
    visit.expect(StopPlaying(music.prompt_id))
    left = visit.left("on_nobody_answered")
    assert left.reason == "nobody answered: no-answer; the list of numbers is empty"


def test_a_server_that_always_says_the_same_is_not_asked_for_ever_ap_44() -> None:
    visit = Visit(ConnectSettings(url=URL, fetch_after_attempt=True))
    for count in range(ASKS_LIMIT):
        visit.answers(visit.take(Fetch), AAA.encode())
        if count == 0:
            dial = visit.take(Dial)
            visit.take(Play)
            visit.refused(dial)  # a refusal is an attempt too
        else:
            visit.gone(visit.take(Dial).leg_sid, Cause.BUSY)
    visit.take(StopPlaying)
    visit.left("on_nobody_answered")
    assert visit.context.dial is not None
    assert len(visit.context.dial.parties) == PARTIES_LIMIT  # the last ones


# Agent events


def test_each_party_is_told_busy_and_free_once_ap_48() -> None:
    popup = "https://crm.example/popup?key=k2"
    visit = Visit(
        ConnectSettings(
            numbers=[AAA, BBB], parallel=2, popup_url=popup, agent_emails={AAA: "a@crm.example"}
        )
    )
    first, second, _ = visit.take(Dial), visit.take(Dial), visit.take(Play)
    visit.rings(first.leg_sid)
    busy = visit.take(Fetch)
    assert (busy.request.url, busy.request.method, busy.in_background) == (popup, "GET", True)
    names = [name for name, _ in busy.request.query]
    assert len(names) == len(set(names))
    assert (
        dict(busy.request.query).items()
        >= {
            "CallSid": visit.context.setup.call_sid,
            "EventType": "Dial",
            "DialWhomNumber": AAA,
            "AgentEmail": "a@crm.example",
            "Status": "busy",
        }.items()
    )
    visit.rings(first.leg_sid)  # told once
    visit.up(second.leg_sid)  # answered without ringing
    talking = dict(visit.take(Fetch).request.query)
    assert (talking["DialWhomNumber"], talking["Status"]) == (BBB, "busy")
    assert "AgentEmail" not in talking
    visit.expect(HangUpLeg(first.leg_sid, Cause.CANCELED))
    freed = dict(visit.take(Fetch).request.query)
    assert (freed["DialWhomNumber"], freed["Status"]) == (AAA, "free")
    visit.take(StopPlaying)
    visit.take(Bridge)
    visit.bridged(second.leg_sid)
    visit.gone(second.leg_sid)
    done = dict(visit.take(Fetch).request.query)
    assert (done["DialWhomNumber"], done["Status"]) == (BBB, "free")
    visit.left("on_conversation_ended")


def test_whoever_never_rang_is_neither_busy_nor_free_ap_48() -> None:
    visit, dial, _ = ring(AAA, popup_url="https://crm.example/", retries=0)
    visit.gone(dial.leg_sid, Cause.NOT_FOUND)
    visit.take(StopPlaying)
    visit.left("on_nobody_answered")


def test_a_caller_who_gives_up_frees_whoever_rang_ap_48() -> None:
    visit, dial, _ = ring(AAA, popup_url="https://crm.example/")
    visit.rings(dial.leg_sid)
    visit.take(Fetch)
    visit.hangs_up()
    assert dict(visit.take(Fetch).request.query)["Status"] == "free"
    visit.left("on_nobody_answered")


def test_an_event_that_cannot_be_told_disturbs_nobody() -> None:
    visit, dial, music = ring(AAA, popup_url="https://crm.example/")
    visit.rings(dial.leg_sid)
    visit.refused(visit.take(Fetch))
    visit.expect_nothing()
    visit.up(dial.leg_sid)
    visit.expect(StopPlaying(music.prompt_id), Bridge(LEG, dial.leg_sid))
