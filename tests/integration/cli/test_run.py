"""`narwhal run`: what a manifest asks for is made, and what cannot be is told with its own exit code."""

import hashlib
import json
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from narwhal_operator.contract.reasons import TABLE, Reason
from tests.integration.cli.shell import CLIP, Shell, download, resource, secret, transcode
from tests.support.origin import Exchange, File, Origin, status
from tests.support.processes import free_ports
from tests.support.seaweed import ACCESS_KEY, SECRET_KEY, S3Server


def test_a_film_is_fetched_and_transcoded(shell: Shell, origin: Origin, film: bytes) -> None:
    """One manifest: the TranscodingJob waits for its DownloadJob, and its master playlist plays to the last frame."""
    ran = shell.apply(transcode("bbb", of="bbb"), download("bbb", origin.url("/film.mp4")))
    assert ran.code == 0, ran.err
    assert ran.err == ""
    assert ran.reasons == {"DownloadJob/bbb": "Completed", "TranscodingJob/bbb": "Completed"}
    made = ran.outcomes["DownloadJob/bbb"]["artifact"]
    assert made["sha256"] == hashlib.sha256(film).hexdigest()
    assert (shell.store / "media" / made["key"]).read_bytes() == film
    assert [rung["name"] for rung in ran.outcomes["TranscodingJob/bbb"]["plan"]["rungs"]] == ["high", "low"]
    assert frames(shell.store / "media/vod/bbb/master.m3u8") == 50


