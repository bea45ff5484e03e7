"""Events of legs, and actions on them, over one WebSocket that the customer opens (LD-9).

GET /v2/accounts/{sid}/events    ?leg_sid= &bridge_sid= &event_name= &since= (Upgrade: websocket)

we say    {"type":"event","event":{...}}
          {"type":"result","id":...,"http_code":...,"response":{...}}
they say  {"type":"action","id":...,"leg_sid":...,"exoml":...}, or "action" and "body" for exoml
          {"type":"ack","event_sid":...}    which needs no answer
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from agentstream.api.auth import Caller, account_for, authenticated, count_wish, doors
from agentstream.api.envelope import around, enveloped_error, failure, success
from agentstream.api.errors import ApiError
from agentstream.api.forms import Form, form_of
from agentstream.api.v2.json_body import BODY_LIMIT, json_object
from agentstream.api.v2.leg_actions import action_of, answered, exoml_of
from agentstream.api.v2.leg_doors import LegDoor
from agentstream.api.v2.leg_found import leg_door, leg_of
from agentstream.api.v2.leg_request import MISSING
from agentstream.base.errors import BusyError, CommandError
from agentstream.base.ids import LegSid, RandomTokens
from agentstream.store.audit import Change
from agentstream.store.legs import LegEventRow
from agentstream.store.values import Account

router = APIRouter()
QUEUE_LIMIT: Final = 1_000  # events that a socket may be behind; then it is closed, loudly
SOCKETS_LIMIT: Final = 256  # of all accounts
SEQUENCE_LIMIT: Final = 1_000_000_000
_BAD_DATA, _TOO_BIG, _TRY_LATER = 1003, 1009, 1013  # RFC 6455 section 7.4.1, and IANA's 1013
_TOKENS: Final = RandomTokens()
_log = structlog.get_logger("leg_socket")


@dataclass(frozen=True, slots=True)
class Wish:
    """Which events somebody wants; "" is every one."""

    leg_sid: LegSid
    event_name: str
    since: int | None  # what was told after that number is told first
    bridge_sid: str = ""

    def means(self, row: LegEventRow) -> bool:
        """Whether an event is wanted.

        What a leg tells of its bridge is told twice, by the leg's number and by the bridge's: the
        second is for whoever asks for the bridge.
        """
        if self.bridge_sid:
            is_of_it = row.bridge_sid == self.bridge_sid
        else:
            is_of_it = not row.bridge_sid or row.type == "bridge_lifecycle_event"
        return is_of_it and self.leg_sid in ("", row.leg_sid) and self.event_name in ("", row.name)


def read_wish(query: Form) -> Wish:
    """Return what the query asks for; ApiError 400."""
    wish = Wish(
        LegSid(query.text("leg_sid", 64)),
        query.text("event_name", 64),
        query.whole("since", 0, SEQUENCE_LIMIT),
        query.text("bridge_sid", 64),
    )
    if wish.since is not None and not wish.leg_sid:
        raise ApiError(400, "since counts the events of one leg: give leg_sid too")
    return wish


@router.websocket("/v2/accounts/{account_sid}/events")
async def events(socket: WebSocket, account_sid: str) -> None:
    """Tell the events of an account's legs, and let legs be steered."""
    try:
        asker = await authenticated(socket)
        account = await account_for(socket, asker, account_sid, "legs")
        door = leg_door(socket)
        wish = read_wish(form_of(socket.query_params.multi_items()))
        if wish.since is not None:
            await leg_of(account, door, wish.leg_sid)
        _check_room(door)
    except ApiError as error:
        refusal = enveloped_error(socket, error.status, error.message, error.number, error.headers)
        await socket.send_denial_response(refusal)
        return
    await socket.accept()
    await _Session(socket, asker, account, door, wish).run()


def _check_room(door: LegDoor) -> None:
    if door.events.listeners >= SOCKETS_LIMIT:
        raise ApiError(429, f"{SOCKETS_LIMIT} sockets listen already")


