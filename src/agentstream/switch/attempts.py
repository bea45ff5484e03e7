"""The attempts of one leg: which road is tried, and whether an end leads to the next (SIP-17).

next     no connection, no such name, silence, 408, 430, 480, 5xx, while it has not rung
end      it rang, 2xx, 401, 403, 404, 407, 486, 6xx and every other answer; a hang-up of ours
3xx      the addresses in it, where redirects are followed; else the end

All attempts together ring no longer than the leg may. Times are `now_ms`.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from agentstream.base.errors import PeerError
from agentstream.base.phone import normalise
from agentstream.base.values import replace
from agentstream.sip import reports as sip
from agentstream.sip.headers import NameAddr, parse_name_addr_list, seconds_of
from agentstream.switch.road_states import Outcome
from agentstream.switch.roads import NoRoadError, Road, Roads
from agentstream.switch.routing import check_host, read_address

ATTEMPTS_LIMIT: Final = 16  # INVITEs of one leg, whatever leads to them
REDIRECTS_LIMIT: Final = 3  # addresses taken from one 3xx, and 3xx followed by one leg
_NEXT: Final = frozenset({408, 430, 480})


class Attempts:
    """The roads that are still to be tried, and the clock of their ringing."""

    def __init__(self, roads: tuple[Road, ...], rules: Roads, ring_ms: int, now_ms: int) -> None:
        self._waiting = deque(roads)
        self._rules = rules
        self._until_ms = now_ms + ring_ms
        self._redirects = 0
        self.count = 0  # tried so far

    def next(self, now_ms: int) -> Road | None:
        """Take the road that is tried now; None when none is left, or no time."""
        if not self._waiting or self.count >= ATTEMPTS_LIMIT or now_ms >= self._until_ms:
            return None
        self.count += 1
        return self._waiting.popleft()

    def ring_ms(self, road: Road, now_ms: int) -> int:
        """Return how long a road that is tried now may ring."""
        left_ms = self._until_ms - now_ms
        return min(left_ms, road.ring_ms) if road.ring_ms else left_ms

    def leads_on(self, ended: sip.Ended, road: Road) -> bool:
        """Tell whether a leg that has not rung goes on after this end."""
        if ended.by == "local":
            return False
        if ended.by == "network":
            return True
        if 300 <= ended.status < 400:
            return self._redirected(ended, road)
        return ended.status in _NEXT or 500 <= ended.status < 600

    def _redirected(self, ended: sip.Ended, road: Road) -> bool:
        """Put what a 3xx names before the roads that wait; False when there is nothing."""
        if not self._rules.follows_redirects or self._redirects >= REDIRECTS_LIMIT:
            return False
        contacts = [value for name, value in ended.headers if name.lower() == "contact"]
        found = [made for one in _best(contacts) if (made := self._allowed(one, road)) is not None]
        if not found:
            return False
        self._redirects += 1
        self._waiting.extendleft(reversed(found[:REDIRECTS_LIMIT]))
        return True

    def _allowed(self, contact: NameAddr, road: Road) -> Road | None:
        """Return the road to an address that may be dialled as any other sip: address may.

        A name without a user is a trunk's, ours or another account's: never taken from outside.
        """
        try:
            uri = read_address(contact.uri)
            if not uri.user or uri.scheme not in ("sip", "sips"):
                return None
            number = normalise(uri.user, self._rules.country_code)
            if self._rules.guard.why_not(number):
                return None
            name = f"{road.name} → {uri.host[:60]}"
            if uri.address.lower() == road.target.address.lower():
                return replace(road, target=uri, name=name)
            check_host(uri, self._rules)
        except NoRoadError:
            return None
        # What a carrier is told in confidence is not told to whomever it names.
        headers = road.headers if road.domain else ()
        return Road(
            uri,
            road.caller,
            road.display,
            headers=headers,
            name=name,
            domain=road.domain,
            to_user=road.to_user,
            codecs=road.codecs,
            hears_early_media=road.hears_early_media,
            silence_ms=road.silence_ms,
            ring_ms=road.ring_ms,
        )


def _best(contacts: Iterable[str]) -> list[NameAddr]:
    """Return the addresses of Contact headers, the highest q first (RFC 3261 §8.1.3.4)."""
    try:
        found = parse_name_addr_list(contacts)
    except PeerError:
        return []
    return sorted(found, key=_q, reverse=True)


def _q(contact: NameAddr) -> float:
    text = contact.params.get("q") or "1"
    try:
        return min(max(float(text[:6]), 0.0), 1.0)
    except ValueError:
        return 0.0


def outcome_of(ended: sip.Ended) -> Outcome:
    """Return what an end says of a road that did not ring."""
    if ended.by == "network":
        return "silent" if ended.status == 408 else "unreachable"
    return "refused" if 500 <= ended.status < 600 else "reached"


def rest_of(ended: sip.Ended) -> int:
    """Return how many milliseconds a 503 wants its sender to be left alone (RFC 3261 §21.5.4)."""
    if ended.by != "remote" or ended.status != 503:
        return 0
    said = next((value for name, value in ended.headers if name.lower() == "retry-after"), None)
    return seconds_of(said) * 1000
