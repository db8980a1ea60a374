"""The packages of a session and their plays: made, transcoded and played ahead of the tests that ask for them."""

import asyncio
import json
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conformance.chromium import Browser, BrowserError, chromium
from tests.conformance.kinds import KID, RUNGS, Kind
from tests.conformance.media import media
from tests.conformance.players import libraries
from tests.conformance.site import site
from tests.integration.transcode.studio import Ended, Studio

WORKERS: Final = 2
"""Transcodes at once."""
PAGES: Final = 3
"""Plays at once."""
PLAYERS: Final = {"hls": "master.m3u8", "dash": "manifest.mpd"}
FAST_SECONDS: Final = 8
"""Titles from this length on are played at the highest rate there is."""
START_SECONDS: Final = 90


@dataclass(frozen=True, slots=True)
class Package:
    """A kind's run of the worker."""

    kind: Kind
    studio: Studio
    ended: Ended


@dataclass(slots=True)
class Stage:
    """The loop, in a thread of its own, with the browser and the web server in it."""

    base: Path
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    ready: "Future[tuple[Browser, str]]" = field(default_factory=Future)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    plays: "set[asyncio.Task[Any]]" = field(default_factory=set)
    pages: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PAGES))

    async def run(self) -> None:
        """Browser and server, until told to stop; plays under way end first."""
        profile = self.base / "chromium"
        profile.mkdir()
        try:
            async with site(self.base, libraries()) as url, chromium(profile) as browser:
                self.ready.set_result((browser, url))
                await self.stop.wait()
                await asyncio.gather(*self.plays, return_exceptions=True)
        except Exception as error:
            if self.ready.done():
                raise
            self.ready.set_exception(error)

    async def play(self, kind: Kind, player: str) -> dict[str, Any]:
        """One play of one package in a page of its own."""
        if task := asyncio.current_task():
            self.plays.add(task)
        browser, url = await asyncio.wrap_future(self.ready)
        manifest = f"{url}/packages/{kind.name}/store/media/out/{PLAYERS[player]}"
        job = {"player": player, "url": manifest, "seconds": kind.seconds, "frame": float(1 / kind.rate)}
        job |= {"start": float(kind.ahead), "transport": kind.origin > 0}
        if kind.key:
            job["keys"] = {"kid": KID, "key": kind.key}
        job |= {"frames": kind.frames if kind.pictures else 0, "rate": 4 if kind.seconds < FAST_SECONDS else 16}
        async with self.pages:
            try:
                found = await self._page(browser, url, job)
            except BrowserError:
                # Once more, in another page: what is wrong with a package is wrong again, a starved machine hardly is.
                found = await self._page(browser, url, job)
        assert isinstance(found, dict)
        return found

    async def _page(self, browser: Browser, url: str, job: dict[str, Any]) -> Any:
        if self.stop.is_set():
            raise BrowserError("the show is over")
        return await browser.evaluate(url, f"play({json.dumps(job)})")


@dataclass(slots=True)
class Show:
    """All that was asked for, by name; a test waits for its own."""

    base: Path
    stage: Stage
    pool: ThreadPoolExecutor
    _packages: "dict[str, Future[Package]]" = field(default_factory=dict)
    _plays: "dict[tuple[str, str], Future[dict[str, Any]]]" = field(default_factory=dict)

    def prepare(self, kinds: Iterable[Kind]) -> None:
        """Starts the work on kinds, in this order."""
        for kind in kinds:
            if kind.name not in self._packages:
                self._packages[kind.name] = self.pool.submit(self._make, kind)

    def package(self, kind: Kind) -> Package:
        """The package of a kind."""
        self.prepare([kind])
        return self._packages[kind.name].result()

    def played(self, kind: Kind, player: str) -> dict[str, Any]:
        """What the browser's player saw of it."""
        self.package(kind)
        return self._plays[kind.name, player].result()

    def _make(self, kind: Kind) -> Package:
        studio = Studio(self.base / kind.name)
        studio.input(kind.file).write_bytes(media(kind).read_bytes())
        packaging = {"segmentDuration": "1s", "manifests": ["HLS", "DASH"]}
        keys = None
        if kind.key:
            secret = studio.base / "keys"
            secret.mkdir()
            (secret / KID).write_text(kind.key)
            keys = str(secret)
        spec = {"ladder": RUNGS, "packaging": packaging, **kind.spec}
        ended = studio.run(studio.order(kind.file, spec=spec, keys=keys))
        if ended.result:
            for player in PLAYERS.keys() - kind.unplayed.keys():
                play = self.stage.play(kind, player)
                self._plays[kind.name, player] = asyncio.run_coroutine_threadsafe(play, self.stage.loop)
        return Package(kind, studio, ended)


def plays(kinds: Iterable[Kind]) -> list[Any]:
    """The parameters `kind` and `player` of a test: each kind with each player that can play it."""
    return [
        pytest.param(kind, player, id=f"{player}-{kind.name}")
        for kind in kinds
        for player in PLAYERS
        if player not in kind.unplayed
    ]


@contextmanager
def show(base: Path) -> Iterator[Show]:
    """A show in a directory: one browser for all of it."""
    stage = Stage(base)
    thread = threading.Thread(target=stage.loop.run_until_complete, args=(stage.run(),))
    thread.start()
    pool = ThreadPoolExecutor(WORKERS)
    try:
        stage.ready.result(START_SECONDS)
        yield Show(base, stage, pool)
    finally:
        pool.shutdown(cancel_futures=True)  # first: a transcode that ends asks for its plays
        stage.loop.call_soon_threadsafe(stage.stop.set)
        thread.join()
        stage.loop.close()
