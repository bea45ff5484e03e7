"""A server with an account's trunk, and a road to a telephone network: what the soak calls.

From the network's address a call to DID enters a flow that connects it to the trunk; who logs in
as the trunk's user reaches the network.
"""

from pathlib import Path

from benchmarks.server import CALLS_LIMIT, HOST, HTTP_PORT, SIP_PORT, Server

from agentstream.base.ids import TrunkSid
from agentstream.store.sql_store import open_store
from agentstream.store.values import NewKey
from agentstream.testing.trunks import TrunkMaker

NETWORK_HOST = "127.0.0.2"  # whose calls come from the telephone network
PEER_HOST = "127.0.0.3"  # of the trunk
DESTINATION_PORT, NETWORK_PORT = 9_075, 9_076  # where the trunk's and the network's people answer
DID, FAR = "+918000000042", "+912240009999"
TRUNK_SID = TrunkSid("trbench0000000000000000000a1")
DOMAIN = "bench.pstn.agentstream.internal"
USER, PASSWORD = "bench", "a long and random password"  # of a server that nobody else reaches

_CONFIG = """
data_dir = "data"
country_code = "91"

[sip]
listeners = ["udp://{host}:{sip_port}"]
{sip}

[rtp]
host = "{host}"
port_low = {rtp_low}
port_high = {rtp_high}
port_rest_ms = 5000

[http]
port = {http_port}

[trunks.network]
target = "sip:{host}:{network_port}"
sources = ["{network}"]

[dial]
trunk = "network"

[limits]
calls = {calls}
streams_per_account = {calls}

[log]
level = "warning"
"""
_FLOW = """
version: 1
name: bench-trunk
start: talk
applets:
  talk:
    type: connect
    numbers: ["sip:{trunk}"]
    record: true
    recording_channels: stereo
    music_on_hold: operator_tone
"""


class TrunkServer(Server):
    """`sip` are more lines of its [sip] section."""

    def __init__(self, folder: Path, sip: str = "") -> None:
        super().__init__(folder, 0)
        self._sip = sip

    async def prepare(self) -> NewKey:
        """Make an account with a trunk and a number that leads to it."""
        store = await open_store(self.folder / "data", country_code="91")
        try:
            account = await store.accounts.create("bench")
            await store.accounts.change(account.sid, stream_limit=CALLS_LIMIT)
            document = _FLOW.format(trunk=TRUNK_SID)
            flow = await store.flows.apply(account.sid, "bench-trunk", document, publish=True)
            await store.numbers.assign(DID, account.sid, flow.sid)
            trunk = await TrunkMaker(store, account.sid, TRUNK_SID).make(DOMAIN)
            await trunk.number(DID)
            await trunk.user(USER, PASSWORD, DOMAIN)
            await trunk.destination(f"sip:{HOST}:{DESTINATION_PORT}")
            await trunk.settings({"as_options_interval": "30"})
            return await store.accounts.create_key(account.sid)
        finally:
            await store.close()

    def settings(self) -> str:
        """Return its configuration."""
        return _CONFIG.format(
            host=HOST,
            sip_port=SIP_PORT,
            http_port=HTTP_PORT,
            rtp_low=self.rtp_ports[0],
            rtp_high=self.rtp_ports[-1],
            network_port=NETWORK_PORT,
            network=NETWORK_HOST,
            calls=CALLS_LIMIT,
            sip=self._sip,
        )
