"""SwitchCase: the way that the Passthru before it was told (AP-33), or that who answered takes."""

from collections.abc import Mapping
from typing import ClassVar, Final, Literal

from pydantic import Field

from agentstream.base.errors import PeerError
from agentstream.calls.answering import answered_by
from agentstream.flows.applet import Applet, AppletInput, Leave, Settings, Step, wired
from agentstream.flows.asking import failure
from agentstream.flows.context import Context

CASES_LIMIT: Final = 64
CASE: Final = "case:"
WANTED: Final = '{"select": "a case"}'


class SwitchCaseSettings(Settings):
    """Choose the way by the answer to the synchronous Passthru before, or by who answered."""

    kind: ClassVar[str] = "switch_case"
    takes_time: ClassVar[bool] = False

    by: Literal["answer", "answered_by"] = Field(
        default="answer",
        description=(
            "`answer`: the Passthru's; `answered_by`: `Human`, `Machine`, `NotSure`, or `NA` while"
            " that is not known."
        ),
    )
    cases: dict[str, str] = Field(
        min_length=1,
        max_length=CASES_LIMIT,
        description="The applet behind each value, as `select` in the answer; compared exactly.",
    )
    default: str = Field(description="The applet that follows any other value.")
    on_failure: str | None = Field(
        default=None,
        description="The applet that follows an answer without a `select`; without one, `default`.",
    )

    def exits(self) -> Mapping[str, str]:
        """Return the exits that are wired."""
        cases = {CASE + case: applet for case, applet in self.cases.items()}
        return cases | wired(default=self.default, on_failure=self.on_failure)

    def exit_path(self, exit_name: str) -> tuple[str, ...]:
        """Return where in the fields an exit is wired."""
        if exit_name.startswith(CASE):
            return ("cases", exit_name.removeprefix(CASE))
        return (exit_name,)

    def applet(self, context: Context) -> Applet:
        """Return a machine for one visit."""
        return SwitchCase(self, context)


class SwitchCase:
    """One choice."""

    wake_at_ms: int | None = None

    def __init__(self, settings: SwitchCaseSettings, context: Context) -> None:
        self._settings = settings
        self._context = context

    def enter(self, now_ms: int) -> list[Step]:
        """Choose."""
        try:
            case = self._selected()
        except PeerError as error:
            leave = failure("the choice", str(error))
            if self._settings.on_failure is None:
                leave = Leave("default", reason=leave.reason)
            return [leave]
        if case in self._settings.cases:
            return [Leave(CASE + case)]
        return [Leave("default", reason=f"'{case[:64]}' is none of the cases")]

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Have left already."""
        return []

    def wake(self, now_ms: int) -> list[Step]:
        """Have no timer."""
        return []

    def _selected(self) -> str:
        if self._settings.by == "answered_by":
            return answered_by(self._context.answerer)
        answer = self._context.answer
        if answer is None:
            raise PeerError("no Passthru before was answered")
        selected = answer.mapping(WANTED).get("select")
        if not isinstance(selected, str):
            raise PeerError(f"the answer has no text 'select', wanted is {WANTED}")
        return selected
