"""What pydantic finds wrong, in the words of somebody who wrote a manifest. Called by `validate`, on errors only.

No sentence repeats the value that is wrong: it may be a credential that was put into the wrong field.
"""

import difflib
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

Path = tuple[str | int, ...]

_SHAPES: Final[Mapping[str, str]] = {
    "string_type": "must be a text; put it in quotes",
    "int_type": "must be a whole number, without quotes",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number, without quotes",
    "bool_type": "must be true or false, without quotes",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of names to values",
    "model_type": "must be a mapping of fields",
    "model_attributes_type": "must be a mapping of fields",
}
_BOUNDS: Final[Mapping[str, tuple[str, str]]] = {
    "greater_than_equal": ("must be at least {}", "ge"),
    "greater_than": ("must be more than {}", "gt"),
    "less_than_equal": ("must be at most {}", "le"),
    "less_than": ("must be less than {}", "lt"),
    "string_too_short": ("must have {} or more characters", "min_length"),
    "string_too_long": ("must have at most {} characters", "max_length"),
    "too_short": ("must have {} or more entries", "min_length"),
    "too_long": ("must have at most {} entries", "max_length"),
}


def sentences(error: ValidationError, model: type[BaseModel], content: Any) -> Iterator[tuple[Path, str]]:
    """Each field that is wrong, once, with a sentence that says how to mend it."""
    told: dict[Path, str] = {}
    for found in error.errors(include_url=False, include_input=False):
        path = _path(found["loc"], found["type"], content)
        sentence = _sentence(found["type"], found.get("ctx", {}), path, model) or f"is wrong: {found['msg']}"
        if path in told and found["type"] in _SHAPES and told[path] != sentence:
            sentence = f"must be a number or a text. {_description(model, path)}".rstrip()  # each member of the union
        elif path in told:
            continue
        told[path] = sentence
    yield from told.items()


def field_path(path: Sequence[str | int]) -> str:
    """A path as it is written of a manifest: `spec.items[2].name`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The known word that is nearest to one that is not known, if any is near."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def unknown(word: str, known: Iterable[str]) -> str:
    """The sentence about a field that is not known."""
    names = sorted(known)
    close = did_you_mean(word, names)
    return f"unknown field; did you mean {close}?" if close else f"unknown field; known here: {', '.join(names)}"


def _path(loc: Sequence[str | int], kind: str, content: Any) -> Path:
    """The part of pydantic's location that a manifest has; the rest names members of unions."""
    path: Path = ()
    here = content
    for part in loc:
        known = range(len(here)) if isinstance(here, list) else here if isinstance(here, dict) else ()
        if part not in known:
            return (*path, part) if kind == "missing" else path
        here = here[part]
        path = (*path, part)
    return path


def _sentence(kind: str, context: Mapping[str, Any], path: Path, model: type[BaseModel]) -> str | None:
    if kind == "extra_forbidden":
        return unknown(str(path[-1]), _fields_at(model, path[:-1]))
    if kind == "missing":
        return f"is required. {_description(model, path)}".rstrip()
    if kind == "literal_error":
        return f"must be {context['expected']}".replace("'", "")
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        return f"does not have the form it needs. {_description(model, path)}".rstrip()
    if kind in _BOUNDS:
        text, name = _BOUNDS[kind]
        bound = f"{context[name]:g}" if isinstance(context[name], float) else str(context[name])
        return text.format(bound)
    return _SHAPES.get(kind)


def _fields_at(model: type[BaseModel], path: Path) -> list[str]:
    found = _model_at(model, path)
    return [field.alias or name for name, field in found.model_fields.items()] if found else []


def _description(model: type[BaseModel], path: Path) -> str:
    parent = _model_at(model, path[:-1])
    if parent is None:
        return ""
    for name, field in parent.model_fields.items():
        if (field.alias or name) == path[-1]:
            return field.description or ""
    return ""


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model of the object at a path; None where there is none, as in a free mapping."""
    found: type[BaseModel] | None = model
    for part in path:
        if isinstance(part, int):
            continue  # the entries of a list are what the field's annotation names
        if found is None:
            return None
        fields = {field.alias or name: field.annotation for name, field in found.model_fields.items()}
        found = _model_in(fields.get(part))
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {Union, types.UnionType, Annotated, list}:
        return next((model for part in get_args(annotation) if (model := _model_in(part))), None)
    return None
