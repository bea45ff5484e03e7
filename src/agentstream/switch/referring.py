"""Whom a leg's far end may have called in its stead (SIP-61): the policy of its trunk, applied.

deny         nobody: 403
allow        the account's own trunks and numbers, and SIP addresses that calls may dial
allow_pstn   any number that calls may dial, too: transfers then cost what they cost
"""

from collections.abc import Iterable
from typing import Final

from agentstream.base.errors import AgentStreamError, PeerError
from agentstream.base.ids import LegSid
from agentstream.base.phone import normalise
from agentstream.calls import reports
from agentstream.calls.dial_spec import TEXT_LIMIT, DialSpec
from agentstream.calls.record import CallSetup
from agentstream.sip import reports as sip
from agentstream.sip.uri import SipUri, parse_uri
from agentstream.switch.custom_headers import RESERVED
from agentstream.switch.refer_rules import ReferMode, ReferRules
from agentstream.switch.roads import Roads
from agentstream.switch.routing import NoRoadError, check_headers
from agentstream.switch.wiring import Wiring

HEADERS_LIMIT: Final = 16  # that go on from a REFER to the INVITE it makes


class RefusedError(AgentStreamError):
    """A transfer is not allowed; `status` is what the far end is answered."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Referee:
    """Knows every trunk's policy."""

    def __init__(self, wiring: Wiring) -> None:
        self._directory = wiring.directory
        self._roads = wiring.roads
        self._policies = _policies(wiring.roads)
        self._tokens = wiring.tokens
        self._country_code = wiring.country_code

    def rules_in(self, invited: sip.Invited, our_host: str) -> ReferRules:
        """Return the rules of a leg that came in: its account's trunk, or the operator's."""
        entry = self._directory.trunks.find(invited.trunk_sid) if invited.trunk_sid else None
        source = invited.source.partition(":")[2]
        own = self._mode_at(source.rpartition(":")[0], source) if entry is None else "deny"
        mode = entry.options.refer if entry else own
        if mode == "deny":  # of most calls: what they call us by is then of no interest
            return ReferRules()
        places = {*_places(our_host), *_named(invited.request_uri, invited.to_uri)}
        if entry is not None:
            places |= _places(entry.trunk.domain_name)
        return ReferRules(mode, frozenset(places))

    def rules_out(self, target: SipUri, trunk: str, our_host: str) -> ReferRules:
        """Return the rules of a leg that we dial, by a trunk of this name, "" for none.

        `trunk` is the operator's name of it, or the sid of an account's.
        """
        places = _places(our_host)
        entry = self._directory.trunks.find(trunk) if trunk else None
        if entry is not None:
            places |= _places(entry.trunk.domain_name)
            return ReferRules(entry.options.refer, frozenset(places))
        road = self._roads.trunks.get(trunk)
        mode = road.refer if road else self._mode_at(target.address, _place(target))
        return ReferRules(mode, frozenset(places))

    def judge(
        self, setup: CallSetup, leg_sid: LegSid, rules: ReferRules, asked: sip.Referred
    ) -> reports.TransferAsked:
        """Say what is to be dialled, or why nobody is."""
        second_sid = LegSid(self._tokens.hex())
        try:
            spec = self._spec(rules, asked, setup)
        except RefusedError as error:
            return reports.TransferAsked(
                leg_sid, second_sid, asked.target, None, error.status, str(error)
            )
        return reports.TransferAsked(leg_sid, second_sid, spec.destination, spec)

    def _mode_at(self, host: str, place: str) -> ReferMode:
        """Return the policy of the operator's trunk at an address, the strictest of several."""
        host = host.strip("[]").lower()
        found = self._policies.get(host, ())
        exact = [mode for known, mode in found if known == place]
        modes = exact or [mode for _, mode in found]
        return min(modes, key=_STRICTEST.index, default="deny")

    def _spec(self, rules: ReferRules, asked: sip.Referred, setup: CallSetup) -> DialSpec:
        if rules.mode == "deny":
            raise RefusedError(403, "This trunk allows no transfers (as_refer).")
        if asked.replaces is not None:  # the INVITE comes to ourselves, and takes that leg's place
            destination, to_number = asked.target, ""
        else:
            destination, to_number = self._destination(rules, asked.target, setup)
        by = asked.referred_by if asked.referred_by.isprintable() else ""
        return DialSpec(
            destination,
            to_number,
            headers=tuple(_passed(asked)),
            replaces=asked.replaces_text[:TEXT_LIMIT],
            referred_by=by[:TEXT_LIMIT],
        )

    def _destination(self, rules: ReferRules, target: str, setup: CallSetup) -> tuple[str, str]:
        try:
            uri = parse_uri(target)
        except PeerError as error:
            raise RefusedError(error.status, str(error)) from error
        if uri.scheme != "tel" and not uri.user:
            if self._directory.trunks.of_account(setup.account_sid, uri.host) is None:
                raise RefusedError(404, "The account has no such trunk.")
            return f"sip:{uri.host}", setup.account_number
        number = self._number(uri, rules)
        if not number:
            return str(uri), ""
        if rules.mode != "allow_pstn" and not self._directory.owns(setup.account_sid, number):
            raise RefusedError(403, "This trunk allows no transfers to the telephone network.")
        return number, ""

    def _number(self, uri: SipUri, rules: ReferRules) -> str:
        """Return the number that a URI stands for; "" for an address.

        A number at a carrier of ours is one as well: its trunk must not be had without its rules.
        """
        is_number = uri.scheme == "tel" or uri.params.get("user") == "phone"
        is_here = f"{uri.address.lower()}:{uri.port}" in rules.our_places
        if is_number or is_here or uri.address.lower() in self._carriers():
            plain = normalise(uri.user, self._country_code)
            if plain.removeprefix("+").isdecimal():
                return plain
            if is_here or is_number:
                raise RefusedError(404, "There is no such number here.")
        return ""

    def _carriers(self) -> set[str]:
        trunks = self._roads.trunks.values()
        uris = (text for trunk in trunks for text in (trunk.target, trunk.proxy) if text)
        return {parse_uri(text).address.lower() for text in uris}


