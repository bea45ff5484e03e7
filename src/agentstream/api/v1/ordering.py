"""From what somebody asks for to a call that can be placed: whose number, which flow, whom."""

from dataclasses import dataclass

from agentstream.api.doors import Telephony
from agentstream.api.errors import ApiError
from agentstream.api.own_numbers import own_number
from agentstream.api.settings import ApiSettings
from agentstream.api.v1.connect_request import ConnectRequest
from agentstream.api.v1.documents import document_of
from agentstream.api.v1.flow_url import is_flow_url, read_flow_url
from agentstream.base.errors import CommandError
from agentstream.calls.commands import RecordingSpec
from agentstream.flows.direct import documents
from agentstream.flows.document import FlowDocument
from agentstream.store.directory import Route
from agentstream.store.values import Account
from agentstream.switch.placing import CallOrder


@dataclass(frozen=True, slots=True)
class Ordering:
    """What orders of one account are made with."""

    account: Account
    telephony: Telephony
    settings: ApiSettings

    async def order(self, request: ConnectRequest) -> CallOrder:
        """Return the call to place; ApiError 400 for a number or flow that is not theirs."""
        caller_id = await self.caller_id(request.caller_id)
        if request.mode == "flow":
            document, route = await self.course(request.flow_url)
            return self._order(request, caller_id, route=route, document=document)
        second = self.settings.normalised(request.to_number) if request.to_number else ""
        document = document_of(request, second, caller_id)
        return self._order(request, caller_id, document=document, second=second)

    async def caller_id(self, written: str, name: str = "CallerId") -> str:
        """Return which number of the account is to be shown (CC-33); `name` is the parameter's."""
        numbers = self.telephony.numbers
        owned = {number.number for number in await numbers.list(self.account.sid)}
        found = own_number(written, owned, self.settings)
        if found and found not in owned:  # "*" is theirs, but not the numbers of others
            owners = {number.number: number.account_sid for number in await numbers.list()}
            found = found if owners.get(found, self.account.sid) == self.account.sid else ""
        if not found:
            raise ApiError(400, f"{name} is not a number of this account: {written[:40]!r}")
        return found

    async def course(self, url: str) -> tuple[FlowDocument, Route[FlowDocument] | None]:
        """Return what a Url means: a published flow, or by setting a server's documents (KX-9)."""
        if self.settings.takes_document_urls and not is_flow_url(url):
            try:
                return documents(url), None
            except CommandError as error:
                raise ApiError(400, f"Url: {error}") from error
        route = await self.flow(url)
        return route.flow, route

    async def flow(self, url: str, name: str = "Url") -> Route[FlowDocument]:
        """Return the published flow that an address means (AF-1); `name` is the parameter's."""
        wanted = read_flow_url(url, name)
        if self.settings.is_strict and wanted.account.lower() not in ("", self.account.sid.lower()):
            raise ApiError(400, f"{name} is the address of another account's flow")
        route = await self.telephony.flows.published(self.account.sid, wanted.flow)
        if route is None:
            raise ApiError(400, f"{name}: this account has no published flow {wanted.flow[:64]!r}")
        return route

    def _order(
        self,
        request: ConnectRequest,
        caller_id: str,
        *,
        document: FlowDocument,
        route: Route[FlowDocument] | None = None,
        second: str = "",
    ) -> CallOrder:
        return CallOrder(
            account=self.account,
            destination=_destination(request.from_number, self.settings),
            caller_id=caller_id,
            second=second,
            follow=document,
            flow_sid=route.flow_sid if route else None,
            flow_version=route.flow_version if route else 0,
            ring_ms=request.ring_s * 1_000,
            call_ms=request.limit_s * 1_000,
            recording=None if second else _recording(request),
            custom_field=request.custom_field,
            callback=request.callback,
            amd=request.amd,
        )


def _destination(written: str, settings: ApiSettings) -> str:
    if written.lower().startswith(("sip:", "sips:")):
        return written
    return settings.normalised(written)


def _recording(request: ConnectRequest) -> RecordingSpec | None:
    """Return how the one party's leg is recorded; the bot is the agent, on the left (RC-2)."""
    if not request.records:
        return None
    limit_ms = request.limit_s * 1_000
    return RecordingSpec("mirrored" if request.channels == "stereo" else "mono", limit_ms)
