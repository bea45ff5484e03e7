"""For people who write bots: a small SDK and the bot checker.

async def talk(call: Call) -> None:
    await call.play(greeting)
    async for event in call:
        match event:
            case Audio(pcm):
                await call.play(pcm)

asyncio.run(serve(talk, "0.0.0.0", 5000))
"""

from agentstream.bot.call import Call
from agentstream.bot.events import (
    Answered,
    Audio,
    CallEnded,
    CallStarted,
    Cleared,
    Digit,
    Event,
    MarkPlayed,
    Silence,
)
from agentstream.bot.server import BotServer, Talk, listen, serve

__all__ = [
    "Answered",
    "Audio",
    "BotServer",
    "Call",
    "CallEnded",
    "CallStarted",
    "Cleared",
    "Digit",
    "Event",
    "MarkPlayed",
    "Silence",
    "Talk",
    "listen",
    "serve",
]
