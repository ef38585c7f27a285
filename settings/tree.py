"""Walk the configuration's types along a key path: which section stands there, and what keys it knows.

Used for messages (nearest key, example of a missing value), for the reference page and for nothing else.
"""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from settings.base import Section
from settings.errors import Path


def sections(annotation: Any) -> list[type[Section]]:
    """The sections an annotation can hold, itself or as a union, without looking into maps and lists."""
    origin = get_origin(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    if origin is Annotated:
        return sections(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [found for part in get_args(annotation) for found in sections(part)]
    return []


def items(annotation: Any) -> Any:
    """The type of a map's values or a list's items, or None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return items(get_args(annotation)[0])
    if origin is dict:
        return get_args(annotation)[1]
    if origin is list:
        return get_args(annotation)[0]
    if origin in (Union, UnionType):
        return next((found for part in get_args(annotation) if (found := items(part)) is not None), None)
    return None


def literals(annotation: Any) -> list[Any]:
    """The values of an enumeration, through unions and annotations."""
    origin = get_origin(annotation)
    if origin is Literal:
        return list(get_args(annotation))
    if origin is Annotated:
        return literals(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [value for part in get_args(annotation) for value in literals(part)]
    return []


def annotation_at(root: type[Section], path: Path) -> Any:
    """The type at a key path, or None where the path leaves the types."""
    current: Any = root
    for part in path:
        field = None
        for section in sections(current):
            field = section.model_fields.get(str(part))
            if field is not None:
                break
        current = field.annotation if field is not None else items(current)
        if current is None:
            return None
    return current


def field_at(root: type[Section], path: Path) -> Any:
    """The field a key path ends in, or None when it ends in a map's entry or outside."""
    if not path:
        return None
    for section in sections(annotation_at(root, path[:-1])):
        if str(path[-1]) in section.model_fields:
            return section.model_fields[str(path[-1])]
    return None


def places(section: type[Section], key: str, depth: int = 3) -> Iterator[str]:
    """Where below a section a key is known: `environment.inference_config.scoring_route`."""
    for name, field in section.model_fields.items():
        for inner in sections(field.annotation):
            if key in inner.model_fields:
                yield f"{name}.{key}"
            elif depth > 1:
                yield from (f"{name}.{rest}" for rest in places(inner, key, depth - 1))
