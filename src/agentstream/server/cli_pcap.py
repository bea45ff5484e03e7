"""`agentstream pcap`: what was signalled in one call, as a file for Wireshark and its like."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentstream.base.errors import CommandError
from agentstream.server.cli_common import (
    AccountOption,
    chosen_account,
    configuration,
    examples,
    opened,
    run,
)

if TYPE_CHECKING:
    from agentstream.server.explain.report import Rows

EXAMPLES = examples(
    "agentstream pcap 51e0b7c2 -o call.pcap",
    "agentstream pcap last -o - | tshark -r -",
)


def command(
    context: typer.Context,
    call_sid: Annotated[
        str, typer.Argument(help="The call's sid or how it begins; or: last; or: live.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to write it; - is standard output.")
    ],
    account: AccountOption = "",
) -> None:
    """Write the SIP messages of a call as packets, and its media where it was captured.

    Secrets are starred. What went over TLS is written as plain TCP.
    """
    from agentstream.net.pcap import pcap_file, sip_packets
    from agentstream.server.config_captures import CAPTURES_FOLDER
    from agentstream.server.explain.finding import rows_of  # slow to import: not for --help
    from agentstream.switch.captures import read_captures

    config = configuration(context)

    async def job() -> "Rows":
        async with opened(config) as store:
            owner = await chosen_account(store, account) if account else None
            return await rows_of(store, config, call_sid, owner.sid if owner else None)

    found = run(job())
    if found.signals is None:
        raise CommandError("no message is kept of this call: [sip] keep_messages and keep_days")
    messages = [message for _, message in found.signals.messages]
    packets = read_captures(config.data_dir / CAPTURES_FOLDER, found.call.sid)
    file = pcap_file([*sip_packets(messages), *packets])
    if str(output) == "-":
        sys.stdout.buffer.write(file)
        return
    try:
        output.write_bytes(file)
    except OSError as error:
        raise CommandError(f"{output}: {error.strerror}") from error
    media = f" and {len(packets)} packets of media" if packets else ""
    typer.echo(f"{output}: {len(messages)} messages{media} of {found.call.sid}")
