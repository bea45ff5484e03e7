"""The prompts of one call: fetched or spoken where they are no file yet, then played on a leg."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from agentstream.base.errors import AgentStreamError
from agentstream.base.ids import LegSid, PromptId
from agentstream.base.values import dataclass
from agentstream.calls import commands, effects, reports
from agentstream.media.engine import MediaLeg
from agentstream.media.plan import PromptPlan
from agentstream.store.tones import PREFIX as BUILTIN
from agentstream.store.tones import builtin_sound
from agentstream.switch import feed
from agentstream.switch.jobs import Job
from agentstream.switch.ports import Speech, Web

AUDIO_LIMIT: Final = 5_242_880  # AP-11: bytes of a prompt fetched by URL
AUDIO_TIMEOUT_MS: Final = 10_000


class Sounds(Protocol):
    """Where fetched prompts are kept."""

    async def keep(self, url: str, content_type: str, body: bytes) -> Path:
        """Store a fetched sound and return its file."""


@dataclass(frozen=True, slots=True)
class PromptDoors:
    """What the prompts need from the outside."""

    media: Callable[[LegSid], MediaLeg | None]
    spawn: Callable[[Job], asyncio.Task[None]]  # run this, owned by the call; cancelled with it
    post: Callable[[reports.PromptEnded], None]
    note: Callable[[feed.Note], None]
    web: Web
    speech: Speech
    sounds: Sounds
    egress_allow: tuple[str, ...]


class CallPrompts:
    """What of a call is played."""

    def __init__(self, doors: PromptDoors) -> None:
        self._doors = doors
        self._jobs: dict[PromptId, asyncio.Task[None]] = {}  # whose sounds are still to come

    def play(self, effect: effects.PlayPrompt) -> None:
        """Play a file at once, anything else as soon as it is one."""
        prompt = effect.prompt
        if isinstance(prompt, commands.AudioFile) and is_path(prompt.source):
            self._play_file(effect, Path(prompt.source))
            return
        self._jobs[effect.prompt_id] = self._doors.spawn(self._fetch_and_play(effect))

    def stop(self, prompt_id: PromptId, leg: MediaLeg) -> list[reports.Report]:
        """Stop a prompt; of one that plays the audio path reports the end."""
        job = self._jobs.pop(prompt_id, None)
        if job is None:
            leg.stop_play()
            return []
        job.cancel()
        return [reports.PromptEnded(prompt_id, completed=False)]

    def _play_file(self, effect: effects.PlayPrompt, path: Path) -> None:
        limits = effect.loops, effect.max_ms, effect.bots_wait_ms
        plan = PromptPlan(effect.prompt_id, str(path), *limits)
        leg = self._doors.media(effect.leg_sid)
        assert leg is not None, "a leg on which a prompt runs is not released"
        leg.play(plan)
        self._doors.note(feed.PromptBegan(effect.leg_sid, effect.prompt_id))

    async def _fetch_and_play(self, effect: effects.PlayPrompt) -> None:
        try:
            path = await self._sound_of(effect.prompt)
        except AgentStreamError as error:
            failed = reports.PromptEnded(effect.prompt_id, completed=False, error=str(error))
            self._doors.post(failed)
        else:
            self._play_file(effect, path)
        finally:
            self._jobs.pop(effect.prompt_id, None)

    async def _sound_of(self, prompt: commands.Prompt) -> Path:
        doors = self._doors
        if isinstance(prompt, commands.Speech):
            return await doors.speech.render(prompt.text, prompt.language, prompt.voice)
        if prompt.source.startswith(BUILTIN):
            sound = await asyncio.to_thread(builtin_sound, prompt.source)
            return await doors.sounds.keep(prompt.source, "audio/wav", sound)
        answer = await doors.web.get(
            prompt.source,
            query=(),
            timeout_ms=AUDIO_TIMEOUT_MS,
            max_bytes=AUDIO_LIMIT,
            allow=doors.egress_allow,
        )
        if answer.status != 200:
            raise AgentStreamError(f"the sound's server answered {answer.status}")
        content_type = answer.headers.get("content-type", "")
        return await doors.sounds.keep(prompt.source, content_type, answer.body)


def is_path(source: str) -> bool:
    """Tell whether a sound is a file of this server, neither fetched nor built in."""
    return "://" not in source and not source.startswith(BUILTIN)
