import re
from dataclasses import replace

from agentstream import _media
from agentstream.base.ids import StreamSid
from agentstream.calls.events import AnswerJudged, AppletNoted, CallEnded, DigitReceived
from agentstream.calls.transfer_words import TransferFinished
from agentstream.hooks.metrics import _ENGINE_COUNTERS, Facts, Metrics
from agentstream.switch.feed import RoadFailed, StreamWarned
from agentstream.testing.calls import CALL, LEG, make_setup
from agentstream.testing.facts import ended_record, fact, whole_call


def value(text: str, name: str) -> float:
    [line] = [line for line in text.splitlines() if line.startswith(name + " ")]
    return float(line.split()[-1])


def test_a_call_shows_in_every_measure_that_it_touches() -> None:
    metrics = Metrics(Facts)
    for each in whole_call():
        metrics.hear(each)
    metrics.hear(fact(DigitReceived(CALL, LEG, "5", 100)))
    metrics.hear(fact(AppletNoted(CALL, "ivr", "line 3: <Say>: no voice", is_trouble=True)))
    metrics.hear(fact(AppletNoted(CALL, "ivr", "line 4: <Hangup>")))
    metrics.hear(fact(AnswerJudged(CALL, LEG, "machine", 2_100, "greeting")))
    metrics.hear(fact(TransferFinished(CALL, LEG, LEG, "sip:c@c.example", "bridged", 200)))
    for road in ("trunk a", "sip.bot.test:5061", "trunk a → 192.0.2.9"):
        metrics.hear(fact(RoadFailed(LEG, 1, road, "refused", 503, "", 12)))
    metrics.hear(fact(StreamWarned(StreamSid("s"), "the audio comes too fast", "US-3")))
    text = metrics.render().decode()
    labels = '{cause="normal",direction="inbound",status="completed"}'
    assert value(text, f"agentstream_calls_total{labels}") == 1
    assert value(text, 'agentstream_streams_total{disconnected_by="bot",status="completed"}') == 1
    assert value(text, 'agentstream_stream_failed_attempts_total{phase="tcp"}') == 1
    assert value(text, 'agentstream_roads_failed_total{outcome="refused",road="trunk a"}') == 1
    assert value(text, 'agentstream_roads_failed_total{outcome="refused",road="destination"}') == 2
    assert value(text, "agentstream_stream_connect_seconds_sum") == 0.01
    assert value(text, "agentstream_stream_first_audio_seconds_sum") == 0.21
    assert value(text, "agentstream_stream_clear_seconds_count") == 1
    assert value(text, "agentstream_call_answer_seconds_sum") == 0.12
    assert value(text, "agentstream_call_talk_seconds_sum") == 41
    assert value(text, "agentstream_rtp_packets_lost_total") == 3
    assert value(text, "agentstream_leg_mos_count") == 1
    assert value(text, "agentstream_digits_total") == 1
    assert value(text, "agentstream_applet_troubles_total") == 1
    assert value(text, 'agentstream_transfers_total{outcome="bridged"}') == 1
    judged = '{reason="greeting",result="machine"}'
    assert value(text, f"agentstream_answers_judged_total{judged}") == 1
    assert value(text, 'agentstream_stream_warnings_total{about="US-3"}') == 1


