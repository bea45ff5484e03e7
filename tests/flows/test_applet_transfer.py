"""Transfer: into another flow of the account, for good (AP-55, AP-60)."""

from agentstream.base.ids import CountedTokens
from agentstream.calls.causes import Cause
from agentstream.calls.commands import Answer, HangUp, Play
from agentstream.calls.events import AppletEntered, AppletLeft, CallAnswered, CallStarted
from agentstream.flows.applet import AppletInput, GoOver
from agentstream.flows.applets.transfer import TransferSettings
from agentstream.flows.document import FlowDocument, parse
from agentstream.flows.engine import VISITS_LIMIT, Flow, FlowOutput
from agentstream.testing.applets import new_context, press, visit
from agentstream.testing.calls import CALL, LEG, make_setup
from agentstream.testing.script import Script

MAIN = parse("""
name: main
start: over
applets:
  over: {type: transfer, flow: sales, on_failure: sorry}
  sorry: {type: greeting, text: Sorry}
""")
SALES = parse("""
name: sales
start: hello
timeout_seconds: 60
applets:
  hello: {type: greeting, text: "You are {From}"}
""")


def start(
    document: FlowDocument, library: dict[str, FlowDocument]
) -> Script[AppletInput, FlowOutput]:
    flow = Flow(document, make_setup(), CountedTokens(), 0, library=library.get)
    script: Script[AppletInput, FlowOutput] = Script(flow)
    script.feed(CallStarted(CALL, LEG, make_setup()), CallAnswered(CALL, LEG))
    script.take(Answer)
    return script


def test_a_transfer_names_the_flow_that_is_meant() -> None:
    script, _ = visit(TransferSettings(flow="sales"))
    script.expect(GoOver("sales"))
    script.feed(*press("1"))
    script.expect_nothing()
    assert script.machine.wake(5) == []
    context = new_context()
    context.transfer_to = "billing"  # the bot's wish (OP-1)
    script, _ = visit(TransferSettings(flow="{TransferTo}"), context)
    script.expect(GoOver("billing"))
    assert TransferSettings(flow="x", on_failure="a").exits() == {"on_failure": "a"}
    assert TransferSettings(flow="x").leaves_at_once()


def test_the_call_goes_on_in_the_other_flow_ap_55() -> None:
    script = start(MAIN, {"sales": SALES})
    script.expect(
        AppletEntered(CALL, "over", "transfer"),
        AppletLeft(CALL, "over", "transfer", "hello", "goes on in flow 'sales'"),
        AppletEntered(CALL, "hello", "greeting"),
    )
    script.take(Play)
    script.wait(60_000)  # the other flow's own limit
    assert script.skip_to(HangUp).cause is Cause.TIME_LIMIT


def test_a_flow_that_is_not_there_is_a_failure() -> None:
    script = start(MAIN, {})
    left = script.skip_to(AppletLeft)
    assert (left.exit, left.to) == ("on_failure", "sorry")
    assert left.reason == "there is no published flow 'sales'"
    alone = parse("name: x\nstart: a\napplets: {a: {type: transfer, flow: b}}")
    script = start(alone, {})
    assert script.skip_to(HangUp).cause is Cause.FLOW_ERROR


def test_without_a_library_there_is_no_other_flow() -> None:
    script = Script(Flow(MAIN, make_setup(), CountedTokens(), 0))
    script.feed(CallStarted(CALL, LEG, make_setup()), CallAnswered(CALL, LEG))
    assert script.skip_to(AppletLeft).exit == "on_failure"


def test_flows_that_only_transfer_to_each_other_come_to_an_end() -> None:
    ping = parse("name: ping\nstart: a\napplets: {a: {type: transfer, flow: pong}}")
    pong = parse("name: pong\nstart: a\napplets: {a: {type: transfer, flow: ping}}")
    script = start(ping, {"ping": ping, "pong": pong})
    outputs = script.take_all()
    assert sum(isinstance(output, AppletEntered) for output in outputs) == VISITS_LIMIT
    assert isinstance(outputs[-1], HangUp)
    assert outputs[-1].cause is Cause.FLOW_ERROR


def test_an_edit_of_a_published_flow_reaches_no_call_that_is_in_it_ap_60() -> None:
    library = {"sales": SALES}
    script = start(MAIN, library)
    library["sales"] = parse("name: sales\nstart: bye\napplets: {bye: {type: hangup}}")
    script.skip_to(Play)
    assert isinstance(script.machine, Flow)
    assert script.machine.place == "hello"
    script.wait(59_999)
    script.expect_nothing()
