"""What a callee hears before it is connected: the Say and Play of a document of its own (XR-14).

begin ──Fetch──▶ asking ──a document──▶ heard ──its end──▶ is_over
                   └───── none ───────────┴── not heard ──▶ is_over, with an `error`
"""

from agentstream.base.errors import PeerError
from agentstream.base.ids import LegSid
from agentstream.flows.answer import Answer
from agentstream.flows.applet import AppletInput, Step
from agentstream.flows.asking import TIMEOUT_S, Question
from agentstream.flows.context import Context
from agentstream.flows.exoml.reading import read_response
from agentstream.flows.exoml.requests import PURPOSE, request_of
from agentstream.flows.exoml.verbs import Ask, Play, Response, Say
from agentstream.flows.recital import Recital


class Announcing:
    """One callee that has answered."""

    def __init__(self, context: Context, ask: Ask, leg_sid: LegSid) -> None:
        request = request_of(context, ask, (("DialCallSid", str(leg_sid)),), TIMEOUT_S * 1000)
        self.is_over = False
        self.error = ""
        self._context = context
        self._url = ask.url
        self._leg_sid = leg_sid
        self._question = Question(context, PURPOSE, [request], self._read)
        self._recital: Recital | None = None

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return self._recital.wake_at_ms if self._recital else self._question.wake_at_ms

    def begin(self, now_ms: int) -> list[Step]:
        """Ask what it is to hear."""
        return self._question.ask(now_ms, self._recite, self._fail)

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Take the answer, and the end of what is heard."""
        if self._recital is None:
            return self._question.receive(happening, now_ms)
        return self._look(self._recital, self._recital.receive(happening, now_ms))

    def wake(self, now_ms: int) -> list[Step]:
        """Let the timer that is due fire."""
        if self._recital is None:
            return self._question.wake(now_ms)
        return self._look(self._recital, self._recital.wake(now_ms))

    def _read(self, answer: Answer) -> Response:
        document = read_response(answer.body().strip(), self._url)
        for placed in document.verbs:
            if not isinstance(placed.verb, Say | Play):
                raise PeerError(
                    f"the document: {placed.place} is not for a callee; Say and Play are"
                )
        return document

    def _recite(self, document: Response, now_ms: int) -> list[Step]:
        verbs = (placed.verb for placed in document.verbs)
        verses = [verb.verse for verb in verbs if isinstance(verb, Say | Play)]
        self._recital = Recital(self._context, verses, leg_sid=self._leg_sid)
        return self._look(self._recital, self._recital.begin(now_ms))

    def _look(self, recital: Recital, steps: list[Step]) -> list[Step]:
        self.is_over, self.error = recital.is_over, recital.error
        return steps

    def _fail(self, why: str, now_ms: int) -> list[Step]:
        self.is_over, self.error = True, why
        return []