def test_the_present_is_read_at_the_scrape() -> None:
    now = [Facts()]
    metrics = Metrics(lambda: now[0])
    assert value(metrics.render().decode(), "agentstream_calls_active") == 0
    now[0] = Facts(
        calls=7,
        streams=5,
        is_draining=True,
        invites={"admitted": 9, "overloaded": 2},
        orders={"placed": 4, "no-ports": 1},
        trunk_calls={"carrier": 3},
        requests_refused={"reads": 6},
        keyed_requests={"repeated": 3},
        engine={"packets_received": 100, "packets_sent": 90, "frames_late_5ms": 1, "codec": ""},
        sip={"dropped": 4},
        recordings={"waiting": 3, "stored": 8, "failed_attempts": 2, "encoded": 1},
        bridges={"live": 2, "created": 9, "failed": 1},
        uploads={"waiting": 2, "sent": 7, "failed": 1},
        leg_events={"waiting": 5, "delivered": 12, "dropped": 1, "slow": 2},
        leg_event_ways={"sockets": 3, "channels": 2, "opened": 4, "refused": 1},
        webhooks={"waiting": 6, "dead": 1, "oldest_s": 90, "delivered": 11, "failed_attempts": 4},
    )
    text = metrics.render().decode()
    assert value(text, "agentstream_calls_active") == 7
    assert value(text, "agentstream_draining") == 1
    assert value(text, 'agentstream_trunk_calls{trunk="carrier"}') == 3
    assert value(text, 'agentstream_invites_total{result="overloaded"}') == 2
    assert value(text, 'agentstream_call_orders_total{result="placed"}') == 4
    assert value(text, 'agentstream_call_orders_total{result="no-ports"}') == 1
    assert value(text, 'agentstream_api_requests_refused_total{kind="reads"}') == 6
    assert value(text, 'agentstream_api_keyed_requests_total{result="repeated"}') == 3
    assert value(text, 'agentstream_rtp_packets_total{direction="in"}') == 100
    assert value(text, 'agentstream_rtp_packets_total{direction="out"}') == 90
    assert value(text, "agentstream_rtp_frames_late_total") == 1
    assert value(text, 'agentstream_sip_total{what="dropped"}') == 4
    assert value(text, "agentstream_recordings_waiting") == 3
    assert value(text, "agentstream_leg_events_waiting") == 5
    assert value(text, "agentstream_recording_uploads_waiting") == 2
    assert value(text, 'agentstream_recording_uploads_total{result="sent"}') == 7
    assert value(text, 'agentstream_recording_uploads_total{result="failed"}') == 1
    assert value(text, "agentstream_bridges_live") == 2
    assert value(text, 'agentstream_bridges_total{result="created"}') == 9
    assert value(text, "agentstream_leg_event_sockets") == 3
    assert value(text, "agentstream_leg_event_channels") == 2
    assert value(text, "agentstream_leg_event_sockets_opened_total") == 4
    assert value(text, "agentstream_leg_event_sockets_refused_total") == 1
    assert value(text, 'agentstream_leg_events_total{result="delivered"}') == 12
    assert value(text, 'agentstream_leg_events_total{result="slow"}') == 2
    assert value(text, "agentstream_webhooks_waiting") == 6
    assert value(text, "agentstream_webhooks_dead") == 1
    assert value(text, "agentstream_webhooks_oldest_seconds") == 90
    assert value(text, "agentstream_webhooks_delivered_total") == 11
    assert value(text, "agentstream_webhooks_failed_attempts_total") == 4
    assert value(text, "agentstream_recordings_stored_total") == 8
    assert value(text, "agentstream_recordings_failed_attempts_total") == 2
    assert value(text, "agentstream_recordings_encoded_total") == 1


def test_the_roads_out_are_shown_by_name_and_in_all() -> None:
    """SIP-51."""
    facts = Facts(
        trunks_up={"carrier": 1, "spare": 0},
        trunks_registered={"carrier": 1},
        roads={"watched": 5, "down": 1, "went_down": 3, "answered": 40},
    )
    text = Metrics(lambda: facts).render().decode()
    assert value(text, 'agentstream_trunk_up{trunk="spare"}') == 0
    assert value(text, 'agentstream_trunk_up{trunk="carrier"}') == 1
    assert value(text, 'agentstream_trunk_registered{trunk="carrier"}') == 1
    assert value(text, "agentstream_roads_watched") == 5
    assert value(text, "agentstream_roads_down") == 1
    assert value(text, 'agentstream_roads_total{result="went_down"}') == 3


def test_how_long_people_let_it_ring_is_no_measure_of_the_server() -> None:
    metrics = Metrics(Facts)
    record = replace(ended_record(), setup=make_setup("outbound"))
    metrics.hear(fact(CallEnded(record.setup.call_sid, record)))
    text = metrics.render().decode()
    assert value(text, "agentstream_call_answer_seconds_count") == 0
    assert value(text, "agentstream_call_talk_seconds_count") == 1


def test_every_name_is_ours_and_two_houses_do_not_meet() -> None:
    first, second = Metrics(Facts), Metrics(Facts)
    first.hear(whole_call()[-1])
    names = set(re.findall(r"^# TYPE (\S+)", second.render().decode(), re.MULTILINE))
    assert names
    assert all(name.startswith("agentstream_") for name in names)
    assert "agentstream_calls_total{" not in second.render().decode()


def test_the_engines_counters_are_called_so_there() -> None:
    known = {name for name in dir(_media.EngineStats) if not name.startswith("_")}
    assert {theirs for _, theirs, _ in _ENGINE_COUNTERS} <= known
