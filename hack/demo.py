"""`make demo`: a real clip from an HTTP origin to a ladder that plays, on this machine, with nothing but loopback.

An embedded S3 server and a small origin are started; a DownloadJob and a TranscodingJob go through `narwhal run` as a
user would run them; the result is served until Ctrl-C. DEMO_EXIT=1 ends it after the result is shown. All that was started
ends with this program, however it ends.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web

from tests.support.processes import end_with_parent
from tests.support.seaweed import ACCESS_KEY, SECRET_KEY, S3Server, seaweed

ROOT: Final = Path(__file__).resolve().parent.parent
CLIP: Final = "big-buck-bunny.mp4"
BUCKET: Final = "media"
PREFIX: Final = "vod/big-buck-bunny"
PROGRAM_MISSING: Final = 62  # narwhal explain ProgramMissing
CHUNK: Final = 256 * 1024
MANIFEST: Final = """\
apiVersion: v1
kind: Secret
metadata: {{name: narwhal-storage}}
stringData: {{endpoint: "{endpoint}", accessKeyId: "{access}", secretAccessKey: "{secret}"}}
---
apiVersion: narwhal.dev/v1alpha1
kind: DownloadJob
metadata: {{name: big-buck-bunny}}
spec:
  source:
    http: {{urls: ["{origin}/{clip}"]}}
  destination: {{bucket: {bucket}, key: sources/{clip}}}
---
apiVersion: narwhal.dev/v1alpha1
kind: TranscodingJob
metadata: {{name: big-buck-bunny}}
spec:
  input:
    downloadJobRef: {{name: big-buck-bunny}}
  output: {{bucket: {bucket}, prefix: {prefix}}}
  ladder: {{preset: h264-standard}}
  packaging: {{manifests: [HLS, DASH]}}
"""


async def main() -> int:
    """Runs the demo; the exit code of `narwhal run`, 0 when its result was served to the end."""
    missing = [name for name in ("ffmpeg", "ffprobe") if shutil.which(name) is None]
    if missing:
        print(f"{' and '.join(missing)} not found. Install FFmpeg (Debian: sudo apt-get install ffmpeg) and try again.")
        return PROGRAM_MISSING
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    with tempfile.TemporaryDirectory(prefix="narwhal-demo-") as name:
        directory = Path(name)
        print("Starting an S3 server and an HTTP origin on the loopback …", flush=True)
        with seaweed(directory) as store:
            store.bucket(BUCKET)
            async with _served(_origin()) as origin, _served(_gallery(store)) as gallery:
                code = await _run(directory, store, origin, ended)
                if code == 0 and not ended.is_set():
                    _show(store, gallery)
                    if os.environ.get("DEMO_EXIT") != "1":
                        print("\nServed until Ctrl-C.", flush=True)
                        await ended.wait()
    return code


async def _run(directory: Path, store: S3Server, origin: str, ended: asyncio.Event) -> int:
    manifest = directory / "demo.yaml"
    values = {"endpoint": store.endpoint, "access": ACCESS_KEY, "secret": SECRET_KEY}
    text = MANIFEST.format(**values, origin=origin, clip=CLIP, bucket=BUCKET, prefix=PREFIX)
    manifest.touch(mode=0o600)
    manifest.write_text(text, encoding="utf-8")
    print(f"\n$ narwhal run -f {manifest.name} --allow-private\n", flush=True)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "narwhal_cli", "run", "-f", str(manifest), "--allow-private"),
        cwd=directory,
        preexec_fn=end_with_parent,
    )
    finished = asyncio.ensure_future(process.wait())
    stopped = asyncio.ensure_future(ended.wait())
    await asyncio.wait({finished, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not finished.done():
        process.terminate()
    stopped.cancel()
    return await finished


def _show(store: S3Server, gallery: str) -> None:
    """Prints the verification report, the ladder and how to play it."""
    key = next(key for key in store.keys(BUCKET, f"{PREFIX}/v/") if key.endswith("/report.json"))
    report: dict[str, Any] = json.loads(store.get(BUCKET, key))
    print(f"\nVerification: {report['segments']} segments, {report['frames']} frames of the top rung")
    for check in report["checks"]:
        word = "passed" if check["passed"] else "FAILED" if check["severity"] == "error" else check["severity"]
        print(f"  {word:<7} {check['rule']:<22} {check['source']}")
    print("\nMaster playlist:")
    master = store.get(BUCKET, f"{PREFIX}/master.m3u8").decode().splitlines()
    print("\n".join(f"  {line}" for line in master if line.startswith("#EXT-X-STREAM-INF")))
    url = f"{gallery}/{BUCKET}/{PREFIX}/master.m3u8"
    print(f"\nPlay it:\n  {url}\n  ffplay {url}\n  vlc {url}", flush=True)


def _origin() -> web.Application:
    """The clip over HTTP with ranges and validators, as a web server has it."""
    app = web.Application()
    app.router.add_static("/", ROOT / "tests" / "data")
    return app


def _gallery(store: S3Server) -> web.Application:
    """The bucket as a web server for players: no credentials, ranges, content types, every origin may read it."""
    session_key = web.AppKey("session", aiohttp.ClientSession)

    async def session(app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(auto_decompress=False) as app[session_key]:
            yield

    async def get(request: web.Request) -> web.StreamResponse:
        bucket, key = request.match_info["bucket"], request.match_info["key"]
        signed = store.client.get_presigned_url("GET", bucket, key)
        wanted = {name: request.headers[name] for name in ("Range", "If-None-Match") if name in request.headers}
        async with request.app[session_key].get(signed, headers=wanted) as found:
            kept = ("Content-Type", "Content-Length", "Content-Range", "Cache-Control", "ETag", "Accept-Ranges")
            headers = {name: found.headers[name] for name in kept if name in found.headers}
            answer = web.StreamResponse(status=found.status, headers={**headers, "Access-Control-Allow-Origin": "*"})
            await answer.prepare(request)
            if request.method != "HEAD":
                async for chunk in found.content.iter_chunked(CHUNK):
                    await answer.write(chunk)
            return answer

    app = web.Application()
    app.cleanup_ctx.append(session)
    app.router.add_get("/{bucket}/{key:.+}", get)
    return app


@asynccontextmanager
async def _served(app: web.Application) -> AsyncIterator[str]:
    """The application on a free port of the loopback: its base URL."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, shutdown_timeout=1)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
