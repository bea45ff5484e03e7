"""What a trunk's caller must show, and what it may do: the judge, in virtual time."""

from ipaddress import ip_network
from typing import Any

import pytest

from agentstream.base.ids import CallSid
from agentstream.sip.flow import Flow, TransportName
from agentstream.sip.gate import Arrival, Ask, Drop, Login, Pass, Refuse
from agentstream.store.trunk_book import TrunkBook
from agentstream.store.trunks import NumberMode
from agentstream.switch.trunk_gate import GateSettings, Judged, TrunkGate, is_e164
from agentstream.switch.trunk_load import TrunkLoad
from agentstream.testing.trunk_books import NOON, RingingNumbers, book_with, trunk, trunk_sid

DID, SECOND, FLOW = "+918000000042", "+918000000043", "+918000000044"
NUMBERS: dict[str, NumberMode] = {DID: "pstn", SECOND: "pstn", FLOW: "flow"}
LISTED, STRANGE = "192.0.2.1", "203.0.113.7"
ACME = trunk("acme", networks=("192.0.2.0/24",), numbers=NUMBERS)


def arrival(source: str = LISTED, transport: TransportName = "udp", **fields: Any) -> Arrival:
    usual: dict[str, Any] = {
        "method": "INVITE",
        "request_uri": "sip:+912240009999@edge.test",
        "from_uri": f"sip:{DID}@acme.pstn.test",
        "flow": Flow(transport, "192.0.2.10", 5060, source, 5060),
    }
    return Arrival(**{**usual, **fields})


def gate(
    book: TrunkBook | None = None,
    rings: tuple[str, ...] = (FLOW,),
    load: TrunkLoad | None = None,
    **settings: Any,
) -> TrunkGate:
    known = book if book is not None else book_with(ACME)
    return TrunkGate(
        GateSettings(country_code="91", **settings),
        lambda: known,
        RingingNumbers(rings),
        load or TrunkLoad(NOON.date),
    )


def status(judged: Judged) -> int:
    assert isinstance(judged.verdict, Refuse), judged
    return judged.verdict.status


def test_without_trunks_everything_is_as_it_was() -> None:
    assert gate(book_with()).judge(arrival(STRANGE), 0) == Judged(Pass())
    assert gate(book_with()).judge(arrival(STRANGE, method="FLY"), 0) == Judged(Pass())


# --- SIP-30: an address list, users, or both -----------------------------------------------------


@pytest.mark.parametrize(
    ("networks", "users", "mode", "listed", "strange"),
    [
        (("192.0.2.0/24",), None, "all", "pass", "acl-miss"),
        ((), {"ann": "x"}, "all", "ask", "ask"),
        (("192.0.2.0/24",), {"ann": "x"}, "all", "ask", "acl-miss"),
        (("192.0.2.0/24",), {"ann": "x"}, "any", "pass", "ask"),
        (("192.0.2.0/24",), None, "any", "pass", "acl-miss"),
        ((), None, "all", "trunk-not-found", "trunk-not-found"),
    ],
)
def test_a_list_and_users_are_both_wanted_or_either_by_setting(
    networks: tuple[str, ...], users: dict[str, str] | None, mode: str, listed: str, strange: str
) -> None:
    """SIP-30, SC-12."""
    parts = trunk("acme", networks=networks, users=users, numbers={DID: "pstn"}, as_auth_mode=mode)
    judge = gate(book_with(parts))
    for source, wanted in ((LISTED, listed), (STRANGE, strange)):
        judged = judge.judge(arrival(source), 0)
        got = {Pass: "pass", Ask: "ask"}.get(type(judged.verdict), judged.reason)
        assert got == wanted
        if got == "acl-miss":
            assert judged.verdict == Refuse(403, (("X-Exotel-ErrorCode", "4001"),))


def test_the_challenge_is_as_the_settings_say_with_the_domain_as_realm() -> None:
    """SIP-31, SIP-32, SIP-33."""
    parts = trunk("acme", users={"ann": "x"}, numbers={DID: "pstn"})
    judge = gate(book_with(parts), challenge_status=401, algorithms=("MD5", "SHA-256"))
    asked = judge.judge(arrival(), 0).verdict
    assert isinstance(asked, Ask)
    assert (asked.realm, asked.status) == ("acme.pstn.test", 401)
    assert asked.algorithms == ("MD5", "SHA-256")
    assert (asked.look_up("ann", "MD5") or "-") in parts.credentials[0].ha1
    assert asked.look_up("eve", "MD5") is None
    assert "x" not in repr(asked).split("look_up")[1:]


