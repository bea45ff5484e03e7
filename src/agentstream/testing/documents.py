"""A call that ExoML documents drive, as a screenplay with the server that answers them.

ivr = Ivr()
ivr.document("<Gather action='choice'><Say>Press one.</Say></Gather>")
ivr.played(ivr.take(Play).prompt_id)
ivr.press("1#")
assert ivr.told(ivr.take(Fetch))["DigitsPressed"] == "1"
"""

from typing import TypeVar
from urllib.parse import parse_qsl

from agentstream.calls.commands import Fetch
from agentstream.calls.record import CallSetup
from agentstream.flows.applet import Noted, Step
from agentstream.flows.applets.exoml import ExomlSettings
from agentstream.testing.applets import press
from agentstream.testing.visits import Visit

START = "https://crm.example/ivr/start?shop=7"
Kind = TypeVar("Kind")


class Ivr(Visit):
    """A visit to an exoml applet; what it notes is kept apart."""

    def __init__(self, setup: CallSetup | None = None, **fields: object) -> None:
        super().__init__(ExomlSettings.model_validate({"url": START, **fields}), setup)
        self._notes: list[Noted] = []

    def document(self, verbs: str) -> Fetch:
        """Let the server that is asked answer with a document of these verbs."""
        fetch = self.take(Fetch)
        self.answers(fetch, f"<Response>{verbs}</Response>".encode())
        return fetch

    def press(self, digits: str) -> None:
        """Let the caller press keys."""
        self.feed(*press(digits))

    def told(self, fetch: Fetch) -> dict[str, str]:
        """Return what a server is told, as a form or in the query."""
        form = parse_qsl(fetch.request.body, keep_blank_values=True)
        return dict(form) | dict(fetch.request.query)

    def take(self, kind: type[Kind]) -> Kind:
        """Take the oldest thing that is wanted of the call."""
        self._sort()
        return super().take(kind)

    def skip_to(self, kind: type[Kind]) -> Kind:
        """Drop what is wanted of the call until something of this kind; take it."""
        self._sort()
        return super().skip_to(kind)

    def expect(self, *answers: Step) -> None:
        """Take the oldest things that are wanted of the call; they must be these."""
        self._sort()
        super().expect(*answers)

    def expect_nothing(self) -> None:
        """Check that nothing is wanted."""
        self._sort()
        super().expect_nothing()

    @property
    def notes(self) -> list[str]:
        """What was noted for people."""
        self._sort()
        return [note.text for note in self._notes]

    @property
    def trouble(self) -> list[str]:
        """What of it was trouble."""
        self._sort()
        return [note.text for note in self._notes if note.is_trouble]

    def _sort(self) -> None:
        steps = self.take_all()
        self._notes += [step for step in steps if isinstance(step, Noted)]
        self.keep(step for step in steps if not isinstance(step, Noted))
