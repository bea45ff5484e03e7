"""IVR menu: one key, one way; or several keys for the applet that follows (AP-20, AP-21).

enter ──▶ prompt and keys ──a wired key──▶ that key's applet      (many keys: ──▶ next)
             ▲      │
             │      ├─ a key that is not wired ─┐
             └──────┴─ no key in time ──────────┴──▶ `retries` used up: on_invalid, on_timeout
"""

from collections.abc import Mapping
from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from agentstream.flows.applet import Applet, AppletInput, Leave, Onward, Step, wired
from agentstream.flows.asking import failure
from agentstream.flows.context import DIGITS_LIMIT, Context
from agentstream.flows.keypad import FinishKey, Key, Keypad, Keys
from agentstream.flows.prompt import PromptSettings

RETRIES_LIMIT: Final = 20  # AP-21: what "endless" means
Trouble = Literal["on_invalid", "on_timeout"]


class IvrMenuSettings(Onward):
    """Let the caller choose the way with a key."""

    kind: ClassVar[str] = "ivr_menu"

    prompt: PromptSettings = Field(description="What the caller can choose from.")
    keys: dict[Key, str] = Field(
        default_factory=dict, description="The applet behind each key, 0 to 9, * and #."
    )
    invalid_prompt: PromptSettings | None = Field(
        default=None, description="What is said after a key that leads nowhere; `prompt` if empty."
    )
    timeout_prompt: PromptSettings | None = Field(
        default=None, description="What is said when no key came; `prompt` if empty."
    )
    input_timeout: int = Field(
        default=5, ge=1, le=60, description="Seconds for the first key after the prompt."
    )
    retries: int = Field(
        default=2,
        ge=0,
        le=RETRIES_LIMIT,
        description="How often to ask again; 0 is as often as possible, 20 times.",
    )
    interruptible: bool = Field(
        default=True, description="A key ends the prompt; otherwise keys count only after it."
    )
    many_digits: bool = Field(
        default=False,
        description="Collect several keys and go on with `next`, where they are `digits`.",
    )
    max_digits: int = Field(
        default=DIGITS_LIMIT, ge=1, le=DIGITS_LIMIT, description="So many of several are enough."
    )
    finish_on_key: FinishKey = Field(
        default="#", description="The key that ends several; empty: none does."
    )
    on_invalid: str | None = Field(
        default=None, description="The applet that follows when the last key led nowhere."
    )
    on_timeout: str | None = Field(
        default=None, description="The applet that follows when no key came at last."
    )
    on_failure: str | None = Field(
        default=None, description="The applet that follows when the prompt cannot be played."
    )

    @model_validator(mode="after")
    def _has_ways(self) -> Self:
        if self.many_digits and self.keys:
            raise ValueError("with 'many_digits' the way is 'next', not one of 'keys'")
        if not self.many_digits and not self.keys:
            raise ValueError("give 'keys', or 'many_digits: true'")
        return self

    def exits(self) -> Mapping[str, str]:
        """Return the exits that are wired."""
        tried = wired(on_timeout=self.on_timeout, on_failure=self.on_failure)
        if self.many_digits:
            return wired(next=self.next) | tried
        keys = {str(key): applet for key, applet in self.keys.items()}
        return keys | wired(on_invalid=self.on_invalid) | tried

    def exit_path(self, exit_name: str) -> tuple[str, ...]:
        """Return where in the fields an exit is wired."""
        return ("keys", exit_name) if exit_name in self.keys else (exit_name,)

    def applet(self, context: Context) -> Applet:
        """Return a machine for one visit."""
        return IvrMenu(self, context)


class IvrMenu:
    """One choice."""

    def __init__(self, settings: IvrMenuSettings, context: Context) -> None:
        many = settings.many_digits
        keys = Keys(
            most=settings.max_digits if many else 1,
            finish=settings.finish_on_key if many else "",
            timeout_ms=settings.input_timeout * 1000,
            interruptible=settings.interruptible,
        )
        self._settings = settings
        self._context = context
        self._keypad = Keypad(context, keys)
        self._retries = settings.retries or RETRIES_LIMIT

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return self._keypad.wake_at_ms

    def enter(self, now_ms: int) -> list[Step]:
        """Ask."""
        return self._ask(self._settings.prompt, now_ms)

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Take keys."""
        return self._keypad.receive(happening, now_ms)

    def wake(self, now_ms: int) -> list[Step]:
        """Let the caller's time be over."""
        return self._keypad.wake(now_ms)

    def _ask(self, prompt: PromptSettings, now_ms: int) -> list[Step]:
        said = prompt.prompt(self._context, now_ms)
        return self._keypad.ask(said, now_ms, self._chosen, self._fail)

    def _chosen(self, digits: str, now_ms: int) -> list[Step]:
        settings = self._settings
        if not digits:
            prompt = settings.timeout_prompt
            return self._again("on_timeout", prompt, "the caller pressed no key", now_ms)
        if settings.many_digits:
            return [Leave()]
        if digits in settings.keys:
            return [Leave(digits)]
        why = f"key {digits} leads nowhere"
        return self._again("on_invalid", settings.invalid_prompt, why, now_ms)

    def _again(
        self, trouble: Trouble, prompt: PromptSettings | None, why: str, now_ms: int
    ) -> list[Step]:
        if self._retries == 0:
            return [Leave(trouble, reason=why)]
        self._retries -= 1
        return self._ask(prompt or self._settings.prompt, now_ms)

    def _fail(self, why: str, now_ms: int) -> list[Step]:
        return [failure("the menu", why)]
