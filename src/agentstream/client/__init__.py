"""For programs that place calls or steer legs: what can be asked, as values, and who asks.

with Client("https://voice.example.net", "acct1", KEY, TOKEN) as client:
    call = client.ask(CallToBot("+919876500001", "08040000002", "wss://bots.example.net/ws"))
    call = client.ask(ReadCall(call.sid))
    client.ask(ActOnLeg(leg_sid, "start_say", {"text": "One moment, please."}))

AsyncClient is the same with `await`.
"""

from agentstream.client.asks import (
    CallToBot,
    CallToFlow,
    CallTwo,
    HangUp,
    ListCalls,
    PlayPrompt,
    PressDigits,
    ReadCall,
    Redirect,
    Terms,
)
from agentstream.client.bridge_asks import (
    ActOnBridge,
    ChangeBridge,
    CreateBridge,
    EndBridge,
    ReadBridge,
    ReadBridgeEvents,
    RunOnBridge,
)
from agentstream.client.client import AsyncClient, Client, RefusedError
from agentstream.client.leg_asks import (
    ActOnLeg,
    ChangeLeg,
    CreateLeg,
    EndLeg,
    ReadLeg,
    ReadLegEvents,
    RunOnLeg,
)
from agentstream.client.leg_values import Acted, Bridge, SteeredLeg, ToldEvent
from agentstream.client.sent import Ask
from agentstream.client.values import Call, Calls, Leg

__all__ = [
    "ActOnBridge",
    "ActOnLeg",
    "Acted",
    "Ask",
    "AsyncClient",
    "Bridge",
    "Call",
    "CallToBot",
    "CallToFlow",
    "CallTwo",
    "Calls",
    "ChangeBridge",
    "ChangeLeg",
    "Client",
    "CreateBridge",
    "CreateLeg",
    "EndBridge",
    "EndLeg",
    "HangUp",
    "Leg",
    "ListCalls",
    "PlayPrompt",
    "PressDigits",
    "ReadBridge",
    "ReadBridgeEvents",
    "ReadCall",
    "ReadLeg",
    "ReadLegEvents",
    "Redirect",
    "RefusedError",
    "RunOnBridge",
    "RunOnLeg",
    "SteeredLeg",
    "Terms",
    "ToldEvent",
]
