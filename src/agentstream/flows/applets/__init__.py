"""One file per applet. A new applet is registered with one line here."""

from agentstream.flows.applet import Settings
from agentstream.flows.applets.connect import ConnectSettings
from agentstream.flows.applets.greeting import GreetingSettings
from agentstream.flows.applets.hangup import HangupSettings
from agentstream.flows.applets.voicebot import VoicebotSettings
from agentstream.flows.applets.voicemail import VoicemailSettings

KINDS: tuple[type[Settings], ...] = (
    ConnectSettings,
    GreetingSettings,
    HangupSettings,
    VoicebotSettings,
    VoicemailSettings,
)
