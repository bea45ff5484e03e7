"""The first run: an account, its key, and a flow that answers, so that a phone can call."""

import socket
from dataclasses import dataclass

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from agentstream.server.config import Config
from agentstream.server.config_sip import Listener
from agentstream.store.protocols import Store
from agentstream.store.values import NewKey

ACCOUNT_SID = "main"
NUMBER = "1000"
FLOW = """\
# Answers, speaks and hangs up. Put your bot in its place:
#   talk: {type: voicebot, url: "wss://bots.example.net/ws?sample-rate=8000", next: bye}
version: 1
name: hello
start: welcome
applets:
  welcome:
    type: greeting
    text: "Hello. This is AgentStream. Your server works. Now put your bot in my place. Goodbye."
    next: bye
  bye:
    type: hangup
"""


@dataclass(frozen=True, slots=True)
class FirstRun:
    """What was made."""

    key: NewKey
    number: str


async def prepare(store: Store, stream_limit: int) -> FirstRun | None:
    """Make what a first call needs, if there is no account yet; None when there is one."""
    if await store.accounts.list():
        return None
    account = await store.accounts.create("Main", sid=ACCOUNT_SID, stream_limit=stream_limit)
    flow = await store.flows.apply(account.sid, "hello", FLOW, publish=True)
    number = await store.numbers.assign(NUMBER, account.sid, flow.sid)
    return FirstRun(await store.accounts.create_key(account.sid, "first run"), number.number)


def show(first: FirstRun, config: Config, console: Console) -> None:
    """Print the credentials, once, and what to point where."""
    key = Table.grid(padding=(0, 2))
    key.add_row("Account sid", first.key.account_sid)
    key.add_row("API key", first.key.key)
    key.add_row("API token", first.key.token)
    console.print(Panel(key, title="Your account: the token is shown only now", expand=False))
    show_addresses(first.number, config, console)
    console.print(
        "Your own bot: write a flow (its first lines show how) and let the number ring it:\n"
        "  agentstream flows apply flow.yaml --publish\n"
        f"  agentstream numbers assign {first.number} NAME\n"
        "Without a phone: agentstream call wss://bots.example.net/ws --text 'Hello'\n"
        "Watch: agentstream calls tail     Anything wrong? agentstream check",
        highlight=False,
    )


def show_addresses(number: str, config: Config, console: Console) -> None:
    """Print where phones, trunks and programs reach this server."""
    host = config.sip.public_host or own_address()
    grid = Table.grid(padding=(0, 2))
    for listener in config.sip.listeners:
        grid.add_row("SIP", _uri(number, reachable(listener.host, host), listener))
    rtp_host = config.rtp.public_host or reachable(config.rtp.host, host)
    grid.add_row("RTP", f"{rtp_host}, UDP ports {config.rtp.port_low} to {config.rtp.port_high}")
    grid.add_row("HTTP", f"http://{_bracketed(config.http.host)}:{config.http.port}")
    console.print(Panel(grid, title="Point a SIP phone or trunk here", expand=False))


def _uri(number: str, host: str, listener: Listener) -> str:
    # RFC 7118 §5.2: "ws" names both kinds of WebSocket, and the scheme tells them apart.
    name = "ws" if listener.transport == "wss" else listener.transport
    scheme = "sips" if listener.transport == "wss" else "sip"
    transport = "" if listener.transport == "udp" else f";transport={name}"
    return f"{scheme}:{number}@{_bracketed(host)}:{listener.port}{transport}"


def reachable(bound: str, host: str) -> str:
    """Return where a listener is reached: at its own address, or at `host` if it has them all."""
    return host if bound in {"0.0.0.0", "::"} else bound  # noqa: S104  (a comparison)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def own_address() -> str:
    """Return the address of this machine that faces the world."""
    # Nothing is sent: a connected UDP socket only asks the routing table which address faces out.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
