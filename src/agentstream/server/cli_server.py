"""How commands reach the server that runs on this machine, and what they say when it refuses."""

from typing import TYPE_CHECKING

from agentstream.base.errors import CommandError
from agentstream.base.ids import RandomTokens
from agentstream.server.config import Config
from agentstream.store.files import SECRET_FILE
from agentstream.store.key_hash import load_secret, operator_token

if TYPE_CHECKING:
    import httpx


def local_url(config: Config) -> str:
    """Return where the server of this configuration listens."""
    host = config.http.host
    host = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104  (a comparison)
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{config.http.port}"


def local_auth(config: Config) -> tuple[str, str]:
    """Return the operator's name and token: whoever can read the data folder may ask."""
    path = config.data_dir / SECRET_FILE
    if not path.exists():
        raise CommandError(
            f"{config.data_dir} holds no server; give --key and --token, or --config before `calls`"
        )
    return "operator", operator_token(load_secret(path, RandomTokens()))


def why(answer: "httpx.Response") -> str:
    """Return what a refusal says, once it is read."""
    try:
        return str(answer.json()["RestException"]["Message"])
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase
