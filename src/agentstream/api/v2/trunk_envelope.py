"""The envelopes of the trunks API: one thing, a page, a batch (TR-10 to TR-14)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import JSONResponse

from agentstream.api.envelope import around
from agentstream.api.errors import ApiError
from agentstream.api.trunk_errors import trunk_failure
from agentstream.store.trunk_rules import NOT_FOUND, RuleError, refuse

Data = Mapping[str, Any]
RowT = TypeVar("RowT")
PAGE_SIZE: Final = 50  # TR-7
PAGE_LIMIT: Final = 200
_OFFSET_LIMIT: Final = 10_000_000
_PARTLY: Final = 207


def single(request: Request, data: Data, flat: Mapping[str, Any] = {}) -> JSONResponse:
    """Return one thing; `flat` stands beside the envelope's own names (TR-54)."""
    return JSONResponse({**flat, **around(request, 200, _good(data))})


def page(
    request: Request,
    path: str,
    rows: Sequence[RowT],
    shown: Callable[[RowT], Data],
    kept: Mapping[str, str] = {},
) -> JSONResponse:
    """Return a page of rows, which come newest first; `kept` stays in the links (TR-7, TR-11)."""
    size = min(_whole(request, "page_size", 1, PAGE_SIZE), PAGE_LIMIT)
    offset = _whole(request, "offset", 0, 0)

    def uri(begin: int) -> str:
        return f"{path}?{urlencode({**kept, 'offset': begin, 'page_size': size})}"

    metadata = {
        "page_size": size,
        "page": offset // size,
        "total": len(rows),
        "first_page_uri": uri(0),
        "prev_page_uri": uri(max(0, offset - size)) if offset else None,
        "next_page_uri": uri(offset + size) if offset + size < len(rows) else None,
    }
    found = [_good(shown(row)) for row in rows[offset : offset + size]]
    return JSONResponse({**around(request, 200, {}), "metadata": metadata, "response": found})


def batch(request: Request, results: Sequence[Data | ApiError | RuleError]) -> JSONResponse:
    """Return what became of each of several things; 207 when one was refused (TR-13)."""
    told = [_good(one) if isinstance(one, Mapping) else _bad(one) for one in results]
    failed = sum(isinstance(one, Exception) for one in results)
    status = _PARTLY if failed else 200
    counts = {"total": len(told), "success": len(told) - failed, "failed": failed}
    whole = {**around(request, status, {}), "metadata": counts, "response": told}
    return JSONResponse(whole, status)


def _good(data: Data) -> dict[str, Any]:
    return {"code": 200, "error_data": None, "status": "success", "data": dict(data)}


def _bad(error: ApiError | RuleError) -> dict[str, Any]:
    if isinstance(error, ApiError):
        return trunk_failure(error.status, error.message, error.number)
    return trunk_failure(404 if error.code == NOT_FOUND else 400, str(error), error.code)


def _whole(request: Request, name: str, low: int, default: int) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return default
    is_whole = text.isascii() and text.isdecimal()
    if not is_whole or not low <= int(text[:20]) <= _OFFSET_LIMIT:
        refuse(f"{name} should be in-between {low} and {_OFFSET_LIMIT}")
    return int(text)
