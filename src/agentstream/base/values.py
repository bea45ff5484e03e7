"""Dataclasses for values that live calls make by the hundred: frozen for the type checker alone.

At run time a frozen dataclass sets each attribute through `object.__setattr__`, and so takes four
times as long to make (decision 0022). `mypy --strict` refuses the assignments that Python then
allows. Everything else (equality, hash, slots, patterns) is as the standard library's.
"""

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass, replace
else:

    def dataclass(cls: Any = None, /, *, frozen: bool = False, **options: Any) -> Any:  # noqa: ANN401
        """Make a dataclass; `frozen` keeps its hash."""
        if frozen and options.get("eq", True):
            options["unsafe_hash"] = True
        return dataclasses.dataclass(cls, **options)

    def replace(value: Any, /, **changes: Any) -> Any:  # noqa: ANN401
        """Return a copy with some fields changed; every field is one of the constructor's."""
        names, read = _fields(type(value))
        return type(value)(**dict(zip(names, read(value), strict=True)) | changes)


_KNOWN: dict[type, tuple[tuple[str, ...], Any]] = {}


def _fields(kind: type) -> tuple[tuple[str, ...], Any]:
    known = _KNOWN.get(kind)
    if known is None:
        names = tuple(field.name for field in dataclasses.fields(kind))
        # Of one name, attrgetter returns no tuple.
        read = attrgetter(*names) if len(names) > 1 else lambda one: (getattr(one, names[0]),)
        known = _KNOWN[kind] = names, read
    return known


__all__ = ["dataclass", "replace"]
