"""What a ladder and a call's counters tell whoever asks why: sentences, the likeliest cause first.

PN-13: a phone that rings with nobody to talk to is the commonest fault, and looks like ours.
"""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Final

from agentstream.base.values import dataclass
from agentstream.switch.ladder import Ladder, SdpFacts, Step

_MANY: Final = 3  # repeats that are no accident
_REFUSED_MEDIA: Final = frozenset((415, 488, 606))


@dataclass(frozen=True, slots=True)
class LegSound:
    """What was counted of one leg's audio."""

    leg: str  # "the caller"
    leg_sid: str
    packets_received: int
    packets_sent: int
    source: str = ""  # the far end's address, where it is another than its SDP said


def hints(ladder: Ladder, legs: Sequence[LegSound] = ()) -> tuple[str, ...]:
    """Return what is worth knowing; nothing for a call that went as it should."""
    found = (*_media(ladder, legs), *_signals(ladder), *_addresses(ladder))
    return tuple(dict.fromkeys(found))


def _media(ladder: Ladder, legs: Sequence[LegSound]) -> Iterator[str]:
    answered = {
        step.leg_sid for step in ladder.steps if 200 <= step.status < 300 and _is_invite(step)
    }
    for leg in legs:
        if leg.leg_sid in answered and not leg.packets_received:
            yield (
                f"media received: no. {leg.leg.capitalize()} was answered and sent us no audio:"
                " is somebody there to talk, do its RTP packets reach our address and ports?"
            )
        if leg.source:
            yield (
                f"RTP of {leg.leg} came from {leg.source}, another address than its SDP said:"
                " a NAT or a media relay is in between."
            )


def _signals(ladder: Ladder) -> Iterator[str]:
    steps = ladder.steps
    for step in steps:
        if step.status == 481 and step.method == "BYE":
            who = "the far end" if not step.is_ours else "we"
            yield f"481 to a BYE: {who} no longer knew the dialog (ended at both sides at once?)."
        if step.status in _REFUSED_MEDIA and _is_invite(step):
            yield f"{step.label}: the two sides have no codec or no kind of SRTP in common."
    repeats = [step for step in steps if step.is_repeat]
    unheard = [step for step in repeats if step.label == "INVITE" and step.is_ours]
    if len(unheard) >= _MANY and not any(step.status and not step.is_ours for step in steps):
        yield (
            f"Our INVITE was sent {len(unheard) + 1} times and never answered:"
            " wrong address, port or transport, or a firewall."
        )
    ours = [step for step in repeats if step.is_ours and _is_final(step)]
    if len(ours) >= _MANY:
        yield (
            f"Our {ours[0].label} was sent {len(ours) + 1} times: no ACK came."
            " Does the far end reach our Contact?"
        )
    yield from _challenges(steps)


def _challenges(steps: Sequence[Step]) -> Iterator[str]:
    asked = [step for step in steps if step.status in {401, 407} and not step.is_repeat]
    theirs = [step for step in asked if not step.is_ours]
    if len(theirs) >= 2 and not any(_is_success(step) and not step.is_ours for step in steps):
        yield f"{theirs[-1].label} again after our credentials: user, password or realm is wrong."
    ours = [step for step in asked if step.is_ours]
    if len(ours) >= 2 and not any(_is_success(step) and step.is_ours for step in steps):
        yield f"{ours[-1].label} again after their credentials: user, password or realm is wrong."


def _addresses(ladder: Ladder) -> Iterator[str]:
    for step in ladder.steps:
        said = step.sdp
        if said is None:
            continue
        host = step.message.remote[0]
        if not step.is_ours and _is_hidden(said, host):
            yield (
                f"The SDP of {step.sender} says {said.address}, an address of a private network,"
                " and its messages come from elsewhere: we answer to where its RTP comes from."
            )
        if step.is_ours and _is_hidden(said, host):
            yield (
                f"Our SDP says {said.address}, which {step.receiver} cannot reach:"
                " set public_host in [sip] or [rtp]."
            )
        if said.port == 0 and _is_success(step):
            yield f"{step.label} refused the audio (port 0)."


def _is_hidden(said: SdpFacts, host: str) -> bool:
    """Tell whether an address cannot be reached from where the message's other end is."""
    try:
        address, peer = ip_address(said.address), ip_address(host)
    except ValueError:
        return False
    return address.is_private and not address.is_unspecified and not peer.is_private


def _is_invite(step: Step) -> bool:
    return step.method == "INVITE"


def _is_final(step: Step) -> bool:
    return step.status >= 200 and _is_invite(step)


def _is_success(step: Step) -> bool:
    return 200 <= step.status < 300 and _is_invite(step)
