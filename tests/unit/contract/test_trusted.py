"""The two bases of the contract's models: what one writes the other reads, and nothing is lost between them."""

import importlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import pytest
from pydantic_core import to_jsonable_python

from narwhal_operator import contract
from narwhal_operator.contract.model import Contract
from narwhal_operator.contract.order import (
    DirectoryStore,
    DownloadOrder,
    ObjectLocation,
    OrderHead,
    S3Store,
    TranscodeOrder,
)
from narwhal_operator.contract.outcome import Reason, WorkError, WorkOutcome
from narwhal_operator.contract.report import RangeReport, WorkerReport
from narwhal_operator.contract.transcode import TranscodeOptions, TranscodeProgress
from tests.contract.manifests import SAMPLES, documents
from tests.unit.transcode.kinds import KINDS
from workers.transcode.ladder import plan
from workers.transcode.parallel.share import progress_of
from workers.transcode.plan import Plan
from workers.transcode.rendition import title

BASES: Final = {"narwhal_operator.contract.trusted", "narwhal_operator.contract.validated"}
MODULES: Final = sorted(
    {found.name for found in pkgutil.iter_modules(contract.__path__, "narwhal_operator.contract.")} - BASES
)
HEAD: Final = OrderHead(uid="u", namespace="media", name="film", attempt=2, work_digest="w", task="Plan")
S3: Final = S3Store(credentials="/narwhal/store", secret="storage")  # noqa: S106 - a name
DIRECTORY: Final = DirectoryStore(root="/srv")
MOVE: Final = {"input": {"s3": {"bucket": "media", "key": "a.mp4"}}, "output": {"bucket": "media", "prefix": "b"}}
PLACE: Final = ObjectLocation(store=S3, bucket="media", key="films/Füller.mp4")

TRUSTING: Final = """
import json, sys
from importlib import import_module
from narwhal_operator.contract import trust
trust()
"""
FIELDS: Final = (
    TRUSTING
    + """
import msgspec
from narwhal_operator.contract.model import Contract
for module in json.loads(sys.argv[1]):
    import_module(module)

def absent(field):
    made = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return "required" if made is msgspec.NODEFAULT else made

def below(kind):
    for one in kind.__subclasses__():
        yield one
        yield from below(one)

found = {}
for kind in below(Contract):
    fields = {field.encode_name: absent(field) for field in msgspec.structs.fields(kind)}
    tag = kind.__struct_config__
    found[kind.__name__] = fields | ({tag.tag_field: tag.tag} if tag.tag_field else {})
print(json.dumps(found, default=lambda one: one.wire()))
"""
)
COPIES: Final = (
    TRUSTING
    + """
for line in sys.stdin:
    module, name, text = line.split(" ", 2)
    kind = getattr(import_module(module), name)
    one = kind.from_json(text)
    assert kind.from_wire(one.wire()) == one == one.model_copy(update={})
    print(one.to_json())
"""
)
MISTAKES: Final = (
    TRUSTING
    + """
from narwhal_operator.contract.model import ValidationError, mistakes
from narwhal_operator.contract.order import parse_order
try:
    parse_order(sys.argv[1])
except ValidationError as error:
    print(*mistakes(error))
"""
)


def told(code: str, *arguments: str, given: str = "") -> str:
    """What a process that trusts prints."""
    argv = [sys.executable, "-c", code, *arguments]
    return subprocess.run(argv, input=given, capture_output=True, text=True, check=True).stdout


def below(kind: type[Contract]) -> Iterator[type[Contract]]:
    """Its subclasses, and theirs."""
    for one in kind.__subclasses__():
        yield one
        yield from below(one)


def absent(field: Any) -> Any:
    """What a field is when it is absent, as JSON."""
    made = "required" if field.is_required() else field.get_default(call_default_factory=True)
    return made.wire() if isinstance(made, Contract) else to_jsonable_python(made)


