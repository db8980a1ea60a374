"""What a worker loads: nothing of the S3 client's administration, and no library that it can start without."""

import subprocess
import sys


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_store_comes_without_what_only_administration_needs() -> None:
    """Neither argon2 nor a cipher nor a C compiler's parser is imported with the S3 store."""
    unused = run("import sys, workers.common.s3; print(sorted({'argon2', 'cffi', 'Crypto'} & sys.modules.keys()))")
    assert unused == "[]"


def test_what_is_left_out_refuses_to_be_used() -> None:
    """Not a wrong answer later, but a word now: the name is there, nothing can be made of it."""
    code = """
import workers.common.s3
from minio.lifecycleconfig import LifecycleConfig
try:
    LifecycleConfig([])
except RuntimeError as error:
    print(error)
"""
    assert run(code) == "this part of the S3 client is left out of workers: see workers.common.lean"


def test_a_client_that_is_loaded_already_is_left_as_it_is() -> None:
    """A program that imports minio first has all of it."""
    code = "import minio, workers.common.store; from minio.crypto import encrypt; print(len(encrypt(b'x', 'y')) > 1)"
    assert run(code) == "True"


IMPORTED = """
import dataclasses, sys
from workers.common.lean import importing
real = dataclasses.dataclass
with importing():
    import workers.common.s3
    @dataclasses.dataclass(frozen=True, slots=True)
    class Ours:
        a: int = 1
assert dataclasses.dataclass is real and dataclasses.is_dataclass(Ours)
from minio.commonconfig import CopySource, SnowballObject
from minio.datatypes import Part
from minio.deleteobjects import DeleteObject, DeleteRequest
"""


def test_a_dataclass_of_the_client_becomes_one_when_it_is_made() -> None:
    """Then it is what it would have been: its fields, those of its base, equality, no change; ours are made at once."""
    code = """
assert not dataclasses.is_dataclass(Part) and not dataclasses.is_dataclass(CopySource)
part = Part(part_number=1, etag="a")
assert part == Part(1, "a") != Part(2, "a") and dataclasses.replace(part, etag="b").etag == "b"
try:
    part.etag = "c"
except dataclasses.FrozenInstanceError:
    pass
else:
    raise SystemExit("changed")
source = CopySource(bucket_name="media", object_name="a.mp4", offset=7)
assert [one.name for one in dataclasses.fields(source)][:2] == ["bucket_name", "object_name"] and source.offset == 7
assert not dataclasses.is_dataclass(DeleteRequest)
assert DeleteRequest([DeleteObject("a")]).object_list[0].name == "a"
print("importlib.metadata" in sys.modules, sys.modules["urllib3.http2.probe"].acquire_and_get)
"""
    assert run(IMPORTED + code).startswith("False <bound method")


def test_threads_that_make_the_first_one_at_once_make_the_same() -> None:
    """A worker asks its store from several threads."""
    code = """
import threading
sys.setswitchinterval(1e-6)
start, made = threading.Barrier(16), []
def make(number):
    start.wait()
    made.append(Part(part_number=number, etag="a").part_number)
threads = [threading.Thread(target=make, args=(number,)) for number in range(16)]
[one.start() for one in threads]
[one.join() for one in threads]
print(sorted(made) == list(range(16)))
"""
    assert run(IMPORTED + code) == "True"


BEFORE_FFPROBE = "workers.common.worker, workers.transcode.run, workers.common.s3"


def loaded(modules: str, names: set[str]) -> str:
    """Those of the names that are loaded with the modules."""
    trusting = "from narwhal_operator.contract import trust; trust()"
    return run(f"{trusting}; import sys, {modules}; print(sorted({names} & sys.modules.keys()))")


def test_a_transcode_starts_without_an_http_client_and_a_logging_library() -> None:
    """FFmpeg waits for every module that is loaded before it. Pydantic is where orders are written."""
    names = {
        "pydantic",
        "pydantic_core",
        "aiohttp",
        "structlog",
        "rich",
        "prometheus_client",
        "kubernetes",
        "workers.verify.mpd",
    }
    names |= {"workers.transcode.crypt", "workers.transcode.transport"}
    assert loaded(f"{BEFORE_FFPROBE}, workers.transcode.probe, workers.transcode.work", names) == "[]"


def test_ffprobe_starts_before_what_takes_its_answer_apart_is_loaded() -> None:
    """Planner, encoder and verification are loaded beside ffprobe."""
    names = {f"workers.transcode.{name}" for name in ("command", "media", "plan", "probe", "shelf", "walk", "work")}
    assert loaded(BEFORE_FFPROBE, names | {"workers.verify"}) == "[]"
    assert loaded(f"{BEFORE_FFPROBE}, workers.transcode.work, workers.transcode.probe", names) == str(sorted(names))
