"""Presets whose platforms are on this machine: the shipped data with other hosts."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from agentstream.server.presets import SHIPPED

_URI: Final = re.compile(r'uri = "sip:(?P<user>[^@":]+@)?[^":;]+(?::\d+)?;transport=(?P<way>\w+)"')


def local_preset(
    data_dir: Path, name: str, ports: Mapping[str, int], host: str = "127.0.0.1"
) -> None:
    """Let DATA_DIR/presets have a platform whose destinations are ports here, by transport.

    A destination whose transport has no port leads to one where nobody listens.
    """
    folder = data_dir / "presets"
    folder.mkdir(parents=True, exist_ok=True)
    text = (SHIPPED / f"{name}.toml").read_text(encoding="utf-8")

    def here(found: re.Match[str]) -> str:
        way = found["way"]
        port = ports.get(way, 9)  # RFC 863: nobody listens to discard
        return f'uri = "sip:{found["user"] or ""}{host}:{port};transport={way}"'

    (folder / f"{name}.toml").write_text(_URI.sub(here, text), encoding="utf-8")
