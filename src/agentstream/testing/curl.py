"""curl against a whole server, as the published scripts of the trunks API run it.

curl = Curl(api)
status, answer = await curl("POST", "/trunks", BODY)
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final

from agentstream.testing.calls_api import ACCOUNT_SID, CallsApi
from agentstream.testing.ports import HOST

DID: Final = "+918000000042"
BODY: Final = {
    "trunk_name": "voice_bot",
    "nso_code": "ANY-ANY",
    "domain_name": f"{ACCOUNT_SID.lower()}.pstn.exotel.com",
}


@dataclass
class Curl:
    """Runs curl as the scripts do: key and token in the URL, a JSON body."""

    api: CallsApi
    login: str = ""  # "key:token"; empty: the account's own

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,  # noqa: ANN401  (JSON)
        *,
        text: str = "",
        kind: str = "application/json",
    ) -> tuple[int, Any]:
        """Return the status on the wire and the answer; `text` is a body that is sent as it is."""
        key = self.api.key
        login = self.login or f"{key.key}:{key.token}"
        home = f"http://{login}@{HOST}:{self.api.port}/v2/accounts/{ACCOUNT_SID}"
        words = ["curl", "-sS", "-w", "\n%{http_code}", "--max-time", "10", "-X", method]
        if body is not None or text:
            words += ["-H", f"Content-Type: {kind}", "--data", text or json.dumps(body)]
        program = await asyncio.create_subprocess_exec(
            *words, f"{home}{path}", stdout=asyncio.subprocess.PIPE
        )
        said, _ = await program.communicate()
        assert program.returncode == 0
        answer, _, status = said.decode().rpartition("\n")
        return int(status), json.loads(answer)

    async def data(self, method: str, path: str, body: Any = None) -> Any:  # noqa: ANN401
        """Return the data of a success."""
        status, answer = await self(method, path, body)
        assert (status, answer["response"]["code"]) == (200, 200), answer
        return answer["response"]["data"]
