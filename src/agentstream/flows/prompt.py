"""What an applet plays: a sound file or a text, as documents and servers name it."""

from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agentstream.calls.commands import AudioFile, Prompt, Speech
from agentstream.flows.context import Context
from agentstream.flows.template import Template

PREPARE_MS: Final = 15_000  # to fetch the file or speak the text, before anything is heard
LANGUAGE: Final = "en-IN"
TEXT_CHARS: Final = 4000
AUDIO_CHARS: Final = 2048
WEB: Final = ("http://", "https://")


class PromptSettings(BaseModel):
    """A sound file, or a text to speak."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    text: Template | None = Field(
        default=None, min_length=1, max_length=TEXT_CHARS, description="A text to speak."
    )
    audio: Template | None = Field(
        default=None,
        min_length=1,
        max_length=AUDIO_CHARS,
        description="A sound file: a path on the server, or an http(s) URL; WAV, MP3 or OGG.",
    )
    language: str = Field(
        default=LANGUAGE, min_length=2, max_length=35, description="The text's BCP 47 language tag."
    )
    voice: str = Field(
        default="", max_length=64, description="A voice; empty is the language's default."
    )

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.text is None) == (self.audio is None):
            raise ValueError("give either 'text' or 'audio'")
        return self

    def prompt(self, context: Context, now_ms: int) -> Prompt:
        """Return what is to be played, its variables filled in."""
        if self.text is not None:
            return Speech(context.text(self.text, now_ms), self.language, self.voice)
        assert self.audio is not None  # by _has_one_source
        return audio_file(self.audio, context, now_ms)


def audio_file(source: str, context: Context, now_ms: int) -> AudioFile:
    """Return a sound file, the variables in its path or URL filled in."""
    fill = context.url if source.startswith(WEB) else context.path
    return AudioFile(fill(source, now_ms))
