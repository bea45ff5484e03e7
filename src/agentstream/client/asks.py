"""What can be asked of the calls API: each a value that knows its request and reads its answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agentstream.client.sent import Sent, part
from agentstream.client.values import Call, Calls, read_call, read_calls

Event = Literal["ringing", "answered", "terminal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What all calls that are placed can have; 0 and "" leave it to the server."""

    ring_s: int = 0  # of each party
    limit_s: int = 0  # from the answer
    record: bool = False
    channels: Literal["single", "dual"] = "single"  # of the recording
    custom_field: str = ""  # at most 128 characters
    callback_url: str = ""
    callback_events: tuple[Event, ...] = ()  # none: once, at the end
    idempotency_key: str = ""  # sent again with the same key, the call is placed once


class _AboutCall:
    """What is answered with one call as it stands; one that was placed is on its way."""

    __slots__ = ()

    def read(self, answer: Mapping[str, Any]) -> Call:
        """Return the call."""
        return read_call(answer["Call"])


@dataclass(frozen=True, slots=True)
class CallToBot(_AboutCall):
    """Dial somebody, who then talks with a bot (CC-22)."""

    number: str  # or a SIP address
    caller_id: str  # a number of the account
    bot_url: str  # ws:// or wss://
    bot_name: str = ""
    terms: Terms = Terms()

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        bot = {"StreamUrl": self.bot_url, "StreamType": "bidirectional"}
        bot |= {"StreamName": self.bot_name} if self.bot_name else {}
        return _place(account_sid, self.number, self.caller_id, bot, self.terms)


@dataclass(frozen=True, slots=True)
class CallToFlow(_AboutCall):
    """Dial somebody, who then enters a published flow (CC-21)."""

    number: str
    caller_id: str
    flow: str  # its name or sid
    terms: Terms = Terms()

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        flow = {"Url": _flow_url(account_sid, self.flow)}
        return _place(account_sid, self.number, self.caller_id, flow, self.terms)


@dataclass(frozen=True, slots=True)
class CallTwo(_AboutCall):
    """Dial somebody, and then a second one; the two are connected (CC-20)."""

    number: str
    second: str
    caller_id: str
    wait_url: str = ""  # a sound for the first while the second rings
    terms: Terms = Terms()

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        more = {"To": self.second} | ({"WaitUrl": self.wait_url} if self.wait_url else {})
        return _place(account_sid, self.number, self.caller_id, more, self.terms)


@dataclass(frozen=True, slots=True)
class ReadCall(_AboutCall):
    """Ask how a call stands, or what became of it, in detail (CD-1)."""

    sid: str

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        return Sent("GET", _one(account_sid, self.sid), {"details": "true"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCalls:
    """Ask for a page of calls, newest first (CD-6)."""

    statuses: tuple[str, ...] = ()
    direction: str = ""
    from_numbers: tuple[str, ...] = ()
    to_numbers: tuple[str, ...] = ()
    created: str = ""  # "gte:2027-01-01 00:00:00;lte:2027-01-31 23:59:59"
    page_size: int = 50
    page: str = ""  # `Calls.next_page`; the rest is then in it

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        if self.page:
            return Sent("GET", self.page, {})
        filters = {
            "Status": ",".join(self.statuses),
            "Direction": self.direction,
            "From": ",".join(self.from_numbers),
            "To": ",".join(self.to_numbers),
            "DateCreated": self.created,
            "PageSize": str(self.page_size),
        }
        query = {name: text for name, text in filters.items() if text}
        return Sent("GET", f"{_calls(account_sid)}.json", query)

    def read(self, answer: Mapping[str, Any]) -> Calls:
        """Return the page."""
        return read_calls(answer)


@dataclass(frozen=True, slots=True)
class HangUp(_AboutCall):
    """End a live call; one that has ended is told as it is (OC-1)."""

    sid: str

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        return Sent("DELETE", _one(account_sid, self.sid), {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect(_AboutCall):
    """Let an answered call go on with one of: a flow, a bot, somebody else (OC-1)."""

    sid: str
    flow: str = ""
    bot_url: str = ""
    number: str = ""

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        wanted = {
            "Url": _flow_url(account_sid, self.flow) if self.flow else "",
            "StreamUrl": self.bot_url,
            "To": self.number,
        }
        body = {name: text for name, text in wanted.items() if text}
        return Sent("POST", _one(account_sid, self.sid), {}, body)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayPrompt:
    """Let a party hear one of: a sound of the web, a text (OC-2)."""

    sid: str
    url: str = ""
    text: str = ""
    language: str = ""
    loops: int = 1
    leg_sid: str = ""  # "": the first party

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        wanted = {
            "Url": self.url,
            "Text": self.text,
            "Language": self.language,
            "Loop": str(self.loops),
            "LegSid": self.leg_sid,
        }
        body = {name: text for name, text in wanted.items() if text}
        return Sent("PUT", _live(account_sid, self.sid, "prompt"), {}, body)

    def read(self, answer: Mapping[str, Any]) -> str:
        """Return the prompt's sid."""
        return str(answer["Prompt"]["Sid"])


@dataclass(frozen=True, slots=True)
class PressDigits:
    """Press keys towards a party (OC-2)."""

    sid: str
    digits: str
    leg_sid: str = ""  # "": the first party

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        body = {"Digits": self.digits} | ({"LegSid": self.leg_sid} if self.leg_sid else {})
        return Sent("PUT", _live(account_sid, self.sid, "digits"), {}, body)

    def read(self, answer: Mapping[str, Any]) -> str:
        """Return the leg's sid."""
        return str(answer["Digits"]["LegSid"])


def _place(
    account_sid: str, number: str, caller_id: str, more: Mapping[str, str], terms: Terms
) -> Sent:
    wanted: dict[str, str | list[str]] = {
        "From": number,
        "CallerId": caller_id,
        **more,
        "TimeOut": str(terms.ring_s or ""),
        "TimeLimit": str(terms.limit_s or ""),
        "Record": "true" if terms.record else "",
        "RecordingChannels": terms.channels if terms.record else "",
        "CustomField": terms.custom_field,
        "StatusCallback": terms.callback_url,
        "StatusCallbackEvents[]": list(terms.callback_events),
    }
    body = {name: value for name, value in wanted.items() if value}
    path = f"{_calls(account_sid)}/connect.json"
    return Sent("POST", path, {}, body, terms.idempotency_key)


def _calls(account_sid: str) -> str:
    return f"/v1/Accounts/{part(account_sid)}/Calls"


def _one(account_sid: str, sid: str) -> str:
    return f"{_calls(account_sid)}/{part(sid)}.json"


def _live(account_sid: str, sid: str, what: str) -> str:
    return f"/v2/accounts/{part(account_sid)}/calls/{part(sid)}/{what}"


def _flow_url(account_sid: str, flow: str) -> str:
    # Its host means nothing: the address is a name (AF-2).
    where = f"{part(account_sid)}/exoml/start_voice/{part(flow)}"
    return f"https://flows.invalid/{where}"
