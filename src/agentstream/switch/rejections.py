"""Requests that were turned away, with the check that failed: kept for those who wonder (SD-5).

No digest response is kept, only whom it named. Bounds: so many of an account, so many accounts;
the oldest give way. What nobody's trunk is meant by is the operator's, under account "".
"""

from collections import OrderedDict, deque
from datetime import datetime

from agentstream.base.values import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One request; what the far end wrote is cut to `TEXT_LIMIT` characters each."""

    at: datetime  # UTC
    account_sid: str  # "": nobody's
    trunk_sid: str
    source: str  # "udp:192.0.2.1:5060"
    method: str
    status: int  # 0: no answer was given
    reason: str  # the failed check, as of the table in docs/howto/who-may-call.md
    detail: str = ""
    request_uri: str = ""
    from_uri: str = ""
    sip_call_id: str = ""
    user: str = ""  # whom the credentials name
    user_agent: str = ""
    count: int = 1  # the same request, repeated


TEXT_LIMIT = 200


class Rejections:
    """Bounded rings, newest first when read."""

    def __init__(self, per_account: int = 200, accounts: int = 1_000) -> None:
        self._per_account = per_account
        self._accounts = accounts
        self._rings: OrderedDict[str, deque[Rejection]] = OrderedDict()

    def note(self, rejection: Rejection) -> None:
        """Keep one; the same one again only counts."""
        ring = self._rings.get(rejection.account_sid)
        if ring is None:
            ring = self._rings[rejection.account_sid] = deque(maxlen=self._per_account)
            if len(self._rings) > self._accounts:
                self._rings.popitem(last=False)
        else:
            self._rings.move_to_end(rejection.account_sid)
        last = ring[-1] if ring else None
        if last is not None and _is_same(last, rejection):
            ring[-1] = replace(rejection, count=last.count + 1)
        else:
            ring.append(rejection)

    def recent(self, account_sid: str, trunk_sid: str = "") -> list[Rejection]:
        """Return an account's own, newest first, of one trunk if it is named."""
        ring = self._rings.get(account_sid, ())
        return [one for one in reversed(ring) if trunk_sid in ("", one.trunk_sid)]

    def all(self, trunk_sid: str = "") -> list[Rejection]:
        """Return everybody's, and nobody's, newest first; of one trunk if it is named."""
        kept = [one for ring in self._rings.values() for one in ring]
        meant = (one for one in kept if trunk_sid in ("", one.trunk_sid))
        return sorted(meant, key=lambda one: one.at, reverse=True)


def _is_same(one: Rejection, other: Rejection) -> bool:
    mine = (one.sip_call_id, one.reason, one.source, one.method)
    return mine == (other.sip_call_id, other.reason, other.source, other.method)
