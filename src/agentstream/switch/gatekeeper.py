"""The keeper of the gate: lets the judge decide, and notes, counts and logs what was turned away.

One line of the log for each event, in a fixed form that fail2ban reads (deploy/fail2ban):

    sip_rejected source=192.0.2.7 transport=udp method=INVITE reason=acl-miss status=403 ...
    sip_banned source=192.0.2.7 reason=digest-failed
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache

import structlog

from agentstream.base.clock import Clock
from agentstream.sip.flow import Flow
from agentstream.sip.gate import Arrival, Ask, Pass, Refuse, Verdict
from agentstream.switch.rejections import TEXT_LIMIT, Rejection, Rejections
from agentstream.switch.trunk_gate import Judged, TrunkGate

log = structlog.get_logger("gate")

# What scanners call themselves unless told otherwise; a name is found anywhere in User-Agent.
SCANNERS = (
    "friendly-scanner",
    "friendly-request",
    "sipvicious",
    "sipcli",
    "sip-scan",
    "sipscan",
    "sipptk",
    "sundayddr",
    "iwar",
    "siparmyknife",
    "pplsip",
    "vaxsipuseragent",
    "gulp",
)
LOG_LINES_PER_S = 20  # a flood with forged sources must not fill the disk; what is left out counts
LOG_BURST = 200
_USER_AGENT_READ = 200  # characters


class Gatekeeper:
    """Implements `sip.gate.Gate` for a house with trunks. `strike` bans a source in the end."""

    def __init__(
        self,
        judge: TrunkGate,
        rejections: Rejections,
        clock: Clock,
        scanners: tuple[str, ...] = SCANNERS,
    ) -> None:
        self._judge = judge
        self.rejections = rejections
        self._clock = clock
        self.strike: Callable[[str, int], bool] = _never
        self._counts: Counter[str] = Counter()
        self._is_scanner = _matcher(scanners)
        self._lines = float(LOG_BURST)
        self._lines_at_ms = 0

    @property
    def counters(self) -> Mapping[str, int]:
        """Return what was decided, by name, since the start."""
        return self._counts

    @property
    def is_open(self) -> bool:
        """Whether everybody passes: there are no trunks, and strangers are welcome."""
        return self._judge.is_open

    def knows(self, host: str) -> bool:
        """Tell whether a numeric address is a carrier's or a trunk's."""
        return self._judge.knows(host)

    def is_ignored(self, user_agent: str, flow: Flow) -> bool:
        """Ignore scanners; a source that nobody has listed is struck for it."""
        if not user_agent or not self._is_scanner(user_agent[:_USER_AGENT_READ]):
            return False
        self._counts["scanner"] += 1
        now_ms = self._clock.now_ms()
        self._log(flow, "", "scanner", 0, now_ms, user_agent=user_agent[:TEXT_LIMIT])
        # A forged source must not shut out a partner: over UDP nothing proves where this is from.
        if not self._judge.knows(flow.remote_host):
            self._strike(flow.remote_host, "scanner", now_ms)
        return True

    def judge(self, arrival: Arrival, now_ms: int) -> Verdict:
        """Say what becomes of a request."""
        judged = self._judge.judge(arrival, now_ms)
        verdict = judged.verdict
        if isinstance(verdict, Pass):
            self._passed(judged, arrival)
        elif isinstance(verdict, Ask):
            self._counts["challenged"] += not arrival.logins  # one who shows some is judged next
        else:
            self._turned_away(judged, arrival, now_ms, is_proven=False)
        return verdict

    def logged_in(self, arrival: Arrival, asked: Ask, user: str, now_ms: int) -> Pass | Refuse:
        """Go on with a user whose credentials are right."""
        judged = self._judge.logged_in(arrival, asked, now_ms)
        if isinstance(judged.verdict, Pass):
            self._passed(judged, arrival)
            return judged.verdict
        self._turned_away(judged, arrival, now_ms, user=user, is_known=True)
        assert isinstance(judged.verdict, Refuse)  # who has logged in is told
        return judged.verdict

    def login_failed(
        self, arrival: Arrival, asked: Ask, user: str, now_ms: int, *, is_proven: bool
    ) -> Refuse | None:
        """Refuse wrong credentials; unlike a claim they strike whoever sent them, listed or not."""
        judged = self._judge.login_failed(asked)
        self._turned_away(judged, arrival, now_ms, user=user, is_proven=is_proven)
        assert isinstance(judged.verdict, Refuse)
        return judged.verdict

    def _passed(self, judged: Judged, arrival: Arrival) -> None:
        if arrival.method == "INVITE":
            self._counts["passed_trunk" if judged.entry else "passed_outside"] += 1
        if judged.is_foreign_from:
            self._counts["foreign_from"] += 1

    def _turned_away(
        self,
        judged: Judged,
        arrival: Arrival,
        now_ms: int,
        *,
        user: str = "",
        is_proven: bool = False,
        is_known: bool = False,
    ) -> None:
        reason, entry, flow = judged.reason, judged.entry, arrival.flow
        self._counts[f"rejected_{reason}"] += 1
        status = judged.verdict.status if isinstance(judged.verdict, Refuse) else 0
        trunk_sid = entry.sid if entry is not None else ""
        self.rejections.note(
            Rejection(
                at=self._clock.wall(),
                account_sid=entry.account.sid if entry is not None else "",
                trunk_sid=trunk_sid,
                source=str(flow),
                method=arrival.method[:TEXT_LIMIT],
                status=status,
                reason=reason,
                detail=judged.detail,
                request_uri=arrival.request_uri[:TEXT_LIMIT],
                from_uri=arrival.from_uri[:TEXT_LIMIT],
                sip_call_id=arrival.sip_call_id[:TEXT_LIMIT],
                user=user[:TEXT_LIMIT],
                user_agent=arrival.user_agent[:TEXT_LIMIT],
            )
        )
        fields = {"trunk_sid": trunk_sid, "user": user[:TEXT_LIMIT]}
        self._log(flow, arrival.method, reason, status, now_ms, **fields)
        # A customer who calls too much, or a wrong number, means no harm; and a carrier that nobody
        # has listed is a stranger too, where strangers are welcome.
        is_welcome = self._judge.settings.unknown_callers == "accept"
        if is_known or (is_welcome and reason == "trunk-not-found"):
            return
        if is_proven or not self._judge.knows(flow.remote_host):
            self._strike(flow.remote_host, reason, now_ms)

    def _strike(self, host: str, reason: str, now_ms: int) -> None:
        if self.strike(host, now_ms):
            log.warning("sip_banned", source=host, reason=reason)

    def _log(
        self, flow: Flow, method: str, reason: str, status: int, now_ms: int, **fields: str
    ) -> None:
        grown = (now_ms - self._lines_at_ms) * LOG_LINES_PER_S / 1000
        self._lines = min(LOG_BURST, self._lines + max(0.0, grown))
        self._lines_at_ms = now_ms
        if self._lines < 1:
            self._counts["unlogged"] += 1
            return
        self._lines -= 1
        log.warning(
            "sip_rejected",
            source=flow.remote_host,  # first: fail2ban takes it from here, and nobody can forge it
            transport=flow.transport,
            method=method,
            reason=reason,
            status=status,
            **{name: value for name, value in fields.items() if value},
        )


def _never(host: str, now_ms: int) -> bool:
    del host, now_ms
    return False


def _matcher(names: tuple[str, ...]) -> Callable[[str], bool]:
    if not names:
        return lambda _: False
    pattern = re.compile("|".join(re.escape(name) for name in names), re.IGNORECASE)

    @lru_cache(512)
    def is_one(user_agent: str) -> bool:
        return pattern.search(user_agent) is not None

    return is_one
