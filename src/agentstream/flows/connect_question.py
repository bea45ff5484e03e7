"""Asks the customer's server whom to dial: the primary URL, then the fallback (AP-4)."""

from dataclasses import replace

from agentstream.flows.answer import Answer
from agentstream.flows.applet import AppletInput, Step
from agentstream.flows.asking import VERSION_HEADER, Question, get
from agentstream.flows.connect_answer import plain, programmable
from agentstream.flows.context import Context
from agentstream.flows.dial_plan import DialPlan

PURPOSE = "connect"


class WhomToDial:
    """One question to a customer's server; a machine inside the applet's."""

    def __init__(
        self,
        context: Context,
        urls: tuple[str, ...],
        base: DialPlan,
        now_ms: int,
        *,
        is_programmable: bool,
    ) -> None:
        self.plan: DialPlan | None = None  # once it is answered; of nobody when no answer was good
        self._context = context
        self._base = base
        self._parse = programmable if is_programmable else plain
        # AP-2: only who is asked for JSON is told so; it tells the two kinds of Connect apart.
        headers = (VERSION_HEADER,) if is_programmable else ()
        requests = [get(context, url, now_ms, headers=headers) for url in urls]
        self._question = Question(context, PURPOSE, requests, self._read)

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return self._question.wake_at_ms

    def begin(self, now_ms: int) -> list[Step]:
        """Ask the primary URL."""
        return self._question.ask(now_ms, self._take, self._give_up)

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Take the answer; one that comes too late is not ours any more."""
        return self._question.receive(happening, now_ms)

    def wake(self, now_ms: int) -> list[Step]:
        """Wait no longer."""
        return self._question.wake(now_ms)

    def _read(self, answer: Answer) -> DialPlan:
        number = self._context.setup.account_number
        return self._parse(answer.body().encode(), self._base, number)

    def _take(self, plan: DialPlan, now_ms: int) -> list[Step]:
        self.plan = plan
        return []

    def _give_up(self, why: str, now_ms: int) -> list[Step]:
        self.plan = replace(self._base, targets=(), reason=why)
        return []
