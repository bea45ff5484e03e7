"""Where `agentstream explain` says that the time went."""

from agentstream.server.explain.times import times_of
from agentstream.testing.stories import ANSWERED, CALLER, DIALLED, Told, happenings


def test_the_silence_before_the_first_sound_is_shared_out() -> None:
    request = {"request_id": "r", "purpose": "passthru", "url": "https://crm.example/x?y"}
    times = times_of(
        happenings(
            CALLER,
            ANSWERED,
            (50, "request_started", request),
            (350, "request_finished", {"request_id": "r", "purpose": "passthru", "status": 200}),
            (351, "stream_requested", {"stream_sid": "s", "url": "wss://bot.example/"}),
            (551, "stream_attempt_failed", {"stream_sid": "s", "attempt": 1}),
            (651, "stream_connected", {"stream_sid": "s"}),
            (1_651, "bot_spoke", {"stream_sid": "s"}),
            (9_000, "call_hung_up", {}),
        )
    )
    assert (times.setup_ms, times.silence_ms, times.first_sound) == (
        *(50, 1_601, "the bot's first sound"),
    )
    assert [(share.what, share.took_ms) for share in times.waited_for] == [
        ("passthru at crm.example", 300),
        ("attempt 1 to reach the bot, which failed", 201),
        ("connecting to the bot", 100),
        ("the bot, connected and quiet", 1_000),
    ]


def test_a_whisper_to_somebody_else_is_no_sound_for_the_caller() -> None:
    times = times_of(
        happenings(
            CALLER,
            ANSWERED,
            DIALLED,
            (2_000, "prompt_began", {"leg_sid": "b"}),
            (4_050, "legs_bridged", {"leg_sid": "a", "other_sid": "b"}),
        )
    )
    assert (times.silence_ms, times.first_sound) == (4_000, "the other party")


def test_the_longest_silence_after_a_prompt_is_found() -> None:
    times = times_of(
        happenings(
            CALLER,
            ANSWERED,
            (50, "prompt_began", {"leg_sid": "a"}),
            (1_000, "prompt_finished", {"leg_sid": "a"}),
            (1_100, "prompt_began", {"leg_sid": "a"}),
            (2_000, "prompt_finished", {"leg_sid": "a"}),
            (3_500, "stream_connected", {"stream_sid": "s"}),
            (4_000, "bot_spoke", {"stream_sid": "s"}),
        )
    )
    assert times.gap_ms == 2_000
    assert [(share.what, share.took_ms) for share in times.gap_waited_for] == [
        ("connecting to the bot", 1_500),
        ("the bot, connected and quiet", 500),
    ]


def test_the_time_in_applets_is_summed_over_visits_longest_first() -> None:
    def visit(name: str, from_ms: int, to_ms: int | None) -> list[Told]:
        entered: Told = (from_ms, "applet_entered", {"applet": name, "type": "greeting"})
        return [entered] if to_ms is None else [entered, (to_ms, "applet_left", {"applet": name})]

    times = times_of(
        happenings(
            CALLER,
            *visit("a", 0, 100),
            *visit("b", 100, 500),
            *visit("a", 500, 700),
            *visit("c", 700, None),
            (1_900, "call_hung_up", {}),
        )
    )
    assert [(share.what, share.took_ms) for share in times.applets] == [
        ("c (greeting)", 1_200),
        ("b (greeting)", 400),
        ("a (greeting)", 300),
    ]
