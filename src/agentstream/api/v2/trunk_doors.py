"""What the trunks API asks of the house, as shapes that a double can have."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agentstream.base.ids import AccountSid, RandomTokens, Tokens
from agentstream.store.protocols import Numbers
from agentstream.store.trunk_options import ALIAS
from agentstream.store.trunk_rules import TrunkRules, check_alias, check_setting
from agentstream.store.trunks import TrunkParts, Trunks
from agentstream.store.values import Account
from agentstream.switch.rejections import Rejection
from agentstream.switch.trunk_status import CarrierStatus, TrunkStatus


class Reach(Protocol):
    """Which hosts calls may be sent to."""

    async def addresses(self, host: str, port: int, allow: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the addresses of a host that may be reached; `allow` is the account's own list.

        Raises PeerError when there is none, BusyError when too many names are being looked up.
        """


class TrunkWatcher(Protocol):
    """How trunks are doing; every answer comes at once, from memory."""

    def trunks(self, account_sid: AccountSid | None) -> Sequence[TrunkStatus]:
        """Return the trunks of an account, None: of all."""

    def trunk(self, account: Account, parts: TrunkParts) -> TrunkStatus:
        """Return one trunk of an account."""

    def carriers(self) -> Sequence[CarrierStatus]:
        """Return the operator's trunks."""

    def rejections(
        self, account_sid: AccountSid | None, trunk_sid: str = ""
    ) -> Sequence[Rejection]:
        """Return what was turned away, newest first; None: of everybody, and of nobody's trunk."""


@dataclass(frozen=True, slots=True)
class TrunkDoor:
    """What requests for trunks need."""

    rows: Trunks
    numbers: Numbers
    reach: Reach
    rules: TrunkRules = field(default_factory=TrunkRules)
    duplicate_status: int = 200  # TR-29: HTTP's, or 409
    unknown_status: int = 404  # SC-2: of a trunk that is not the account's, or 403
    tokens: Tokens = field(default_factory=RandomTokens)
    watch: TrunkWatcher | None = None  # None: nobody knows how trunks are doing

    async def check_setting(
        self, account_sid: AccountSid, name: str, value: str, mapped: Sequence[str] = ()
    ) -> None:
        """Refuse a setting that cannot be; `mapped` are numbers that its trunk is about to have."""
        check_setting(name, value, self.rules)
        if name != ALIAS or value in mapped or await self.rows.mapped(account_sid, value):
            return
        owners = {one.number: one.account_sid for one in await self.numbers.list()}
        check_alias(account_sid, value, owners)