class _Session:
    """One open socket: a task that tells, and the reading of what they say."""

    def __init__(
        self, socket: WebSocket, asker: Caller, account: Account, door: LegDoor, wish: Wish
    ) -> None:
        self._socket = socket
        self._asker = asker
        self._account = account
        self._door = door
        self._wish = wish
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue(QUEUE_LIMIT + 1)
        self._is_behind = False
        # What happens while the history is told, where it is: it comes behind that.
        self._held: list[LegEventRow] | None = None if wish.since is None else []
        self._told = wish.since or 0  # the last number of the leg that `since` counts

    async def run(self) -> None:
        """Serve until either side closes."""
        leave = self._door.events.listen(self._account.sid, self._hear)
        try:
            await self._catch_up()
            async with asyncio.TaskGroup() as tasks:
                telling = tasks.create_task(self._tell(), name="leg socket")
                try:
                    await self._read()
                finally:
                    telling.cancel()
        except* WebSocketDisconnect:
            pass
        finally:
            leave()

    async def _catch_up(self) -> None:
        """Tell what was told before, of the leg that is asked for."""
        wish, history = self._wish, self._door.history
        if self._held is None:
            return
        while rows := await history.events(wish.leg_sid, wish.event_name, self._told):
            for row in rows:
                await self._socket.send_text(_event(row))
            self._told = rows[-1].sequence
        held, self._held = self._held, None
        for row in held:
            self._hear(row)

    def _hear(self, row: LegEventRow) -> None:
        if not self._wish.means(row) or self._is_behind:
            return
        if self._held is not None:
            self._held.append(row)
            return
        if self._wish.since is not None:
            if row.sequence <= self._told:
                return
            self._told = row.sequence
        self._say(_event(row))

    def _say(self, text: str) -> None:
        if self._waiting.qsize() >= QUEUE_LIMIT:
            self._is_behind = True
            self._waiting.put_nowait(None)
        else:
            self._waiting.put_nowait(text)

    async def _tell(self) -> None:
        while (text := await self._waiting.get()) is not None:
            await self._socket.send_text(text)
        _log.warning("leg_socket_behind", account_sid=self._account.sid, waiting=QUEUE_LIMIT)
        await self._socket.close(_TRY_LATER, f"more than {QUEUE_LIMIT} events wait")

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is None:
                await self._socket.close(_BAD_DATA, "text frames with a JSON object, please")
                return
            if len(text) > BODY_LIMIT:
                await self._socket.close(_TOO_BIG, f"more than {BODY_LIMIT} characters")
                return
            await self._take(text)

    async def _take(self, text: str) -> None:
        said: dict[str, Any] = {}
        try:
            said = json_object(text)
            if said.get("type") == "ack":
                return
            status, response = 202, await self._act(said)
        except ApiError as error:
            status, response = (
                error.status,
                failure(self._socket, error.status, error.message, error.number),
            )
        except BusyError as error:
            status, response = 429, failure(self._socket, 429, str(error))
        except CommandError as error:
            status, response = 409, failure(self._socket, 409, str(error))
        self._write_down(said, status)
        name = said.get("id")
        self._say(
            json.dumps(
                {
                    "type": "result",
                    "id": name if isinstance(name, str | int) else None,
                    **around(self._socket, status, response),
                }
            )
        )

    async def _act(self, said: dict[str, Any]) -> dict[str, Any]:
        if said.get("type") != "action":
            raise ApiError(400, "type is action or ack")
        leg_sid, action, body = said.get("leg_sid"), said.get("action"), said.get("body", {})
        self._asker.check_may_change()
        count_wish(self._socket, self._asker, self._account, "legs")  # LG-13
        if not isinstance(leg_sid, str):
            raise ApiError(400, "leg_sid is missing", number=MISSING)
        if not isinstance(body, dict):
            raise ApiError(400, "body is the JSON object of the action")
        if isinstance(action, str):
            act = await action_of(self._account, self._door, leg_sid, action, body)
        else:
            act = await exoml_of(self._account, self._door, leg_sid, said)
        await self._door.steering.act(act)
        data = answered(self._account, act, doors(self._socket).clock.wall())
        return success(202, {"data": data})

    def _write_down(self, said: dict[str, Any], status: int) -> None:
        """Let the audit log know who steered which leg, as it does of requests."""
        house = doors(self._socket)
        if house.audit is None or said.get("type") != "action":
            return
        house.audit(
            Change(
                sid=_TOKENS.hex(16),
                at=house.clock.wall(),
                account_sid=self._account.sid,
                who=self._asker.who,
                what=f"SOCKET {quote(self._socket.scope['path'])}",
                outcome=str(status),
                about=f"leg {quote(str(said.get('leg_sid'))[:64])}",
            )
        )


def _event(row: LegEventRow) -> str:
    return f'{{"type":"event","event":{row.body}}}'  # LD-7: the same bytes as everywhere