# --- SIP-20 to SIP-26: what a trunk's caller says ------------------------------------------------


@pytest.mark.parametrize("called", ["+912240009999", "912240009999", "02240009999"])
def test_a_called_number_may_be_written_in_every_form(called: str) -> None:
    """SIP-20."""
    judged = gate().judge(arrival(request_uri=f"sip:{called}@edge.test;user=phone"), 0)
    assert judged.verdict == Pass(trunk_sid("acme"), DID)


@pytest.mark.parametrize("called", ["100", "sales", "+1234567", "+1234567890123456", ""])
def test_a_number_that_is_not_e164_gets_484(called: str) -> None:
    """SIP-20, SIP-78."""
    at = f"{called}@" if called else ""
    judged = gate().judge(arrival(request_uri=f"sip:{at}edge.test"), 0)
    assert (judged.reason, status(judged)) == ("number-format", 484)


def test_a_flow_number_without_a_flow_gets_404() -> None:
    """SIP-73, FL-2."""
    wanted = arrival(request_uri=f"sip:{FLOW}@edge.test")
    assert isinstance(gate().judge(wanted, 0).verdict, Pass)
    judged = gate(rings=()).judge(wanted, 0)
    assert (judged.reason, status(judged)) == ("flow-missing", 404)
    assert isinstance(judged.verdict, Refuse)
    assert "flow" in judged.verdict.text  # PN-6: a body that people are shown


@pytest.mark.parametrize(
    ("check", "verdict"), [("strict", "domain-mismatch"), ("warn", ""), ("off", "")]
)
def test_the_host_of_from_is_looked_at_as_the_setting_says(check: str, verdict: str) -> None:
    """SIP-21, SIP-26."""
    judged = gate(from_host_check=check).judge(arrival(from_uri=f"sip:{DID}@theirs.test"), 0)
    assert judged.reason == verdict
    assert judged.is_foreign_from is (check == "warn")


def test_a_number_that_the_trunk_may_not_show_is_refused_where_nothing_replaces_it() -> None:
    """SIP-21."""
    foreign = arrival(from_uri="sip:+15550100@acme.pstn.test")
    judged = gate(cli_fallback=()).judge(foreign, 0)
    assert (judged.reason, status(judged)) == ("cli-not-mapped", 403)
    assert gate().judge(foreign, 0).verdict == Pass(trunk_sid("acme"), DID)


def test_streamkit_headers_are_checked_only_where_that_is_strict() -> None:
    """SIP-22, SIP-27."""
    to_flow: dict[str, Any] = {"request_uri": f"sip:{FLOW}@edge.test"}
    given = (("X-Exotel-AccountSid", "ACME"),)
    forged = (*given, ("X-Exotel-CallSid", "1"))
    for headers, reason in ((given, ""), (forged, "streamkit-headers"), ((), "streamkit-headers")):
        seen = arrival(headers=headers, **to_flow)
        assert gate(strict_headers=True).judge(seen, 0).reason == reason
        assert gate().judge(seen, 0).reason == ""


# --- Refusals of a trunk itself ------------------------------------------------------------------


def test_an_inactive_trunk_gets_503_with_retry_after_only_once_it_is_proven() -> None:
    """The table of section 7; who proves nothing learns nothing."""
    idle = trunk("acme", users={"ann": "x"}, numbers={DID: "pstn"}, is_active=False)
    judge = gate(book_with(idle))
    asked = judge.judge(arrival(), 0).verdict
    assert isinstance(asked, Ask)
    judged = judge.logged_in(arrival(), asked, 0)
    assert (judged.reason, status(judged)) == ("trunk-inactive", 503)
    assert isinstance(judged.verdict, Refuse)
    assert dict(judged.verdict.headers)["Retry-After"] == "5"