def frames(playlist: Path) -> int:
    """The frames a player decodes of the first rung."""
    argv = ["ffmpeg", "-v", "error", "-xerror", "-nostdin", "-i", str(playlist), "-map", "0:v:0"]
    argv += ["-progress", "-", "-f", "null", "-"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    return int([line for line in done.stdout.splitlines() if line.startswith("frame=")][-1].partition("=")[2])


def test_progress_lines_name_the_work_and_how_far_it_is(shell: Shell) -> None:
    """Where there is no terminal, each line is JSON with time, kind, name, attempt and phase; the plan comes once."""
    (shell.store / "media").mkdir()
    (shell.store / "media/film.mp4").write_bytes(CLIP.read_bytes())
    with shell.start("run", "-f", shell.write(transcode("bbb", key="film.mp4")), "--store", "store") as process:
        assert process.stdout
        with shell.encoder_held():
            texts = list(iter_until('"Encoding"', process.stdout))
        lines = [json.loads(text) for text in (*texts, *process.stdout)]
    assert all({"time", "kind", "namespace", "name"} <= line.keys() for line in lines)
    phases = [line["phase"] for line in lines if "phase" in line]
    assert phases[0] == "Starting"
    assert "Encoding" in phases
    percents = [line["percent"] for line in lines if "percent" in line]
    assert percents == sorted(percents)
    assert len([line for line in lines if "plan" in line]) == 1


def iter_until(words: str, lines: Iterable[str]) -> Iterator[str]:
    """The lines up to the first with these words."""
    for line in lines:
        yield line
        if words in line:
            return


@pytest.mark.parametrize("form", ["YAML", "JSON"])
def test_a_manifest_comes_from_standard_input(shell: Shell, origin: Origin, form: str) -> None:
    """`-` is standard input, in either form."""
    document = download("bbb", origin.url("/film.mp4"))
    text = json.dumps(document) if form == "JSON" else Path(shell.home, shell.write(document)).read_text()
    ran = shell.run("run", "-f", "-", "--store", "store", "--allow-private", stdin=text)
    assert ran.reasons == {"DownloadJob/bbb": "Completed"}


def guarded_film(film: bytes, token: str) -> Any:
    def handler(exchange: Exchange) -> None:
        allowed = exchange.headers.get("authorization") == f"Bearer {token}"
        (File(film) if allowed else status("401 Unauthorized"))(exchange)

    return handler


def test_secrets_of_the_manifest_serve_its_references(shell: Shell, origin: Origin, film: bytes, s3: S3Server) -> None:
    """Store and headers come from Secrets in the stream; no output shows anything of them."""
    bucket = s3.bucket("cli-secrets")
    url = origin.serve("/guarded.mp4", guarded_film(film, "hunter2"))
    document = download("bbb", url, http={"headersFrom": {"secretRef": {"name": "origin-auth"}}})
    document["spec"]["destination"]["bucket"] = bucket
    store = secret("narwhal-storage", endpoint=s3.endpoint, accessKeyId=ACCESS_KEY, secretAccessKey=SECRET_KEY)
    manifest = shell.write(document, store, secret("origin-auth", Authorization="Bearer hunter2"))
    ran = shell.run("run", "-f", manifest, "--allow-private", NARWHAL_LOG_LEVEL="debug")
    assert ran.code == 0, ran.err
    assert s3.get(bucket, "sources/bbb") == film
    assert not any(word in ran.out + ran.err for word in (SECRET_KEY, "hunter2"))


def test_an_endpoint_on_the_command_line_takes_credentials_of_the_environment(
    shell: Shell, origin: Origin, film: bytes, s3: S3Server
) -> None:
    """`--store s3://HOST:PORT?tls=false` and the variables of AWS tools; no storageRef is needed."""
    document = download("bbb", origin.url("/film.mp4"))
    document["spec"]["destination"]["bucket"] = s3.bucket("cli-endpoint")
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    store = f"{s3.endpoint.replace('http', 's3')}?tls=false"
    ran = shell.run("run", "-f", shell.write(document), "--store", store, "--allow-private", **keys)
    assert ran.code == 0, ran.err
    assert s3.get("cli-endpoint", "sources/bbb") == film
    assert SECRET_KEY not in ran.out + ran.err


def s3_failure(shell: Shell, s3: S3Server, bucket: str, key: str, secret_key: str) -> tuple[int, str]:
    document = transcode("bbb", key=key)
    document["spec"]["input"]["s3"]["bucket"] = document["spec"]["output"]["bucket"] = bucket
    store = secret("narwhal-storage", endpoint=s3.endpoint, accessKeyId=ACCESS_KEY, secretAccessKey=secret_key)
    ran = shell.run("run", "-f", shell.write(document, store))
    assert secret_key not in ran.out + ran.err
    return ran.code, ran.err


def test_a_store_that_refuses_ends_with_its_reason(shell: Shell, s3: S3Server) -> None:
    """Wrong credentials, no such bucket, no such object: each a code of its own, at once, for somebody must mend it."""
    bucket = s3.bucket("cli-refused")
    cases = {
        Reason.STORE_ACCESS_DENIED: (bucket, "none.mp4", "hunter2hunter2"),
        Reason.BUCKET_NOT_FOUND: ("cli-no-such-bucket", "none.mp4", SECRET_KEY),
        Reason.INPUT_NOT_FOUND: (bucket, "none.mp4", SECRET_KEY),
    }
    for reason, case in cases.items():
        code, told = s3_failure(shell, s3, *case)
        assert code == TABLE[reason].code, told
        assert told.startswith(f"error: TranscodingJob/bbb: {reason.value}: ")


def test_no_store_at_all_says_both_ways_to_name_one(shell: Shell) -> None:
    """Neither --store nor a Secret: the message has both mends, and nothing was asked of the origin."""
    ran = shell.run("run", "-f", shell.write(download("bbb", "https://origin.example/x")))
    assert ran.code == TABLE[Reason.SECRET_NOT_FOUND].code
    assert "Secret narwhal-storage" in ran.err
    assert "--store DIR" in ran.err


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        pytest.param({"urls": ["/missing.mp4"]}, Reason.SOURCE_NOT_FOUND, id="404"),
        pytest.param({"checksum": {"sha256": "0" * 64}}, Reason.CHECKSUM_MISMATCH, id="checksum"),
        pytest.param({"maxBytes": 100}, Reason.SOURCE_TOO_LARGE, id="too large"),
        pytest.param({"urls": ["/page.html"]}, Reason.SOURCE_NOT_MEDIA, id="HTML"),
        pytest.param({"urls": ["/empty.mp4"]}, Reason.SOURCE_EMPTY, id="0 bytes"),
    ],
)
def test_a_source_that_cannot_be_fetched_ends_with_its_reason(
    shell: Shell, origin: Origin, spec: dict[str, Any], reason: Reason
) -> None:
    """The exit code is the reason's, one line on standard error names it, and nothing is stored."""
    origin.serve("/page.html", File(b"<!DOCTYPE html><title>Log in</title>", content_type="text/html"))
    origin.serve("/empty.mp4", File(b""))
    urls = [origin.url(path) for path in spec.pop("urls", ["/film.mp4"])]
    ran = shell.apply(download("bbb", *urls, **spec))
    assert ran.code == TABLE[reason].code, ran.err
    assert ran.err.startswith(f"error: DownloadJob/bbb: {reason.value}: ")
    assert ran.err.endswith(f" (narwhal explain {reason.value})\n")
    assert ran.err.count("\n") == 1
    assert not (shell.store / "media/sources/bbb").exists()


def test_others_go_on_when_one_fails(shell: Shell, origin: Origin) -> None:
    """What waits for the one that failed ends DependencyFailed; the rest completes; the code is the first failure's."""
    (shell.store / "media").mkdir()
    (shell.store / "media/notes.mp4").write_text("These are notes, not a film.\n" * 50)
    ran = shell.apply(
        download("gone", origin.url("/gone.mp4")),
        transcode("gone", of="gone"),
        download("bbb", origin.url("/film.mp4")),
        transcode("notes", key="notes.mp4"),
    )
    assert ran.reasons == {
        "DownloadJob/gone": "SourceNotFound",
        "TranscodingJob/gone": "DependencyFailed",
        "DownloadJob/bbb": "Completed",
        "TranscodingJob/notes": "InputNotMedia",
    }
    first = next(outcome for outcome in ran.outcomes.values() if outcome["reason"] != "Completed")
    assert ran.code == TABLE[Reason(first["reason"])].code
    assert ran.err.count("error: ") == ran.err.count("\n") == 3


