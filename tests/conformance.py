"""The minimum conformance suite: promises to bots, flows and scripts that exist, shown by tests.

Twelve are to bots and flows, ten to scripts of the calls API, ten to those of the Legs API, twelve
to the peers and scripts of SIP trunks.

    python tests/conformance.py [pytest options]

Runs the tests of every row over real sockets and prints a table; exit code 0 only if all passed.
`tests/test_conformance.py` checks that every test named here exists.
"""

import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
WIRE = "tests/acceptance/test_wire_"
FLOW = "tests/acceptance/test_flow_"
API = "tests/api/test_"
LEGS = "tests/flows/legs/test_"
TRUNK = "tests/acceptance/test_trunk_"
PARTNER = "tests/acceptance/test_partner_"

# What is promised, and the tests (a file stands for all of its tests).
SUITE: Final[dict[str, tuple[str, ...]]] = {
    "every known client: handshake, audio both ways, clear, mark, stop": (
        f"{WIRE}clients.py",
        "tests/stream/test_client_matrix.py",
    ),
    "custom parameters: none, one, three, four": (
        f"{WIRE}opening.py::test_the_query_becomes_custom_parameters_within_limits",
        f"{WIRE}opening.py::test_the_limits_of_custom_parameters_are_settings",
    ),
    "credentials of the address become a header, decoded": (
        f"{WIRE}opening.py::test_credentials_are_decoded_into_a_header_and_shown_to_nobody",
    ),
    "a bot that is slow, refuses, or answers at the second try": (
        f"{WIRE}opening.py::test_a_bot_that_never_answers_is_tried_twice_and_given_up",
        f"{WIRE}opening.py::test_a_refused_connection_is_tried_twice",
        f"{WIRE}opening.py::test_a_bot_that_refuses_twice_is_reported_with_its_status",
        f"{WIRE}opening.py::test_the_second_try_succeeds",
    ),
    "marks: at once when nothing waits, in order between chunks": (
        f"{WIRE}bot_talks.py::test_a_mark_fires_at_once_when_nothing_is_queued",
        f"{WIRE}bot_talks.py::test_marks_are_ordered_with_the_audio_around_them",
    ),
    "clear: marks come back or are forgotten": (
        f"{WIRE}bot_talks.py::test_clear_silences_the_line_and_returns_or_forgets_the_marks",
    ),
    "payloads of every size are heard bit by bit": (
        f"{WIRE}audio.py::test_payloads_of_every_size_are_heard_bit_exactly",
    ),
    "stop says why": (
        f"{WIRE}endings.py::test_a_caller_who_hangs_up_is_told_as_callended_then_closed",
        f"{WIRE}endings.py::test_the_limit_of_a_stream_stops_it_and_the_flow_goes_on",
    ),
    "a Passthru is told how the stream ended": (
        f"{FLOW}passthru.py::test_a_bot_that_closed_is_told_with_all_parameters",
        f"{FLOW}passthru.py::test_a_caller_who_hung_up_is_still_told",
        f"{FLOW}passthru.py::test_a_bot_that_cannot_be_reached_is_told_with_its_error",
        f"{FLOW}passthru.py::test_a_bot_that_crashed_is_told_as_failed_by_the_bot",
        f"{FLOW}passthru.py::test_a_limit_that_ended_the_stream_is_told_as_completed",
        f"{FLOW}passthru.py::test_an_account_without_a_free_stream_is_told_so",
    ),
    "a Passthru decides by 200 and 302, and is not waited for": (
        f"{FLOW}passthru.py::test_a_302_is_an_answer_and_nobody_follows_it",
        f"{FLOW}passthru.py::test_another_status_takes_the_failure_output_or_the_second",
        f"{FLOW}passthru.py::test_a_late_answer_is_not_waited_for",
    ),
    "a Gather's server: a good answer, XML, too late": (f"{FLOW}gather.py",),
    "every contradiction of the documents is a setting": (
        f"{WIRE}opening.py::test_the_shape_of_messages_follows_the_settings",
        f"{WIRE}opening.py::test_the_presets_are_chosen_for_all_bots_or_for_one",
        f"{WIRE}opening.py::test_the_number_of_tries_is_a_setting",
        f"{WIRE}opening.py::test_plain_sockets_can_be_forbidden",
        f"{WIRE}clients.py::test_dograh_is_content_by_its_setting_only",
        f"{WIRE}bot_talks.py::test_the_size_limit_is_a_setting",
        f"{WIRE}resolver.py::test_an_http_address_may_be_refused_or_taken_as_a_socket",
        f"{WIRE}endings.py::test_a_bot_that_says_stop_ends_gracefully",
        f"{FLOW}passthru.py::test_the_stream_may_come_as_one_json_text",
    ),
    "published clients and a CRM's own requests place calls and read them": (
        "tests/interop/test_call_clients.py",
        "tests/acceptance/test_crm_places_calls.py",
    ),
    "paths, suffixes, parameters and lists in every spelling": (
        f"{API}connect.py::test_every_spelling_means_the_same",
    ),
    "a flow and a bot at once are refused": (
        f"{API}connect.py::test_what_is_wrong_is_named_cc_24_cc_30",
    ),
    "two numbers, a flow, a bot: each is told step by step": (
        "tests/acceptance/test_crm_places_calls.py",
        "tests/acceptance/test_callback_order.py",
        "tests/acceptance/test_campaign.py",
    ),
    "calls are listed by every filter, pages turned both ways": (
        f"{API}calls.py::test_calls_are_filtered_cd_6",
        f"{API}calls.py::test_a_semicolon_may_come_raw_or_encoded_cd_9_up_15",
        f"{API}calls.py::test_pages_are_turned_both_ways_cd_6_cd_7",
    ),
    "errors in JSON and XML, also 401, 404 and 429": (
        f"{API}app.py::test_errors_come_in_the_form_that_was_asked_for",
        f"{API}app.py::test_who_does_not_say_who_they_are_is_asked",
        f"{API}app.py::test_an_unknown_account_is_404_and_anothers_is_401",
        f"{API}rate_limit.py::test_every_answer_tells_what_is_left_and_429_when_to_come_again_er_7",
    ),
    "active streams in their three forms": (f"{API}app.py::test_active_streams_have_three_forms",),
    "a callback that fails is sent again by the documented clock": (
        "tests/hooks/test_webhooks.py::test_any_2xx_is_success_cb_11",
        "tests/hooks/test_webhooks.py::test_a_failure_is_tried_again_after_5_and_then_15_minutes_cb_11",
    ),
    "the account's numbers, verbatim": (
        f"{API}exophones.py::test_numbers_are_told_as_users_write_them_af_20",
    ),
    "a flow is named by every form of address": (
        f"{API}connect.py::test_a_flow_is_named_in_every_form_af_1_kx_19",
        f"{API}connect_request.py::test_a_flows_address_is_read_whatever_its_host_af_1",
    ),
    "a leg is created, rings, answers and ends once": (
        f"{LEGS}control.py::test_a_leg_that_is_placed_connects_rings_answers_and_ends_ev_1_ev_4_ev_5",
        f"{LEGS}control.py::test_a_leg_that_is_not_answered_ends_by_one_of_two_events_ev_4_ev_8",
        "tests/server/test_serve_steers_legs.py",
    ),
    "an event is sent three times on 503, once on 400, not again after 204": (
        "tests/hooks/test_leg_delivery.py::test_a_503_is_sent_three_times_a_400_once_and_a_204_once_ev_33_ev_34",
    ),
    "JSON and ExoML open the same stream, and it speaks what it says": (
        f"{LEGS}exoml.py::test_json_and_exoml_open_the_same_stream_lg_80_lg_87_ex_19",
        f"{LEGS}json_actions.py::test_every_spelling_opens_the_same_stream_lg_85_lc_4",
        "tests/switch/test_steering.py::test_the_format_that_was_asked_for_is_spoken_and_announced_lg_87_lc_6",
    ),
    "a greeting and a stream side by side; the bot's word ends the greeting": (
        "tests/switch/test_steering.py::test_the_bots_first_word_ends_the_greeting_lg_120_lg_123",
        "tests/switch/test_steering_for_real.py::test_a_leg_is_greeted_streamed_stopped_pressed_and_hung_up",
    ),
    "loop means what each of its three shapes says": (
        f"{LEGS}json_actions.py::test_loop_in_json_lc_5",
        f"{LEGS}exoml.py::test_loop_in_exoml_lc_5_ex_40",
    ),
    "stop_say without body or type": (
        f"{LEGS}json_actions.py::test_an_action_is_read_lg_80_to_lg_86",
    ),
    "a bridge's stop leaves legs up, hangup ends them, a PUT without action changes nothing": (
        f"{API}bridges.py::test_a_stop_leaves_legs_up_and_a_hang_up_ends_them_br_5_br_5a_lc_12",
        f"{API}bridges.py::test_a_put_without_an_action_changes_nothing_for_who_is_in_br_5a_lc_12",
        "tests/switch/test_bridges.py::test_a_stop_leaves_the_legs_up_br_5_br_5a_lc_12",
        "tests/switch/test_bridges.py::test_a_hang_up_ends_every_leg_br_5a",
    ),
    "a dialled party is a leg of its own": (
        f"{LEGS}pairing.py::test_a_dialled_party_is_a_leg_of_its_own_and_talks_ex_21_ex_32_ex_48",
        "tests/switch/test_steering_for_real.py::test_a_second_party_is_dialled_and_talks",
    ),
    "the envelope is whole on success and on every error": (
        f"{API}legs.py::test_a_leg_is_dialled_and_answered_with_all_that_any_page_prints_lg_20_lg_35",
        f"{API}legs.py::test_every_refusal_comes_in_the_envelope_lg_5_lg_7_lg_9_lg_11_lg_41",
    ),
    "entities, document types and documents that are too large are refused": (
        f"{LEGS}exoml.py::test_a_document_that_is_wrong_is_refused_with_line_and_element_ex_3",
    ),
    "published scripts create, map, list, update and delete trunks": (f"{TRUNK}scripts.py",),
    "every 1xxx code with its text": (
        f"{TRUNK}codes.py::test_every_code_comes_with_its_text",
        f"{TRUNK}codes.py::test_a_trunk_that_is_nobodys_may_be_a_403_and_requests_of_a_minute_have_a_limit",
        f"{API}trunks.py::test_no_more_than_the_limit_are_kept",
    ),
    "207 with one good and one bad destination": (
        f"{TRUNK}codes.py::test_a_good_destination_and_a_bad_one_are_a_207",
    ),
    "digest: MD5 without and with qop, uri as To, 401 and 407": (
        f"{TRUNK}logins.py::test_a_digest_is_believed_as_every_stack_writes_it",
        f"{TRUNK}logins.py::test_an_answer_to_a_challenge_is_good_once_and_a_wrong_one_never",
        f"{TRUNK}callers.py::test_who_logs_in_reaches_the_telephone_network_as_the_trunks_number",
        f"{TRUNK}callers.py::test_who_does_not_reaches_nobody_and_the_account_can_see_why",
        "tests/interop/test_gate_peers.py::test_sipp_logs_in",
    ),
    "a list and users: both, or any of them": (
        f"{TRUNK}logins.py::test_a_list_and_users_are_both_wanted_or_one_of_them",
    ),
    "TLS with SDES, TCP and UDP with AVP; SAVP to an optional trunk": (
        f"{TRUNK}media.py",
        "tests/interop/test_node_srtp_baresip.py",
    ),
    "two destinations: after a 503 the second gets a new Call-ID": (
        "tests/switch/test_failover_for_real.py::test_a_refused_primary_reaches_the_second_at_once_as_a_new_call_sip_17",
        "tests/switch/test_failover_for_real.py::test_the_destinations_of_a_trunk_are_tried_by_priority_fl_3_sip_10_sip_12",
        "tests/interop/test_node_fails_over.py",
    ),
    "REFER: sipfrag 100, 180 and 200, and a failure 486": (
        "tests/switch/test_transfers_for_real.py::test_livekit_refers_and_the_others_talk_on",
        "tests/switch/test_transfers_for_real.py::test_livekit_may_hang_up_while_the_target_rings",
        "tests/switch/test_transfers_for_real.py::test_a_target_that_is_busy_leaves_the_call_as_it_was",
        f"{PARTNER}transfers.py",
        "tests/interop/test_node_transfers.py",
    ),
    "X-CALL-ID, X-CALLER-ID and X-Exotel-CallSid arrive": (
        f"{TRUNK}connects.py::test_the_headers_of_a_map_arrive_beside_those_that_are_always_there",
        f"{PARTNER}elevenlabs.py::test_an_agent_is_reached_by_the_number_and_knows_call_and_caller",
    ),
    "OPTIONS gets 200; UPDATE never goes to a peer without it": (
        f"{TRUNK}connects.py::test_options_is_answered_with_what_we_can_do",
        "tests/interop/test_sip_sipp.py::test_a_caller_that_takes_no_update_is_refreshed_by_re_invite",
        "tests/sip/test_session_timer.py::test_we_refresh_when_we_must_by_update_only_if_the_peer_allows_it",
    ),
    "StreamKit: an INVITE with X-Exotel-AccountSid and without": (
        f"{TRUNK}logins.py::test_streamkit_enters_the_flow_with_its_account_sid_and_without",
        f"{TRUNK}logins.py::test_sids_that_only_we_give_are_refused_where_that_is_strict",
        f"{PARTNER}streamkit.py::test_a_contact_centre_reaches_its_bot_with_or_without_the_accounts_header",
    ),
    "Dial Whom: a trunk's sid and a whole URI": (
        f"{TRUNK}connects.py::test_dial_whom_takes_the_sid_of_a_trunk_and_a_whole_address",
    ),
}


