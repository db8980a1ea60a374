"""Every field of a schema to its bounds and beyond them: Acto's method, on the CRDs themselves.

The values come from the schema (bounds, lists of words, the bounds a message names); what no schema tells (a text that is a
bucket's name, a URL, a digest) is told by the message of its rule. A field whose rule is unknown here is an error: a new kind of text
comes with its bounds.
"""

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

Schema = dict[str, Any]
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One field, one value."""

    path: Path
    value: Any
    legal: bool

    def __str__(self) -> str:
        """For a person: the field, and the value's beginning."""
        text = repr(self.value)
        return f"{'.'.join(self.path)}={text if len(text) < 40 else text[:30] + f'... ({len(text)})'}"


@dataclass(frozen=True, slots=True)
class Texts:
    """The shortest and the longest legal text of a kind, and those that are not legal."""

    low: str
    high: str
    bad: tuple[str, ...]


NAME: Final = Texts("a", "a" * 253, ("", "A", "-a"))
KEY: Final = Texts("k", "k" * 800, ("", "/k", "k/", "a//b", "a/../b", "a\\b", "a\nb"))
URL: Final = Texts("http://a", "https://a/" + "u" * 2038, ("", "ftp://a/b", "http://a b", "http://u:p@a/"))
KINDS: Final = {
    "must be a bit rate": Texts("1k", "999999999M", ("", "999", "fast", "1G", "-1k")),
    "must be all, or language tags": Texts("en", ",".join(["en"] * 42), ("", "en, de", "e", "en;de")),
    "must be the name of a Kubernetes object": NAME,
    "must be a bucket name": Texts("aaa", "a" * 63, ("aa", "A-b", "-aa", "a_b")),
    "must not begin or end with /": KEY,
    "must be lower-case letters, digits and -": Texts("a", "a" * 32, ("", "A", "a-")),
    "must be one line without double quotes": Texts("", "t" * 128, ('"', "a\nb")),
    "must be letters, digits, . : _ or -": Texts("a", "a" * 128, ("", "a b")),
    "keyUri must be": Texts("/k", "https://a/" + "k" * 502, ("", "k", "http://a b", 'https://a/"')),
    "must be a whole pssh box": Texts(
        "AAAANHBzc2gBAAAAEHfv7MCyTQKs4zweUuL7SwAAAAEBAQEBAQEBAQEBAQEBAQEBAAAAAA==",
        "AAAMAHBzc2gA" + "A" * 4084,
        ("", "A" * 44, "AAAANHBzc2gB" + "!" * 60),
    ),
    "must be a label value": Texts("", "v" * 63, ("-", "a b")),
    "must be a quantity": Texts("0", "999999999999999", ("", "much", "-1", "1 Gi")),
    "must be a number of bytes": Texts("1", "999999999999999", ("", "0", "much", "-1")),
    "must be an http or https URL": URL,
    "must be a magnet link": Texts(
        "magnet:?xt=urn:btih:" + "a" * 40,
        "magnet:?xt=urn:btih:" + "a" * 40 + "&dn=" + "n" * 4032,
        ("", "http://a/b", "magnet:?dn=a"),
    ),
} | {
    f"must be {size} hex digits": Texts("0" * size, "f" * size, ("", "f" * (size - 1), "g" * size))
    for size in (32, 40, 64, 128)
}
DURATION: Final = re.compile(r"must be a duration from (\w+) to (\w+)")


def texts_of(schema: Schema) -> Texts:
    """The bounds of a text. Raises LookupError for a rule that is not known here."""
    messages = [rule["message"] for rule in schema.get("x-kubernetes-validations", ())]
    for message in messages:
        if (found := DURATION.match(message)) is not None:
            return Texts(found[1], found[2], ("", "1", "soon", "-1s", "99999h"))
        if message.startswith("must be a duration:"):
            return Texts("0s", "999999h", ("1", "soon", "-1s"))
        for beginning, texts in KINDS.items():
            if message.startswith(beginning):
                return texts
    if messages:
        raise LookupError(f"no bounds are known of a text that {messages[0]}")
    longest = schema["maxLength"]
    shortest = schema.get("minLength", 0)
    return Texts("x" * shortest, "x" * longest, ("",) if shortest else ())


def values(schema: Schema) -> tuple[list[Any], list[Any]]:
    """Legal values at a scalar's bounds, and values that are none."""
    if "enum" in schema:
        return list(schema["enum"]), ["Nonsense", "", 7]
    match schema.get("type"):
        case "boolean":
            return [True, False], ["yes", 1]
        case "integer" | "number":
            low, high = schema["minimum"], schema["maximum"]
            return [low, high], [low - 1, high + 1, "many"]
    texts = texts_of(schema)
    if "maxLength" not in schema:
        raise LookupError("a text without a bound")
    high = texts.high if len(texts.high) <= schema["maxLength"] else texts.high[: schema["maxLength"]]
    wrong: list[Any] = [*texts.bad, high + "9" * (schema["maxLength"] + 1 - len(high)), {"a": "map"}]
    return [texts.low, high], wrong


def steps(schema: Schema, path: Path = ()) -> Iterator[Step]:
    """A step for each bound of each field below a schema."""
    if "properties" in schema:
        for name, child in schema["properties"].items():
            yield from steps(child, (*path, name))
        yield Step((*path, "noSuchField"), 1, legal=False)
    elif schema.get("type") == "array":
        yield from steps(schema["items"], (*path, "0"))
        yield Step(path, [], legal=schema.get("minItems", 0) == 0)
        yield Step(path, "text", legal=False)
    elif "additionalProperties" in schema:
        legal, wrong = values(schema["additionalProperties"])
        yield from (Step(path, {"example.com/k": value}, legal=True) for value in legal)
        yield from (Step(path, {"example.com/k": value}, legal=False) for value in wrong)
        many = {f"example.com/k{n}": legal[0] for n in range(schema["maxProperties"] + 1)}
        yield Step(path, many, legal=False)
    else:
        legal, wrong = values(schema)
        yield from (Step(path, value, legal=True) for value in legal)
        yield from (Step(path, value, legal=False) for value in wrong)


def taken(spec: dict[str, Any], step: Step) -> dict[str, Any]:
    """The spec with the step's value in its place; what lies on the way is made."""
    made = deepcopy(spec)
    at: Any = made
    for name, following in zip(step.path, (*step.path[1:], None), strict=True):
        key: Any = int(name) if isinstance(at, list) else name
        if following is None:
            at[key] = step.value
        elif isinstance(at, list):
            at = at[key]
        else:
            at = at.setdefault(name, [{}] if following == "0" else {})
    return made
