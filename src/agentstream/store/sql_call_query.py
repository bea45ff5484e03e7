"""Which calls are meant, in SQL; `call_query` says the same of calls in memory."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, UnaryExpression, func, tuple_

from agentstream.store import tables
from agentstream.store.call_query import CallQuery, Place

_CALLS = tables.calls.c
_ACCOUNT_NUMBER = func.coalesce(func.nullif(_CALLS.phone_number, ""), _CALLS.to_number)


def conditions(query: CallQuery) -> list[ColumnElement[bool]]:
    """Return what a row must fulfil; the limit and the order are not among it."""
    return [*_among(query), *_in_time(query)]


def order_of(query: CallQuery) -> tuple[UnaryExpression[Any], ...]:
    """Return the wanted order."""
    columns = (_CALLS.created_at, _CALLS.sid)
    if query.order == "oldest":
        return tuple(column.asc() for column in columns)
    return tuple(column.desc() for column in columns)


def _among(query: CallQuery) -> Iterator[ColumnElement[bool]]:
    if query.account_sid is not None:
        yield _CALLS.account_sid == query.account_sid
    if query.sid_prefix:
        yield func.substr(_CALLS.sid, 1, len(query.sid_prefix)) == query.sid_prefix
    for column, wanted in (
        (_CALLS.sid, query.sids),
        (_CALLS.from_number, query.from_numbers),
        (_CALLS.to_number, query.to_numbers),
        (_ACCOUNT_NUMBER, query.account_numbers),
        (_CALLS.status, query.statuses),
        (_CALLS.direction, query.directions),
    ):
        if wanted:
            yield column.in_(wanted)


def _in_time(query: CallQuery) -> Iterator[ColumnElement[bool]]:
    if query.before is not None:
        yield _CALLS.created_at < query.before
    if query.created_from is not None:
        yield _CALLS.created_at >= query.created_from
    if query.created_until is not None:
        yield _CALLS.created_at < query.created_until
    if query.talk_from_ms is not None:
        yield _CALLS.duration_ms >= query.talk_from_ms
    if query.talk_until_ms is not None:
        yield _CALLS.duration_ms < query.talk_until_ms
    here = tuple_(_CALLS.created_at, _CALLS.sid)
    if query.older_than is not None:
        yield here < _row(query.older_than)
    if query.newer_than is not None:
        yield here > _row(query.newer_than)


def _row(place: Place) -> ColumnElement[Any]:
    return tuple_(place.created_at, place.sid, types=(_CALLS.created_at.type, _CALLS.sid.type))
