"""What is around the decisions: settings, logs, the health pages."""

import json
import logging

import aiohttp
import pytest
import structlog
from pydantic import ValidationError

from narwhal_operator import health, logs
from narwhal_operator.settings import Settings
from tests.support.processes import free_ports


def test_settings_have_defaults_and_make_a_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are comma-separated, resources are JSON, as the chart writes them."""
    monkeypatch.setenv("NARWHAL_ALLOWED_NETWORKS", "10.0.0.0/8, fd00::/8")
    monkeypatch.setenv("NARWHAL_NAMESPACES", "media,films")
    monkeypatch.setenv("NARWHAL_DOWNLOAD_RESOURCES", '{"limits": {"memory": "1Gi"}}')
    settings = Settings()
    policy = settings.policy()
    assert settings.namespaces == ("media", "films")
    assert policy.sources.allowed_networks == ("10.0.0.0/8", "fd00::/8")
    assert policy.download.resources.wire() == {"limits": {"memory": "1Gi"}}
    assert policy.storage_secret == "narwhal-storage"  # noqa: S105 - the name of a Secret


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NARWHAL_ALLOWED_NETWORKS", "10.0.0.1/8"),
        ("NARWHAL_CONCURRENCY", "0"),
        ("NARWHAL_TRANSCODE_RESOURCES", '{"limit": {}}'),
        ("NARWHAL_LOG_LEVEL", "loud"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Not at the first resource that meets it."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError):
        Settings()


def test_every_setting_says_what_it_is() -> None:
    """Nobody guesses a unit."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


async def test_the_pages_tell_of_readiness_and_of_a_stuck_pass() -> None:
    """/readyz after the first list; /healthz while no pass is stuck; /metrics with bounded labels."""
    state: dict[str, float] = {"ready": 0, "longest": 0}
    wrong: list[str] = []
    (port,) = free_ports(1)
    async with (
        health.serve("127.0.0.1", port, lambda: bool(state["ready"]), lambda: state["longest"], lambda: "".join(wrong)),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):

        async def code(path: str) -> int:
            async with session.get(path) as answer:
                return answer.status

        assert (await code("/readyz"), await code("/healthz")) == (503, 200)
        state |= {"ready": 1, "longest": health.STUCK}
        assert (await code("/readyz"), await code("/healthz")) == (200, 503)
        async with session.get("/metrics") as answer:
            text = await answer.text()
        assert "process_resident_memory_bytes" in text
        assert "narwhal_queue_depth" in text


def test_all_lines_are_json_and_tracebacks_show_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    """Ours and those of other libraries go through one formatter."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    secret = "hunter2"  # noqa: S105 - what must not be printed
    try:
        logs.configure("INFO", "json")
        structlog.get_logger("ours").info("acted", key="DownloadJob media/bbb")
        try:
            int(secret[:0])
        except ValueError:
            logging.getLogger("theirs").exception("broke")
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
        structlog.reset_defaults()
    ours, theirs = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (ours["event"], ours["level"], ours["key"]) == ("acted", "info", "DownloadJob media/bbb")
    assert "ValueError: invalid literal" in theirs["exception"]
    assert secret not in str(theirs)