_STRICTEST: Final[tuple[ReferMode, ...]] = ("deny", "allow", "allow_pstn")


def _policies(roads: Roads) -> dict[str, list[tuple[str, ReferMode]]]:
    """Return, by host, the places of the operator's trunks there and what each allows."""
    found: dict[str, list[tuple[str, ReferMode]]] = {}
    for trunk in roads.trunks.values():
        for text in (trunk.target, trunk.proxy):
            if text:
                uri = parse_uri(text)
                found.setdefault(uri.address.lower(), []).append((_place(uri), trunk.refer))
    return found


def _places(host: str) -> set[str]:
    """Return a host with the ports at which it may be written."""
    return {f"{host.strip('[]').lower()}:{port}" for port in (0, 5060, 5061)} if host else set()


def _named(*uris: str) -> Iterable[str]:
    """Yield the places that we were called at."""
    for text in uris:
        try:
            uri = parse_uri(text)
        except PeerError:
            continue
        yield f"{uri.address.lower()}:{uri.port}"


def _place(uri: SipUri) -> str:
    return f"{uri.host.lower()}:{uri.port or 5060}"


def _passed(asked: sip.Referred) -> Iterable[tuple[str, str]]:
    """Yield the X- headers that the INVITE repeats."""
    kept = 0
    for name, value in asked.headers:
        is_passed = name[:2].lower() == "x-" and not name.lower().startswith(RESERVED)
        if not is_passed or len(name + value) > TEXT_LIMIT or kept == HEADERS_LIMIT:
            continue
        try:
            check_headers(((name, value),))
        except NoRoadError:
            continue
        kept += 1
        yield name, value
