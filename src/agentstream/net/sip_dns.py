"""The questions of RFC 3263 put to real name servers (dnspython), beside the system's resolver."""

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver
from dns.rdtypes.IN.NAPTR import NAPTR
from dns.rdtypes.IN.SRV import SRV

from agentstream.net.dns import DnsError, Resolver
from agentstream.net.locate import Naptr, Srv

TIMEOUT_S = 2.0  # for NAPTR and SRV each; the system's resolver has its own
KEPT_ANSWERS = 1_024


class SystemSipDns:
    """See `locate.SipDns`. Answers are kept for as long as their TTL says (SIP-5)."""

    def __init__(self, resolver: Resolver, asker: dns.asyncresolver.Resolver | None = None) -> None:
        self._resolver = resolver
        self._asker = asker

    async def naptr(self, name: str) -> tuple[Naptr, ...]:
        """Return the NAPTR records of a name."""
        answer = await self._ask(name, dns.rdatatype.NAPTR)
        return tuple(
            Naptr(
                one.order,
                one.preference,
                _text(one.flags),
                _text(one.service),
                one.replacement.to_text(omit_final_dot=True),
            )
            for one in answer
            if isinstance(one, NAPTR)
        )

    async def srv(self, name: str) -> tuple[Srv, ...]:
        """Return the SRV records of a name."""
        answer = await self._ask(name, dns.rdatatype.SRV)
        return tuple(
            Srv(
                one.priority,
                one.weight,
                one.port,
                one.target.to_text(omit_final_dot=True).strip("."),
            )
            for one in answer
            if isinstance(one, SRV)
        )

    async def addresses(self, name: str) -> tuple[str, ...]:
        """Return the addresses of a name, best first."""
        return await self._resolver.lookup(name)

    async def _ask(self, name: str, kind: dns.rdatatype.RdataType) -> list[object]:
        try:
            if self._asker is None:
                self._asker = dns.asyncresolver.Resolver()  # reads /etc/resolv.conf
                self._asker.cache = dns.resolver.LRUCache(KEPT_ANSWERS)
            answer = await self._asker.resolve(name, kind, lifetime=TIMEOUT_S)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            raise DnsError(f"{name} was not resolved: {error}") from error
        return list(answer)


def _text(value: bytes) -> str:
    return value.decode("ascii", "replace")