def test_a_secure_trunk_takes_no_call_in_the_clear() -> None:
    """TR-42."""
    safe = trunk("acme", networks=("192.0.2.0/24",), numbers={DID: "pstn"}, is_secure=True)
    judge = gate(book_with(safe))
    clear: tuple[TransportName, ...] = ("udp", "tcp")
    for transport in clear:
        judged = judge.judge(arrival(transport=transport), 0)
        assert (judged.reason, status(judged)) == ("insecure-transport", 403)
    assert isinstance(judge.judge(arrival(transport="tls"), 0).verdict, Pass)


def test_a_certificate_may_be_wanted_beside_everything_else() -> None:
    """SIP-36."""
    judge = gate(wants_certificates=True)
    bare = arrival(transport="tls")
    assert judge.judge(bare, 0).reason == "certificate-missing"
    named = arrival(transport="tls", certificate_names=("acme.pstn.test",))
    assert isinstance(judge.judge(named, 0).verdict, Pass)


@pytest.mark.parametrize(
    ("setting", "value"), [("as_max_calls", "2"), ("as_cps", "2"), ("as_daily_minutes", "3")]
)
def test_beyond_a_ceiling_calls_get_503_with_the_reason(setting: str, value: str) -> None:
    """SIP-35, SIP-80."""
    of: dict[str, Any] = {setting: value}
    parts = trunk("acme", networks=("192.0.2.0/24",), numbers={DID: "pstn"}, **of)
    load = TrunkLoad(NOON.date)
    judge = gate(book_with(parts), load=load)
    for number in range(2):
        assert isinstance(judge.judge(arrival(), 0).verdict, Pass)
        load.take(CallSid(str(number)), trunk_sid("acme"), 0)
    later_ms = 120_000 if setting == "as_daily_minutes" else 0
    judged = judge.judge(arrival(), later_ms)
    assert (judged.reason, status(judged)) == ("limit", 503)
    assert value in judged.detail


@pytest.mark.parametrize(
    ("of_trunk", "of_house"),
    [
        ({"as_calls_per_minute": "2"}, {}),
        ({}, {"calls_per_minute": 2}),
        ({"as_calls_per_minute": "2"}, {"calls_per_minute": 9}),
        ({}, {"account_calls_per_minute": 2}),
    ],
)
def test_a_trunk_and_an_account_begin_so_many_calls_in_a_minute_tr_83(
    of_trunk: dict[str, Any], of_house: dict[str, Any]
) -> None:
    """TR-83, SC-18: the trunk's own, else the operator's; off as shipped."""
    parts = trunk("acme", networks=("192.0.2.0/24",), numbers={DID: "pstn"}, **of_trunk)
    judge = gate(book_with(parts), **of_house)
    for at_ms in (0, 10_000):
        assert isinstance(judge.judge(arrival(), at_ms).verdict, Pass)
    judged = judge.judge(arrival(), 59_999)
    assert (judged.reason, status(judged)) == ("limit", 503)
    assert "2 calls in a minute" in judged.detail
    assert isinstance(judge.judge(arrival(), 60_000).verdict, Pass)
    assert isinstance(judge.judge(arrival(), 60_001).verdict, Refuse)


def test_reasons_are_told_to_known_callers_always_or_never() -> None:
    """SIP-24."""
    for verbose, listed, strange in (
        ("known", True, False),
        ("always", True, True),
        ("never", False, False),
    ):
        judge = gate(verbose_rejects=verbose)
        for source, is_told in ((LISTED, listed), (STRANGE, strange)):
            judged = judge.judge(arrival(source, request_uri="sip:1@edge.test"), 0)
            assert isinstance(judged.verdict, Refuse)
            names = [name for name, _ in judged.verdict.headers]
            assert ("Reason" in names and "Warning" in names) is is_told


# --- Callers from outside, and what is no INVITE -------------------------------------------------


@pytest.mark.parametrize(
    ("unknown", "rings", "wanted"),
    [
        ("accept", (FLOW,), Pass()),
        ("accept", ("*",), Pass()),
        ("accept", (), 403),
        ("refuse", (FLOW,), 403),
        ("silence", (FLOW,), Drop()),
    ],
)
def test_strangers_reach_what_rings_here_or_nothing(
    unknown: str, rings: tuple[str, ...], wanted: object
) -> None:
    seen = arrival(STRANGE, from_uri="sip:bob@x.test", request_uri=f"sip:{FLOW}@edge.test")
    judged = gate(rings=rings, unknown_callers=unknown).judge(seen, 0)
    assert (status(judged) if wanted == 403 else judged.verdict) == wanted


