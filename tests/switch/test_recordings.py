"""A call's recordings: where they are written, and where their address is told (PT-20, AP-66)."""

from agentstream import _media
from agentstream.calls.events import RecordingFinished, StreamFinished
from agentstream.media.negotiate import LocalMedia, make_offer
from agentstream.switch.feed import RecordingBegan
from agentstream.testing.board import NUMBER, Board
from agentstream.testing.waiting import until

OFFER = make_offer(LocalMedia(address="192.0.2.1", port=40_000))
RECORDED = """
name: recorded
start: talk
applets:
  talk:
    type: voicebot
    url: "ws://bot.example.net:9000/ws"
    record: true
    recording_channels: stereo
    next: bye
  bye: {type: hangup}
"""


async def outcome_of(board: Board) -> StreamFinished:
    await until(lambda: board.saw("StreamFinished"))
    finished = board.saw("StreamFinished")[0]
    assert isinstance(finished, StreamFinished)
    return finished


async def test_a_recorded_stream_names_its_recording_and_the_flow_waits_for_it(
    board: Board,
) -> None:
    await board.flow(RECORDED)
    board.signaling.invite(NUMBER, offer=OFFER)
    sid = await board.stream()
    await until(lambda: board.leg.recordings)
    plan = board.leg.recordings[0]
    (began,) = board.saw("RecordingBegan")
    assert began == RecordingBegan(board.leg.leg_sid, plan.recording_sid, "stereo")  # type: ignore[arg-type]
    assert (plan.path.endswith(f"{plan.recording_sid}.wav"), plan.channels) == (True, "stereo")
    board.bot_closes(sid)
    outcome = (await outcome_of(board)).outcome
    url = f"http://127.0.0.1:8080/recordings/{plan.recording_sid}.mp3"
    assert outcome.recording_url == url
    record = await board.record()
    names = [type(fact).__name__ for fact in board.facts]
    left = next(i for i, fact in enumerate(board.facts) if names[i] == "AppletLeft")
    assert names.index("StreamFinished") < names.index("RecordingFinished") < left
    (finished,) = board.saw("RecordingFinished")
    assert isinstance(finished, RecordingFinished)
    assert (finished.url, finished.error) == (url, "")
    assert record.recordings[0].url == url
    assert record.streams[0].outcome.recording_url == url


async def test_a_recording_that_broke_off_has_no_address(board: Board) -> None:
    await board.flow(RECORDED)
    board.signaling.invite(NUMBER, offer=OFFER)
    sid = await board.stream()
    await until(lambda: board.leg.recordings)
    plan = board.leg.recordings[0]
    failed = _media.RecordingFailed(board.leg.leg_sid, 0, plan.recording_sid, plan.path, "full")
    board.media.feed(failed)
    await until(lambda: board.saw("RecordingFinished"))
    board.bot_closes(sid)
    assert (await outcome_of(board)).outcome.recording_url == ""
    record = await board.record()
    assert record.recordings[0].error == "full"


async def test_a_stream_that_never_opened_has_no_recording(board: Board) -> None:
    await board.flow(RECORDED)
    board.web.refusal = "forbidden"
    board.signaling.invite(NUMBER, offer=OFFER)
    assert (await outcome_of(board)).outcome.recording_url == ""
    await board.record()
    assert board.leg.recordings == []
    assert board.saw("RecordingBegan") == []
