"""A visit to one applet as a script, and the facts of the call that answer what it wants.

script, context = visit(PassthruSettings(url="https://crm.example/", next="talk"))
script.feed(answered(script.take(Fetch), status=302))
script.expect(Leave("on_302"))
"""

from agentstream.base.ids import CountedTokens
from agentstream.calls.commands import Fetch, Play
from agentstream.calls.events import DigitReceived, PromptFinished, RequestFinished
from agentstream.flows.applet import AppletInput, Settings, Step
from agentstream.flows.context import Context
from agentstream.testing.calls import CALL, LEG, make_setup
from agentstream.testing.script import Script

Visit = Script[AppletInput, Step]


def new_context(custom_field: str = "") -> Context:
    """Return the memory of a flow whose call has just been answered."""
    context = Context(make_setup(custom_field=custom_field), CountedTokens(), 0)
    context.leg_sid = LEG
    return context


def visit(settings: Settings, context: Context | None = None) -> tuple[Visit, Context]:
    """Enter an applet; return it with its memory. What it wants first is kept in the script."""
    context = context or new_context()
    applet = settings.applet(context)
    script: Visit = Script(applet)
    script.keep(applet.enter(0))
    return script, context


def answered(
    fetch: Fetch,
    status: int = 200,
    body: str = "",
    content_type: str = "text/plain",
    error: str = "",
) -> RequestFinished:
    """Return what follows a request: an answer after 40 ms, or with status 0 none."""
    return RequestFinished(
        CALL, fetch.request_id, fetch.purpose, status, content_type, body.encode(), 40, 1, error
    )


def played(play: Play, error: str = "") -> PromptFinished:
    """Return the end of a prompt: it was heard to its end, or could not be played."""
    return PromptFinished(CALL, play.leg_sid, play.prompt_id, not error, error)


def press(digits: str) -> list[DigitReceived]:
    """Return keys that the caller presses, one after the other."""
    return [DigitReceived(CALL, LEG, digit, 80) for digit in digits]