@dataclass(eq=False)  # pytest keeps its plugins in sets
class Tally:
    """A pytest plugin that counts outcomes by test, without parameters."""

    passed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    failed: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count one test."""
        name = report.nodeid.partition("[")[0]
        if report.failed or report.skipped:  # what was not shown is not held
            self.failed[name] += 1
        elif report.when == "call":
            self.passed[name] += 1

    def of(self, counts: dict[str, int], test: str) -> int:
        """Return the count of a test, or of a file."""
        return sum(n for name, n in counts.items() if name == test or name.startswith(f"{test}::"))


def main(options: list[str]) -> int:
    """Run the suite; returns the exit code."""
    tally = Tally()
    wanted = sorted({test for tests in SUITE.values() for test in tests})
    arguments = ["-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT), *options, *wanted]
    code = pytest.main(arguments, plugins=[tally])
    table = Table(title="Conformance")
    for column in ("", "what is promised", "shown by", ""):
        table.add_column(column, justify="left" if column == "what is promised" else "right")
    is_whole = True
    for number, (promise, tests) in enumerate(SUITE.items(), 1):
        passed = sum(tally.of(tally.passed, test) for test in tests)
        failed = sum(tally.of(tally.failed, test) for test in tests)
        is_held = not failed and all(tally.of(tally.passed, test) for test in tests)
        is_whole &= is_held
        verdict = "[green]held[/]" if is_held else f"[red]{failed or 'not all'} missing[/]"
        table.add_row(str(number), promise, f"{passed} tests", verdict)
    Console(width=110).print(table)
    return 0 if is_whole and code == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
