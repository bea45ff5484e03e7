"""Where a call to a number would go, step by step, found by what the switch itself asks.

in    the directory ─▶ account, flow and version; or which rule keeps the call out
out   the number's form ─▶ the guard ─▶ the trunk ─▶ Request-URI, From ─▶ the first hop
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from agentstream.base.phone import ANY_NUMBER, normalise
from agentstream.calls.commands import DialSpec
from agentstream.flows.document import FlowDocument, parse
from agentstream.server.config import Config
from agentstream.sip.flow import hop_of
from agentstream.sip.uri import parse_uri
from agentstream.store.directory import Directory, LegRoute, Route
from agentstream.switch.admit import PassageWay
from agentstream.switch.caller_id import alias_of
from agentstream.switch.roads import NoRoadError, Origin, Road, Roads
from agentstream.switch.routing import find_roads
from agentstream.switch.trunk_calls import NoWay, way_of

if TYPE_CHECKING:
    from agentstream.store.sql_store import SqlStore

Mark = Literal["ok", "no", "note"]


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step of the way."""

    name: str
    text: str
    mark: Mark = "ok"


@dataclass(frozen=True, slots=True)
class Plan:
    """The way of a call."""

    title: str
    steps: tuple[PlanStep, ...]

    @property
    def leads_somewhere(self) -> bool:
        """Whether a call would be taken."""
        return all(step.mark != "no" for step in self.steps)


async def plans_of(
    store: "SqlStore", config: Config, number: str, caller: str, trunk: str
) -> list[Plan]:
    """Return the ways of a call in to a number and of one out; nobody is called.

    `trunk` is one of the operator's by its name, or an account's by its sid: then a third way, of a
    call that comes in by it, stands first.
    """
    directory = Directory(store, parse, config.country_code)
    await directory.refresh()
    roads = config.roads()
    entry = directory.trunks.find(trunk) if trunk else None
    plans = []
    if entry is not None:
        called, shown = (normalise(each, config.country_code) for each in (number, caller))
        found = way_of(entry, called, shown, directory.find, directory.owns)
        label = f"a call to {called} that comes in by the trunk {entry.trunk.name} ({entry.sid})"
        origin = Origin(
            alias=alias_of(entry, directory.owns),
            nso_code=entry.trunk.nso_code,
            at=datetime.now(UTC),
        )
        plans.append(_trunk_plan(label, found, roads, origin, called))
    plans.append(await _plan_in(store, directory, number, config.country_code))
    if entry is None:
        spec = DialSpec(number, trunk=trunk, caller_id=caller)
        plans.append(_plan_out(spec, roads, Origin(at=datetime.now(UTC))))
    return plans


async def _plan_in(
    store: "SqlStore", directory: Directory[FlowDocument], number: str, country_code: str
) -> Plan:
    plain = normalise(number, country_code)
    steps = [PlanStep("number", _became(number, plain), "note")]
    found = directory.find(plain)
    if found is not None:
        steps += _arrival(found, plain)
        return Plan(f"a call in to {plain}", tuple(steps))
    rows = {row.number: row for row in await store.numbers.list()}
    row = rows.get(plain) or rows.get(ANY_NUMBER)
    if row is None:
        why = "no account has this number, and none has *: agentstream numbers assign"
    elif row.flow_sid is None:
        why = (
            f"account {row.account_sid} has it, but neither flow nor event endpoint is bound to it"
        )
    else:
        flow = await store.flows.find(row.account_sid, row.flow_sid)
        name = flow.name if flow else row.flow_sid
        why = (
            f"its flow {name} is not published, or cannot be read: agentstream flows publish {name}"
        )
    steps.append(PlanStep("refused", f"404: {why}", "no"))
    return Plan(f"a call in to {plain}", tuple(steps))


def _arrival(found: Route[FlowDocument] | LegRoute, plain: str) -> list[PlanStep]:
    account = PlanStep("account", f"{found.account.name} ({found.account.sid})")
    whose = [account]
    if found.number == ANY_NUMBER and plain != ANY_NUMBER:
        whose.append(
            PlanStep("rule", "* of this account: no account has the number itself", "note")
        )
    if isinstance(found, LegRoute):
        text = f"its leg is steered by whoever hears its events; it is answered: {found.answers}"
        return [*whose, PlanStep("leg", text)]
    text = f"{found.flow_name} ({found.flow_sid}), version {found.flow_version}"
    return [*whose, PlanStep("flow", text), PlanStep("starts at", found.flow.start)]


def _trunk_plan(
    label: str,
    found: Route[FlowDocument] | LegRoute | PassageWay | NoWay,
    roads: Roads,
    origin: Origin,
    called: str,
) -> Plan:
    if isinstance(found, NoWay):
        status = f"{found.status}: " if found.status else ""
        return Plan(label, (PlanStep("refused", f"{status}{found.text}", "no"),))
    if isinstance(found, PassageWay):
        out = _plan_out(found.spec, roads, origin)
        head = PlanStep(
            "out", f"passed on, as {found.spec.caller_id} of account {found.account.sid}"
        )
        return Plan(label, (head, *out.steps))
    return Plan(label, tuple(_arrival(found, called)))


def _plan_out(spec: DialSpec, roads: Roads, origin: Origin) -> Plan:
    plain = normalise(spec.destination, roads.country_code)
    title = f"a call out to {plain}"
    number = PlanStep("number", _became(spec.destination, plain), "note")
    try:
        found = find_roads(spec, roads, origin, _first)
    except NoRoadError as error:
        return Plan(title, (number, PlanStep("refused", str(error), "no")))
    steps = [number]
    if not spec.destination.lower().startswith(("sip:", "sips:")):
        steps.append(PlanStep("guard", "the number may be dialled"))
    for place, road in enumerate(found, start=1):
        steps += _road_steps(road, place)
    return Plan(title, tuple(steps))


def _road_steps(road: Road, place: int) -> list[PlanStep]:
    shown = f"{road.display} <{road.caller}>" if road.display else road.caller
    hop = hop_of(parse_uri(road.proxy) if road.proxy else road.target)
    transport = hop.transport or "by DNS"
    port = f":{hop.port}" if hop.port else ""
    login = f", logs in as {road.credentials.user}" if road.credentials else ""
    by = f" ({road.name})" if road.name else ""
    steps = [
        PlanStep(f"attempt {place}", f"{hop.host}{port}, {transport}{login}{by}"),
        PlanStep("Request-URI", str(road.target)),
        PlanStep("From", shown),
    ]
    if road.proxy:
        steps.append(PlanStep("proxy", road.proxy, "note"))
    if road.offers_late:
        steps.append(PlanStep("SDP", "none in the INVITE: the carrier offers", "note"))
    return steps


def _first(highest: int) -> int:
    """Draw what lets the order be the likeliest one; a call draws by weight."""
    return highest


def _became(said: str, plain: str) -> str:
    return plain if said == plain else f"{said} is {plain}"
