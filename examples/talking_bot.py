"""A bot that hears and speaks with no cloud: pocketsphinx and a small grammar, espeak-ng.

    python examples/talking_bot.py [--host 127.0.0.1] [--port 5000] [--voice en-us+f2]

`PHRASES` is all that it understands; keys that are pressed are understood as well. When the caller
speaks over it, it falls silent (`clear`). Every turn is one JSON line on stdout. Without
pocketsphinx (`pip install 'agentstream[demo]'`) or a voice it says so and echoes instead.
"""

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import Sequence

from agentstream.bot import (
    Audio,
    Call,
    CallEnded,
    CallStarted,
    Digit,
    Event,
    MarkPlayed,
    Talk,
    listen,
)
from agentstream.bot.offline_speech import Ears, Mouth, SpeechBegan, Turn, TurnTaking

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

# What a caller may say, by what is meant. A synthetic caller is understood best with the voices
# flite "slt" or espeak-ng "en-us+f5" (145 words a minute, pitch 40). That digits were said is heard
# well, which ones were is not: press them.
PHRASES: dict[str, tuple[str, ...]] = {
    "hello": ("hello", "hello there", "good morning"),
    "help": ("what can you do", "can you help me"),
    "balance": ("what is my balance", "what is my account balance", "tell me my balance"),
    "agent": ("talk to an agent", "i want to speak to an agent"),
    "goodbye": ("goodbye", "thank you goodbye"),
    "digits": ("my number is <digits>",),
}

# Words that give the meaning away when a sentence was only half heard.
KEYWORDS = {
    "balance": "balance",
    "agent": "agent",
    "goodbye": "goodbye",
    "help": "help",
    "do": "help",
    "number": "digits",
    "hello": "hello",
    "morning": "hello",
}

GREETING = ("Hello, this is the demo bank.", "How can I help you?")
REPLIES: dict[str, tuple[str, ...]] = {
    "hello": ("Hello.", "Ask me for your balance, or for an agent."),
    "help": (
        "I can tell you your balance.",
        "I can repeat a number that you say or press.",
        "I can connect you to an agent, who knows everything that I do not know.",
        "Just say what you need, or say goodbye.",
    ),
    "balance": ("Your balance is two thousand four hundred rupees.",),
    "agent": ("I am connecting you to an agent.", "Please hold the line."),
    "goodbye": ("Goodbye, and thank you for calling.",),
    "nothing": ("Sorry, I did not understand that.",),
}
LAST_WORDS = {"agent", "goodbye"}  # after these the bot closes, and the flow goes on


def log(kind: str, **facts: object) -> None:
    """Print one line of the transcript."""
    print(json.dumps({"event": kind, **facts}), flush=True)


class Conversation:
    """One call: what was heard, what is being said, and whose turn it is."""

    def __init__(self, call: Call, ears: Ears, mouth: Mouth) -> None:
        self.call = call
        self.ears = ears
        self.mouth = mouth
        self.turn_taking = TurnTaking(call.rate_hz)
        self.unheard: dict[str, str] = {}  # mark -> the sentence that ends with it
        self.sentences = 0
        self.is_leaving = False

    async def run(self) -> None:
        """Talk until the caller or the bot has said goodbye."""
        async for event in self.call:
            await self.on_event(event)
            if self.is_leaving and not self.unheard:
                await self.call.close()
                return

    async def on_event(self, event: Event) -> None:
        """Take one event of the call."""
        match event:
            case CallStarted():
                await self.say(GREETING)
            case Audio(pcm):
                for turn in self.turn_taking.hear(pcm):
                    await self.on_turn(turn)
            case Digit(digit):
                self.tell("caller", f"pressed {digit}", "key")
                await self.fall_silent("key")
                name = DIGITS[int(digit)] if digit in "0123456789" else digit
                await self.say((f"You pressed {name}.",))
            case MarkPlayed(name):
                if name in self.unheard:
                    log("heard", call_sid=self.call.call_sid, text=self.unheard.pop(name))
            case CallEnded(reason):
                log("ended", call_sid=self.call.call_sid, reason=reason)
            case _:
                pass  # answers to what this bot does not ask for

    async def on_turn(self, turn: Turn) -> None:
        """Take a turn: the caller began to speak, or has spoken."""
        if isinstance(turn, SpeechBegan):
            await self.fall_silent("speech")
            return
        words = await asyncio.to_thread(self.ears.understand, turn.pcm, self.call.rate_hz)
        meaning = meaning_of(words)
        self.tell("caller", words, meaning)
        if meaning == "digits":
            spoken = " ".join(word for word in words.split() if word in DIGITS)
            await self.say((f"Your number is {spoken or 'empty'}.",))
            return
        await self.say(REPLIES[meaning])
        self.is_leaving = meaning in LAST_WORDS

    async def say(self, sentences: tuple[str, ...]) -> None:
        """Say sentences, each followed by a mark; nothing needs pacing."""
        self.tell("bot", " ".join(sentences))
        for sentence in sentences:
            pcm = await asyncio.to_thread(self.mouth.speak, sentence, self.call.rate_hz)
            self.sentences += 1
            mark = f"sentence-{self.sentences}"
            self.unheard[mark] = sentence
            await self.call.play(pcm)
            await self.call.mark(mark)

    async def fall_silent(self, because: str) -> None:
        """Barge-in: the caller speaks over us, so drop what was not heard."""
        if self.unheard and not self.is_leaving:
            await self.call.clear()
            unheard = list(self.unheard.values())
            log("barge_in", call_sid=self.call.call_sid, because=because, unheard=unheard)
            self.unheard.clear()

    def tell(self, who: str, text: str, meaning: str = "") -> None:
        """Print a turn."""
        log("turn", call_sid=self.call.call_sid, who=who, text=text, meaning=meaning)


def meaning_of(words: str) -> str:
    """Return the key of PHRASES that fits, else "nothing"."""
    return next((KEYWORDS[word] for word in words.split() if word in KEYWORDS), "nothing")


def grammar() -> str:
    """Return PHRASES as a JSGF grammar."""
    rules = " | ".join(phrase for phrases in PHRASES.values() for phrase in phrases)
    return (
        "#JSGF V1.0;\ngrammar talk;\n"
        f"public <talk> = {rules} ;\n"
        f"<digit> = {' | '.join(DIGITS)} ;\n<digits> = <digit>+ ;\n"
    )


async def echo(call: Call) -> None:
    """Give back what the caller says: what is left without ears or a voice."""
    async for event in call:
        if isinstance(event, Audio):
            await call.play(event.pcm)


def make_talk(voice: str) -> Talk:
    """Return what the bot does with a call: the conversation, or an echo and a note why."""
    try:
        ears, mouth = Ears(grammar()), Mouth(voice)
    except (ImportError, RuntimeError) as error:
        log("note", text=f"{error}: this bot echoes instead of talking")
        return echo
    for sentence in (*GREETING, *(text for reply in REPLIES.values() for text in reply)):
        mouth.speak(sentence, 8000)  # kept, so that no caller waits for it

    async def talk(call: Call) -> None:
        await Conversation(call, ears, mouth).run()

    return talk


async def main(arguments: Sequence[str]) -> None:
    """Serve calls until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5000, help="0 takes a free one")
    parser.add_argument("--voice", default="en-us+f2", help="an espeak-ng voice")
    options = parser.parse_args(arguments)
    async with listen(make_talk(options.voice), options.host, options.port) as bot:
        log("listening", url=bot.url)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1:]))
