"""Commands on recordings: look, take one out, delete; the server may run meanwhile, or not."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentstream.base.clock import SystemClock
from agentstream.base.errors import CommandError
from agentstream.base.ids import CallSid, RecordingSid
from agentstream.calls.commands import AudioKind
from agentstream.server.cli_audit import note
from agentstream.server.cli_common import (
    AccountOption,
    JsonOption,
    chosen_account,
    commands,
    configuration,
    examples,
    opened,
    print_rows,
    run,
)
from agentstream.server.config import Config
from agentstream.store.protocols import RecordingQuery
from agentstream.store.recording_storage import is_sid
from agentstream.store.values import Recording

if TYPE_CHECKING:
    from agentstream.server.recordings import Recordings
    from agentstream.store.sql_store import SqlStore

recordings = commands("What calls recorded.")
SidArgument = Annotated[str, typer.Argument(help="The recording's sid.")]


@recordings.command(
    "list",
    epilog=examples(
        "agentstream recordings list",
        "agentstream recordings list --call 51e0b7c2d9f84a1bb6c3d2e1f0a9b8c7 --json",
    ),
)
def list_recordings(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 20,
    call: Annotated[str, typer.Option(help="Only those of this call.")] = "",
    account: AccountOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show recordings, newest first, with their links."""

    async def job() -> list[dict[str, object]]:
        async with _open(configuration(context)) as (store, kept):
            owner = await chosen_account(store, account) if account else None
            query = RecordingQuery(
                owner.sid if owner else None, CallSid(call) if call else None, limit=limit
            )
            return [
                {**asdict(row), "url": kept.shelf.url_for(row.sid)}
                for row in await store.recordings.list(query)
            ]

    rows = [
        {
            **row,
            "began": f"{row['created_at']:%Y-%m-%d %H:%M:%S}",
            "length": f"{int(str(row['duration_ms'])) / 1000:.1f} s",
            "where": row["path"],
        }
        for row in run(job())
    ]
    columns = "began length state channels storage sid call_sid error"
    print_rows(columns.split(), rows, as_json, "nothing was recorded yet")


@recordings.command(
    "get",
    epilog=examples(
        "agentstream recordings get 51e0b7c2d9f84a1bb6c3d2e1f0a9b8c7 --output call.wav",
        "agentstream recordings get 51e0b7c2d9f84a1bb6c3d2e1f0a9b8c7 --mp3 > call.mp3",
    ),
)
def get_recording(
    context: typer.Context,
    sid: SidArgument,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file.")] = None,
    as_mp3: Annotated[bool, typer.Option("--mp3", help="As MP3, not WAV.")] = False,
) -> None:
    """Take a recording out, decrypted; to standard output if no file is named."""
    kind: AudioKind = "mp3" if as_mp3 else "wav"
    if output is None and sys.stdout.isatty():
        raise CommandError("this is sound: add --output FILE")

    async def job() -> None:
        async with _open(configuration(context)) as (store, kept):
            row = await _known(store, sid)
            found = await kept.shelf.open(row, kind) if row.state != "deleted" else None
            if found is None:
                raise CommandError(f"recording {sid} is {row.state}, and its file is not here")
            file = sys.stdout.buffer if output is None else output.open("wb")
            try:
                async for piece in found.read(0, found.size):
                    file.write(piece)
            finally:
                found.close()
                if output is not None:
                    file.close()

    run(job())
    if output is not None:
        typer.echo(f"{output}: {output.stat().st_size} bytes")


@recordings.command(
    "delete", epilog=examples("agentstream recordings delete 51e0b7c2d9f84a1bb6c3d2e1f0a9b8c7")
)
def delete_recording(context: typer.Context, sid: SidArgument) -> None:
    """Delete a recording's sound wherever it is; its row stays."""

    async def job() -> None:
        async with _open(configuration(context)) as (store, kept):
            row = await _known(store, sid)
            await kept.keeper.delete(row)
            await note(store, f"recordings delete {sid}", row.account_sid)

    run(job())
    typer.echo(f"recording {sid} is deleted")


@recordings.command(
    "prune",
    epilog=examples("agentstream recordings prune", "agentstream recordings prune --keep-days 30"),
)
def prune(
    context: typer.Context,
    keep_days: Annotated[
        int | None, typer.Option(min=1, help="Instead of recordings.keep_days.")
    ] = None,
) -> None:
    """Delete the recordings whose time is over."""
    config = configuration(context)
    days = config.recordings.keep_days if keep_days is None else keep_days
    if not days:
        raise CommandError("recordings are kept for ever: set recordings.keep_days or --keep-days")

    async def job() -> int:
        async with _open(config) as (store, kept):
            count = await kept.keeper.prune(days)
            await note(store, f"recordings prune --keep-days {days}", about=f"{count} of them")
            return count

    typer.echo(f"{run(job())} recordings deleted, older than {days} days")


@asynccontextmanager
async def _open(config: Config) -> AsyncIterator[tuple["SqlStore", "Recordings"]]:
    from agentstream.server.recordings import Recordings  # slow to import: not for --help

    async with opened(config) as store:
        kept = Recordings(config, store, SystemClock())
        try:
            yield store, kept
        finally:
            await kept.stop()


async def _known(store: "SqlStore", sid: str) -> Recording:
    row = await store.recordings.find(RecordingSid(sid)) if is_sid(sid) else None
    if row is None:
        raise CommandError(f"no recording {sid}")
    return row
