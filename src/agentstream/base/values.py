"""Dataclasses for values that live calls make by the hundred: frozen for the type checker alone.

At run time a frozen dataclass sets each attribute through `object.__setattr__`, and so takes four
times as long to make (decision 0022). `mypy --strict` refuses the assignments that Python then
allows. Everything else (equality, hash, slots, patterns) is as the standard library's.
"""

import dataclasses
from collections.abc import Callable
from functools import cache
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
        return type(value)(**fields_of(value) | changes)


def fields_of(value: object) -> dict[str, Any]:
    """Return the fields of a dataclass; unlike with `asdict` what is in them is not copied."""
    names, read = _reader(type(value))  # type: ignore[arg-type]  # mypy: a class has no hash
    return dict(zip(names, read(value), strict=True))


@cache
def _reader(kind: type) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    names = tuple(field.name for field in dataclasses.fields(kind))
    if len(names) > 1:
        return names, attrgetter(*names)
    # Of one name, attrgetter returns no tuple; of none there is no attrgetter.
    return names, lambda value: tuple(getattr(value, name) for name in names)


__all__ = ["dataclass", "fields_of", "replace"]