def test_a_carriers_call_comes_from_outside_whatever_it_shows() -> None:
    """A call between two numbers of ours comes back with a trunk's number in From."""
    judge = gate(carriers=(ip_network("192.0.2.0/24"),), unknown_callers="refuse")
    assert judge.judge(arrival(), 0).verdict == Pass()
    assert judge.knows(LISTED)
    assert not judge.knows(STRANGE)


def test_a_trunks_number_in_from_does_not_stop_a_call_that_any_stranger_may_place() -> None:
    users = trunk("acme", users={"ann": "x"}, numbers=NUMBERS)
    judge = gate(book_with(users), rings=(FLOW, SECOND))
    carried: dict[str, Any] = {"source": STRANGE, "from_uri": f"sip:{DID}@carrier.test"}
    assert (
        judge.judge(arrival(request_uri=f"sip:{SECOND}@edge.test", **carried), 0).verdict == Pass()
    )
    assert isinstance(judge.judge(arrival(**carried), 0).verdict, Ask)


def test_a_call_to_a_flow_number_of_its_own_account_is_asked_for_its_user() -> None:
    """FL-2: StreamKit's caller shows one of its numbers, and wants to be known."""
    to_flow: dict[str, Any] = {"source": STRANGE, "request_uri": f"sip:{FLOW}@edge.test"}
    streamkit = arrival(from_uri=f"sip:{FLOW}@theirs.test", **to_flow)
    users = trunk("acme", users={"ann": "x"}, numbers=NUMBERS)
    assert isinstance(gate(book_with(users)).judge(streamkit, 0).verdict, Ask)
    assert gate().judge(streamkit, 0).verdict == Pass()  # a list alone has nothing to ask for
    other = arrival(from_uri="sip:+15550100@theirs.test", **to_flow)
    assert gate(book_with(users)).judge(other, 0).verdict == Pass()


@pytest.mark.parametrize(
    ("fields", "is_answered"),
    [
        ({"source": LISTED, "from_uri": "sip:x@x.test"}, True),
        ({"source": STRANGE, "request_uri": "sip:acme.pstn.test"}, True),
        ({"source": STRANGE, "from_uri": "sip:x@acme.pstn.test"}, True),
        ({"source": STRANGE, "from_uri": "sip:x@x.test"}, False),
    ],
)
def test_options_of_known_sources_and_domains_are_answered(
    fields: dict[str, Any], is_answered: bool
) -> None:
    """SIP-51."""
    seen = arrival(method="OPTIONS", **fields)
    assert isinstance(gate().judge(seen, 0).verdict, Pass)
    strict = gate(unknown_callers="silence").judge(seen, 0)
    assert strict.verdict == (Pass() if is_answered else Drop())


def test_a_trunk_that_went_away_while_its_user_logged_in_is_not_found() -> None:
    parts = trunk("acme", users={"ann": "x"}, numbers={DID: "pstn"})
    asked = gate(book_with(parts)).judge(arrival(), 0).verdict
    assert isinstance(asked, Ask)
    assert gate(book_with()).logged_in(arrival(), asked, 0).reason == "trunk-not-found"


def test_an_unknown_user_and_a_wrong_password_are_judged_alike() -> None:
    """SIP-35."""
    parts = trunk("acme", users={"ann": "x"}, numbers={DID: "pstn"})
    judge = gate(book_with(parts))
    for from_uri in (f"sip:{DID}@acme.pstn.test", "sip:x@nowhere.test"):
        seen = [
            judge.judge(arrival(STRANGE, from_uri=from_uri, logins=(Login(user, realm),)), 0)
            for user, realm in (("ann", "acme.pstn.test"), ("eve", "acme.pstn.test"))
        ]
        assert [type(one.verdict) for one in seen] == [Ask, Ask]
        asked = [one.verdict for one in seen if isinstance(one.verdict, Ask)]
        assert asked[0].realm == asked[1].realm
        assert judge.login_failed(asked[0]) == judge.login_failed(asked[1])


def test_what_e164_is() -> None:
    assert is_e164("+12345678")
    assert not any(
        map(is_e164, ("", "+", "12345678", "+1234567", "+1234567890123456", "+1234567a"))
    )
