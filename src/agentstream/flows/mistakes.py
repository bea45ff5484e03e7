"""What is wrong with values that people and servers give, one sentence for each mistake."""

import re
from collections.abc import Iterable
from typing import get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails


def sentence(error: ErrorDetails, model: type[BaseModel]) -> str:
    """Return what pydantic found wrong, in our words."""
    path = [str(part) for part in error["loc"] if part != "[key]"]  # pydantic's word for a name
    field = f"field '{'.'.join(path)}'"
    match error["type"]:
        case "missing":
            return f"{field} is missing"
        case "extra_forbidden":
            known = ", ".join(fields_around(model, error["loc"])) or "no fields"
            return f"{field} is unknown; there are {known}"
        case "value_error":
            text = error["msg"].removeprefix("Value error, ")
            return f"{field}: {text}" if error["loc"] else text
        case _:
            text = re.sub(r"^\w+ should", "must", error["msg"])
            return f"{field}: {text.replace('dictionary', 'mapping')}"


def fields_around(model: type[BaseModel], path: tuple[str | int, ...]) -> Iterable[str]:
    """Return the fields of the model, or of the model inside it, where a path ends."""
    for part in path[:-1]:
        field = model.model_fields.get(str(part))
        inner = [] if field is None else [field.annotation, *get_args(field.annotation)]
        models = [one for one in inner if isinstance(one, type) and issubclass(one, BaseModel)]
        model = models[0] if models else model
    return model.model_fields