def test_both_have_the_same_fields() -> None:
    """Each model of the contract: the names in JSON, what is required, what the others are when they are absent."""
    for module in MODULES:
        importlib.import_module(module)
    validated = {
        kind.__name__: {field.alias or name: absent(field) for name, field in kind.model_fields.items()}
        for kind in below(Contract)
        if kind.__module__ in MODULES
    }
    assert len(validated) > 60
    assert json.loads(told(FIELDS, json.dumps(MODULES))) == validated


def messages() -> list[Contract]:
    """Orders of all named inputs and samples, and what workers say of them."""
    downloads = [one["spec"] for path in SAMPLES for one in documents(path) if one["kind"] == "DownloadJob"]
    found: list[Contract] = [
        DownloadOrder.model_validate({"head": HEAD, "spec": one, "destination": PLACE}) for one in downloads
    ]
    for name, info, options in KINDS:
        spec = {**MOVE, **options}
        order = {"head": HEAD, "spec": spec, "input": PLACE, "output_store": DIRECTORY, "cpus": 1.5}
        found.append(TranscodeOrder.model_validate(order))
        with suppress(WorkError):
            found += said(name, plan(info, TranscodeOptions.model_validate(options)))
    return found


def said(name: str, made: Plan) -> list[Contract]:
    """What a worker says of a plan."""
    part = RangeReport(index=1, ranges=3, before=TranscodeProgress())
    common: dict[str, Any] = {"kind": "TranscodingJob", "uid": "u", "attempt": 2, "plan": made.summary()}
    report = WorkerReport(**common, phase=name[:32], transcode=progress_of(title(made)), part=part)
    times: dict[str, Any] = {"started_at": "2026-01-02T03:04:05.678Z", "finished_at": "2026-01-02T03:04:06.000Z"}
    return [report, WorkOutcome(**common, **times, work_digest="w", reason=Reason.COMPLETED, message=name)]


def test_what_one_writes_the_other_reads_and_writes_again() -> None:
    """Nor does a number change its form, such as -16 and -16.0: names of versions are digests of such texts."""
    given = messages()
    assert {type(one).__name__ for one in given} == {"TranscodeOrder", "DownloadOrder", "WorkerReport", "WorkOutcome"}
    lines = [f"{type(one).__module__} {type(one).__name__} {one.to_json()}" for one in given]
    copies = told(COPIES, given="\n".join(lines)).splitlines()
    assert len(copies) == len(given)
    for one, copy in zip(given, copies, strict=True):
        again = type(one).from_json(one.to_json())
        assert canonical(copy) == canonical(again.to_json())
        assert type(one).from_json(copy) == one


def canonical(text: str) -> str:
    """What a digest is made of (contract/naming.py)."""
    return json.dumps(json.loads(text), sort_keys=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Input data was truncated"),
        ("{]", "JSON is malformed"),
        ("{}", "missing required field `kind`"),
        ('{"kind": "s3cret - at `x`"}', "Invalid value - at `$.kind`"),
        ('{"kind": "DownloadJob", "s3cret": 1}', "unknown field"),
        ('{"kind": "DownloadJob", "head": {"uid": 7}}', "Expected `str`, got `int` - at `$.head.uid`"),
        ('{"kind": "DownloadJob", "head": {"task": "s3cret value - at `y`"}}', "Invalid enum value - at `$.head.task`"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_without_its_value(text: str, words: str) -> None:
    """What stands in the wrong place may be a secret."""
    said = told(MISTAKES, text)
    assert words in said
    assert "s3cret" not in said or "unknown field" in words


def test_it_is_too_late_once_models_are_loaded() -> None:
    """A process has one base or the other, never some models of each."""
    with pytest.raises(RuntimeError, match="loaded already"):
        contract.trust()
    code = "import narwhal_operator.contract.model; from narwhal_operator.contract import trust; trust()"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 1
    told(TRUSTING + "import narwhal_operator.contract.model; trust()")