def test_a_download_the_manifest_lacks_is_missing(shell: Shell) -> None:
    """No run of this manifest could ever begin it."""
    ran = shell.apply(transcode("bbb", of="nowhere"))
    assert ran.code == TABLE[Reason.DEPENDENCY_MISSING].code
    assert "no DownloadJob nowhere" in ran.err


def test_a_transcode_of_a_key_waits_for_the_download_that_makes_it(shell: Shell, origin: Origin) -> None:
    """In a cluster it would try until the object is there; here it waits."""
    ran = shell.apply(transcode("bbb", key="sources/bbb"), download("bbb", origin.url("/film.mp4")))
    assert ran.reasons == {"DownloadJob/bbb": "Completed", "TranscodingJob/bbb": "Completed"}


def test_what_is_suspended_is_said_and_not_run(shell: Shell, origin: Origin) -> None:
    """Neither the suspended job nor what waits for it runs, and that is no failure."""
    ran = shell.apply(download("bbb", origin.url("/film.mp4"), suspend=True), transcode("bbb", of="bbb"))
    assert ran.code == 0
    assert ran.outcomes == {}
    assert len(ran.notes("Suspended")) == 2
    assert origin.seen == []


def test_an_attempt_past_its_deadline_is_ended(shell: Shell, origin: Origin) -> None:
    """The deadline binds an attempt of a local run too."""
    url = origin.serve("/silent.mp4", Exchange.silence)
    ran = shell.apply(download("bbb", url, activeDeadlineSeconds=1))
    assert ran.code == TABLE[Reason.DEADLINE_EXCEEDED].code
    assert "activeDeadlineSeconds (1 s)" in ran.err


def test_what_may_pass_is_tried_again(shell: Shell) -> None:
    """Nobody listens: backoffLimit 1 makes two attempts, each pause is told, and the outcome is the last one's."""
    url = f"http://127.0.0.1:{free_ports(1)[0]}/film.mp4"
    ran = shell.apply(download("bbb", url, backoffLimit=1))
    assert ran.code == TABLE[Reason.SOURCE_UNREACHABLE].code
    assert ran.outcomes["DownloadJob/bbb"]["attempt"] == 2
    (note,) = ran.notes("Retrying")
    assert note.startswith("SourceUnreachable: ")
    assert note.endswith("(retry 1 of 1 in 1 s)")


def test_loopback_is_refused_unless_it_is_allowed(shell: Shell, origin: Origin) -> None:
    """The address policy is a cluster's; NARWHAL_ALLOWED_NETWORKS opens the networks it names and no others."""
    arguments = ("run", "-f", shell.write(download("bbb", origin.url("/film.mp4"))), "--store", "store")
    for networks in ("", "10.0.0.0/8"):
        ran = shell.run(*arguments, NARWHAL_ALLOWED_NETWORKS=networks)
        assert ran.code == TABLE[Reason.ADDRESS_FORBIDDEN].code
        assert "--allow-private" in ran.err
    assert origin.seen == []
    assert shell.run(*arguments, NARWHAL_ALLOWED_NETWORKS="10.0.0.0/8, 127.0.0.0/8").code == 0


def library(*items: tuple[str, str], at_once: int) -> dict[str, Any]:
    return resource(
        "MediaLibrary",
        "films",
        items=[{"name": name, "source": {"http": {"urls": [url]}}} for name, url in items],
        output={"bucket": "media", "prefix": "films"},
        maxConcurrentItems=at_once,
        downloadTemplate={"backoffLimit": 0},
        transcodeTemplate={"ladder": {"renditions": [{"name": "low", "height": 48}]}, "backoffLimit": 0},
    )


def test_a_library_is_worked_off_title_by_title(shell: Shell, origin: Origin) -> None:
    """Each title is fetched and transcoded, no more at once than maxConcurrentItems; one that fails stops no other."""
    film, gone = origin.url("/film.mp4"), origin.url("/gone.mp4")
    ran = shell.apply(library(("a", film), ("b", gone), ("c", film), at_once=1))
    assert ran.code == TABLE[Reason.SOURCE_NOT_FOUND].code
    ends = [f"{line['kind']}/{line['name']}" for line in ran.lines if "outcome" in line]
    kinds = ("DownloadJob", "TranscodingJob")
    assert ends == [f"{kind}/films-{title}" for title in ("a", "b", "c") for kind in kinds]
    last = ran.lines[-1]
    assert (last["kind"], last["phase"], last["counts"]) == ("MediaLibrary", "Failed", {"complete": 2, "failed": 1})
    assert frames(shell.store / "media/films/c/master.m3u8") == 50


def test_a_suspended_library_does_nothing(shell: Shell, origin: Origin) -> None:
    """The suspend of the library is that of each title."""
    document = library(("a", origin.url("/film.mp4")), at_once=1)
    document["spec"]["suspend"] = True
    ran = shell.apply(document)
    assert (ran.code, ran.outcomes) == (0, {})
    assert (ran.lines[-1]["phase"], ran.lines[-1]["counts"]) == ("Suspended", {"suspended": 1})
