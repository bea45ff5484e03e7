"""Builds what captures packets of calls, from the configuration."""

from agentstream.base.ids import LegSid
from agentstream.media.engine import MediaLeg
from agentstream.net.sip_sockets import local_host_towards
from agentstream.server.config import Config
from agentstream.server.config_captures import CAPTURES_FOLDER
from agentstream.switch.captures import Captures
from agentstream.switch.feed import Feed
from agentstream.switch.switchboard import Switchboard


def open_captures(config: Config, switchboard: Switchboard, feed: Feed, host: str) -> Captures:
    """Return the captures of one node; `host` is our address in SDP, "" for the system's choice."""

    def audio(leg_sid: LegSid) -> MediaLeg | None:
        task = switchboard.line_of(leg_sid)
        return task.media(leg_sid) if task else None

    wanted = config.captures
    captures = Captures(
        config.data_dir / CAPTURES_FOLDER,
        wanted.wish(config.country_code),
        wanted.limits(),
        audio,
        lambda: host or local_host_towards(""),
    )
    feed.subscribe(captures.hear, captures.KINDS)
    return captures
