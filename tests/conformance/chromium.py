"""A headless Chromium driven by its DevTools protocol: one browser, a page for each play.

No driver in between: Debian's Chromium speaks the protocol itself, and what is needed of it (open a page, evaluate a
promise, close the page) is three commands over the WebSocket of a library that is here anyway. It is the headless shell:
the same engine, decoders and media stack without the browser's own windows, which cost more than the pages.
"""

import asyncio
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

BINARY: Final = "/usr/lib/chromium/chromium-headless-shell"
"""Where Debian has it: what is on PATH is a script, which would die alone when the test run is killed."""
START_SECONDS: Final = 60.0
CALL_SECONDS: Final = 120.0
POLL_SECONDS: Final = 0.05
LOADS: Final = 1200
"""Looks whether a page is loaded: a minute of them."""
LOADED: Final = "document.readyState == 'complete' && location.href != 'about:blank'"
MESSAGE: Final = 16 * 1024 * 1024
"""Bytes of one answer at most."""
FLAGS: Final = (
    "--remote-debugging-port=0",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    # A page that nobody looks at is slowed down otherwise.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    # Nothing goes out: no updates, no safe browsing, no metrics.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


class BrowserError(Exception):
    """What a page or the browser said was wrong."""


@dataclass(slots=True)
class Browser:
    """A running browser."""

    socket: aiohttp.ClientWebSocketResponse
    _answers: dict[int, "asyncio.Future[dict[str, Any]]"] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def evaluate(self, url: str, script: str) -> Any:
        """What a script says that is awaited in a page of its own, once loaded. Raises BrowserError when it throws."""
        target = (await self._call("Target.createTarget", {"url": url, "newWindow": True}))["targetId"]
        try:
            session = (await self._call("Target.attachToTarget", {"targetId": target, "flatten": True}))["sessionId"]
            for _ in range(LOADS):
                if await self._run(session, LOADED):
                    return await self._run(session, script)
                await asyncio.sleep(POLL_SECONDS)
            raise BrowserError(f"{url} did not load within {LOADS * POLL_SECONDS} s")
        finally:
            await self._call("Target.closeTarget", {"targetId": target})

    async def _run(self, session: str, script: str) -> Any:
        given = {"expression": script, "awaitPromise": True, "returnByValue": True}
        found = await self._call("Runtime.evaluate", given, session)
        if "exceptionDetails" in found:
            raise BrowserError(str(found["exceptionDetails"].get("exception", {}).get("description", found))[:4000])
        return found["result"].get("value")

    async def _call(self, method: str, parameters: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": parameters}
        await self.socket.send_json(message | ({"sessionId": session} if session else {}))
        try:
            return await asyncio.wait_for(answer, CALL_SECONDS)
        finally:
            del self._answers[number]

    async def listen(self) -> None:
        """Hands answers to who waits for them until the browser hangs up."""
        async for message in self.socket:
            found = json.loads(message.data)
            answer = self._answers.get(found.get("id", 0))
            if answer and not answer.done():
                if "error" in found:
                    answer.set_exception(BrowserError(found["error"]["message"]))
                else:
                    answer.set_result(found["result"])
        for answer in self._answers.values():
            answer.set_exception(BrowserError("the browser ended"))


@asynccontextmanager
async def chromium(profile: Path) -> AsyncIterator[Browser]:
    """A browser with a profile of its own, gone in the end with all its processes."""
    program = shutil.which(BINARY) or shutil.which("chromium-headless-shell")
    if program is None:
        raise BrowserError("The program chromium-headless-shell is not on PATH; run: hack/setup-machine players")
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()  # its sandbox refuses root
    log = (profile / "stderr").open("wb")
    try:
        process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "KILL", "--", program, *FLAGS, *root, f"--user-data-dir={profile}/data"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
    finally:
        log.close()
    try:
        async with aiohttp.ClientSession() as http:
            url = await asyncio.wait_for(_endpoint(profile, process), START_SECONDS)
            async with http.ws_connect(url, max_msg_size=MESSAGE) as socket:
                browser = Browser(socket)
                listening = asyncio.create_task(browser.listen())
                yield browser
                listening.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _endpoint(profile: Path, process: asyncio.subprocess.Process) -> str:
    while process.returncode is None:
        text = (profile / "stderr").read_text(errors="replace")
        if found := re.search(r"DevTools listening on (ws://\S+)", text):
            return found[1]
        await asyncio.sleep(0.05)
    raise BrowserError(f"chromium ended: {(profile / 'stderr').read_text(errors='replace')[-2000:]}")
