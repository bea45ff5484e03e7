"""A table of SQL and the frozen value that a row of it becomes; their names are the same."""

from dataclasses import fields
from typing import Any

from sqlalchemy import Insert, Table, bindparam, insert

from agentstream.base.values import fields_of


class Shelf:
    """Reads by `columns`, writes by `insert` with what `row` returns."""

    def __init__(self, table: Table, value: type[Any]) -> None:
        """`value` is a dataclass."""
        names = tuple(field.name for field in fields(value))
        self.table = table
        self.value = value
        self.columns = [table.c[name] for name in names]
        self.insert: Insert = insert(table).values({name: bindparam(name) for name in names})

    def row(self, value: object) -> dict[str, Any]:
        """Return the row of a value."""
        return fields_of(value)
