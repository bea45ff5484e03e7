"""Our side of one leg's audio: what the house wants, what its road or trunk wants, what TLS allows.

the house ([rtp] srtp) ◀─ an operator's trunk or an account's trunk says otherwise
keys of ours are offered over TLS alone, or where [sip] allow_sdes_cleartext says so (SIP-43)
"""

from typing import Final, Literal

from agentstream.base.values import dataclass, replace
from agentstream.media.crypto import SrtpForm, SrtpUse
from agentstream.media.negotiate import LocalMedia
from agentstream.store.trunk_book import TrunkEntry
from agentstream.store.trunk_options import DtmfMode, SrtpMode

ENCRYPTED: Final = frozenset({"tls", "wss"})  # transports on which nobody else reads keys
_NOT_TAKEN: Final = frozenset({415, 488, 606})
_USES: Final[dict[SrtpMode, SrtpUse]] = {
    "disabled": "off",
    "allowed": "preferred",
    "required": "required",
}


@dataclass(frozen=True, slots=True)
class MediaTerms:
    """What a road or a trunk wants of a leg's audio; what it leaves open is the house's."""

    srtp: SrtpUse | None = None
    srtp_form: SrtpForm | None = None
    keys: DtmfMode = "rfc4733"  # how they travel: see `leg_keys`


def terms_of(entry: TrunkEntry | Literal[""] | None) -> MediaTerms:
    """Return what an account's trunk wants: `as_srtp`, `as_dtmf`; a secure one requires SRTP."""
    if not entry:
        return MediaTerms()
    options = entry.options
    srtp = "required" if entry.trunk.is_secure else _USES[options.srtp]
    return MediaTerms(srtp, keys=options.dtmf)


def local_for(house: LocalMedia, transport: str, terms: MediaTerms) -> LocalMedia:
    """Return our side of a leg whose signalling goes by this transport: "udp", "tls" ...

    `house.offers_keys` says whether keys may be offered over any. Keys of theirs are taken over any
    in any case: they have shown their own.
    """
    srtp, form = terms.srtp or house.srtp, terms.srtp_form or house.srtp_form
    offers_keys = house.offers_keys or transport in ENCRYPTED
    if (srtp, form, offers_keys) == (house.srtp, house.srtp_form, house.offers_keys):
        return house
    return replace(house, srtp=srtp, srtp_form=form, offers_keys=offers_keys)


def lacks_keys(local: LocalMedia) -> bool:
    """Tell whether a leg cannot make the first offer: it needs keys, and may offer none."""
    return local.srtp == "required" and not local.offers_keys


def wants_clear(status: int, local: LocalMedia) -> bool:
    """Tell whether a refused first offer had keys and may be made once more without (SIP-42)."""
    return local.srtp == "preferred" and local.offers_keys and status in _NOT_TAKEN


def transport_of(source: str) -> str:
    """Return the transport of "udp:192.0.2.1:5060"."""
    return source.partition(":")[0].lower()
