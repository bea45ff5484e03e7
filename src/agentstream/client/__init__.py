"""For programs that place calls: what can be asked of the calls API, as values, and who asks.

with Client("https://voice.example.net", "acct1", KEY, TOKEN) as client:
    call = client.ask(CallToBot("+919876500001", "08040000002", "wss://bots.example.net/ws"))
    call = client.ask(ReadCall(call.sid))

AsyncClient is the same with `await`.
"""

from agentstream.client.asks import (
    Ask,
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
from agentstream.client.client import AsyncClient, Client, RefusedError
from agentstream.client.values import Call, Calls, Leg

__all__ = [
    "Ask",
    "AsyncClient",
    "Call",
    "CallToBot",
    "CallToFlow",
    "CallTwo",
    "Calls",
    "Client",
    "HangUp",
    "Leg",
    "ListCalls",
    "PlayPrompt",
    "PressDigits",
    "ReadCall",
    "Redirect",
    "RefusedError",
    "Terms",
]
