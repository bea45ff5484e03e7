"""Every open transaction of an endpoint: how each is found, and how many there may be."""

from agentstream.sip.client_transaction import ClientTransaction
from agentstream.sip.message import Request, Response
from agentstream.sip.server_transaction import Branch, ServerTransaction
from agentstream.sip.settings import SipSettings
from agentstream.sip.timers import WakeQueue


class Transactions:
    """The table. After each change of a transaction, `settle` it: its alarm is set, or it goes."""

    def __init__(self, settings: SipSettings, queue: WakeQueue) -> None:
        self._settings = settings
        self._queue = queue
        self._servers: dict[Branch, ServerTransaction] = {}
        self._clients: dict[tuple[str, str], ClientTransaction] = {}
        self._merging: dict[Branch, Branch] = {}
        self._per_source: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._servers) + len(self._clients)

    def server(self, key: Branch) -> ServerTransaction | None:
        """Find the server transaction of a request, an ACK or a CANCEL."""
        return self._servers.get(key)

    def servers(self) -> list[ServerTransaction]:
        """Return all server transactions, for a transport that failed."""
        return list(self._servers.values())

    def client(self, response: Response) -> ClientTransaction | None:
        """Find the client transaction that a response belongs to (RFC 3261 §17.1.3)."""
        return self._clients.get((response.top_via.branch, response.cseq.method))

    def client_by_key(self, key: tuple[str, str]) -> ClientTransaction | None:
        """Find a client transaction by its branch and method."""
        return self._clients.get(key)

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._clients

    def sent(self, request: Request) -> ClientTransaction | None:
        """Return the open transaction of ours whose request has come back to us as this one."""
        found = self._clients.get((request.top_via.branch, request.method))
        if found is None:
            return None
        ours = found.request
        is_same = (ours.call_id, ours.from_tag) == (request.call_id, request.from_tag)
        return found if is_same else None

    def clients(self) -> list[ClientTransaction]:
        """Return all client transactions, for a transport that failed."""
        return list(self._clients.values())

    def has_room(self, host: str) -> bool:
        """Tell whether one more server transaction from this source stays within the bounds."""
        settings = self._settings
        if len(self._servers) >= settings.transactions:
            return False
        return self._per_source.get(host, 0) < settings.transactions_per_source

    def is_merged(self, request: Request, key: Branch) -> bool:
        """Tell whether the same request is already here by another path (RFC 3261 §8.2.2.2)."""
        known = self._merging.get(_merge_key(request))
        return known is not None and known != key

    def add_server(self, transaction: ServerTransaction, *, is_new: bool = False) -> None:
        """Keep the transaction of a request; `is_new`: it makes a call, and may be merged."""
        request, host = transaction.request, transaction.flow.remote_host
        self._servers[transaction.key] = transaction
        if is_new:
            transaction.merge_key = _merge_key(request)
            self._merging[transaction.merge_key] = transaction.key
        self._per_source[host] = self._per_source.get(host, 0) + 1
        self._queue.watch(transaction)

    def add_client(self, transaction: ClientTransaction) -> None:
        """Keep a new request of ours."""
        self._clients[transaction.key] = transaction

    def settle(self, transaction: ServerTransaction | ClientTransaction) -> None:
        """Set the transaction's alarm, or drop it when it is over."""
        if not transaction.is_over:
            self._queue.watch(transaction)
            return
        self._queue.forget(transaction)
        if isinstance(transaction, ClientTransaction):
            self._clients.pop(transaction.key, None)
        elif self._servers.pop(transaction.key, None) is not None:
            self._release(transaction)

    def _release(self, transaction: ServerTransaction) -> None:
        if transaction.merge_key is not None:
            self._merging.pop(transaction.merge_key, None)
        host = transaction.flow.remote_host
        left = self._per_source[host] - 1
        if left:
            self._per_source[host] = left
        else:
            del self._per_source[host]


def _merge_key(request: Request) -> Branch:
    return (request.from_tag, request.call_id, str(request.cseq))
