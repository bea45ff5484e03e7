"""What every command shares: options, the store, one-line errors, tables and JSON."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from agentstream.base.errors import AgentStreamError, CommandError, ConfigError
from agentstream.server.config import Config
from agentstream.server.config_sources import load_config
from agentstream.store.protocols import Store
from agentstream.store.values import Account

if TYPE_CHECKING:
    from agentstream.store.sql_store import SqlStore

T = TypeVar("T")
_WIDE = 160  # columns of a table that goes into a pipe

AccountOption = Annotated[
    str, typer.Option("--account", "-a", help="The account's sid; needed when there are several.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


class Commands(TyperGroup):
    """A group whose commands end with one clear line when something cannot be done.

    Exit code 2: the configuration must change. 1: this could not be done. 0: done.
    """

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  (the framework's own types)
        """Run the command."""
        try:
            return super().invoke(ctx)
        except AgentStreamError as error:
            for line in str(error).splitlines():
                sys.stderr.write(f"error: {line}\n")
            raise typer.Exit(2 if isinstance(error, ConfigError) else 1) from None


def commands(help_text: str) -> typer.Typer:
    """Return a group of commands."""
    return typer.Typer(cls=Commands, help=help_text, no_args_is_help=True, rich_markup_mode=None)


def examples(*lines: str) -> str:
    """Return the end of a help text; the sign in front keeps its lines as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def configuration(context: typer.Context) -> Config:
    """Return the configuration; --config stands before the command."""
    path: Path | None = context.find_root().params.get("config")
    return load_config(path)


def console() -> Console:
    """Return standard output; a pipe gets wide lines without colour."""
    return Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)


def run(job: Coroutine[Any, Any, T]) -> T:
    """Run a job to its end."""
    return asyncio.run(job)


@asynccontextmanager
async def opened(config: Config) -> "AsyncIterator[SqlStore]":
    """Open the store for one command."""
    from agentstream.store.sql_store import open_store  # slow to import: not for --help

    store = await open_store(config.data_dir, config.database_url, country_code=config.country_code)
    try:
        yield store
    finally:
        await store.close()


async def chosen_account(store: Store, sid: str) -> Account:
    """Return the account that is meant: the named one, or the only one."""
    if sid:
        account = await store.accounts.find(sid)
        if account is None:
            raise CommandError(f"no account {sid}")
        return account
    accounts = await store.accounts.list()
    if not accounts:
        raise CommandError("there is no account yet: `agentstream accounts create NAME`")
    if len(accounts) > 1:
        names = ", ".join(account.sid for account in accounts)
        raise CommandError(f"there are several accounts; add --account, one of {names}")
    return accounts[0]


def print_json(value: object) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_rows(
    columns: Sequence[str], rows: Iterable[Mapping[str, object]], as_json: bool, empty: str
) -> None:
    """Print rows as a table or as a JSON list; a row may hold more than the table shows."""
    found = list(rows)
    if as_json:
        print_json(found)
        return
    if not found:
        typer.echo(empty)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in found:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in columns))
    console().print(table)
