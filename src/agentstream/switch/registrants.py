"""Who of the accounts' trunks may register with us (SIP-37): users of a trunk that allows it."""

from collections.abc import Callable

from agentstream.sip.bindings import FindRegistrant, Registrant
from agentstream.store.trunk_book import TrunkBook, TrunkEntry


def registrants(book: Callable[[], TrunkBook]) -> FindRegistrant:
    """Return how a REGISTER finds its trunk, by the user and host of To.

    The host is the trunk's domain, or anything else (our address, mostly) when only one trunk has
    such a user; the realm is the trunk's domain in any case (SIP-33).
    """

    def find(user: str, host: str) -> Registrant | None:
        may = [entry for entry in book().with_user(user) if _may_register(entry)]
        named = [entry for entry in may if entry.trunk.domain_name.lower() == host]
        found = named or may
        if len(found) != 1:
            return None
        entry = found[0]
        ha1 = next(one.ha1 for one in entry.parts.credentials if one.user_name == user)
        return Registrant(entry.sid, user, entry.trunk.domain_name, ha1)

    return find


def _may_register(entry: TrunkEntry) -> bool:
    return entry.trunk.is_active and entry.options.registration_enabled
