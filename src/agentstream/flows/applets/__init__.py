"""One file per applet. A new applet is registered with one line here."""

from agentstream.flows.applet import Settings
from agentstream.flows.applets.business_hours import BusinessHoursSettings
from agentstream.flows.applets.condition import ConditionSettings
from agentstream.flows.applets.connect import ConnectSettings
from agentstream.flows.applets.email import EmailSettings
from agentstream.flows.applets.exoml import ExomlSettings
from agentstream.flows.applets.gather import GatherSettings
from agentstream.flows.applets.greeting import GreetingSettings
from agentstream.flows.applets.hangup import HangupSettings
from agentstream.flows.applets.ivr_menu import IvrMenuSettings
from agentstream.flows.applets.passthru import PassthruSettings
from agentstream.flows.applets.sms import SmsSettings
from agentstream.flows.applets.stream import StreamSettings
from agentstream.flows.applets.switch_case import SwitchCaseSettings
from agentstream.flows.applets.transfer import TransferSettings
from agentstream.flows.applets.voicebot import VoicebotSettings
from agentstream.flows.applets.voicemail import VoicemailSettings

KINDS: tuple[type[Settings], ...] = (
    BusinessHoursSettings,
    ConditionSettings,
    ConnectSettings,
    EmailSettings,
    ExomlSettings,
    GatherSettings,
    GreetingSettings,
    HangupSettings,
    IvrMenuSettings,
    PassthruSettings,
    SmsSettings,
    StreamSettings,
    SwitchCaseSettings,
    TransferSettings,
    VoicebotSettings,
    VoicemailSettings,
)
