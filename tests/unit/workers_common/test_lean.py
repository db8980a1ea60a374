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
