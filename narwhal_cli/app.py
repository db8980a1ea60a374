"""The command line. What a command does is imported by the command, for `--help` and completion should be quick."""

import sys
from typing import Annotated, Final, Literal

import typer

from narwhal_cli.cluster.commands import register

USAGE_CODE: Final = 2

app = typer.Typer(
    name="narwhal",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Turns a video into one that plays everywhere: on this machine, with the manifests and workers of the cluster.",
)

_RUN_EPILOG: Final = """
Examples:

  narwhal run -f film.yaml --store ./media

  narwhal run -f film.yaml --store 's3://localhost:9000?tls=false'

  kubectl get dlj,tcj -o yaml | narwhal run -f - --store ./media -o json | jq .outcome

The exit code is 0 when all is complete, else the number of the reason that failed first: narwhal explain CODE.
"""


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"narwhal {version('narwhal-operator')}")
        raise typer.Exit


@app.callback()
def _root(
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(epilog=_RUN_EPILOG)
def run(
    context: typer.Context,
    file: Annotated[
        str, typer.Option("--file", "-f", metavar="FILE", help="Manifest, YAML or JSON, several documents; - is stdin.")
    ],
    store: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|s3://HOST:PORT",
            help="Where objects are, in place of every storageRef: a directory (the object bucket/key is the file"
            " DIR/bucket/key), or an S3 endpoint with ?region=NAME&tls=true|false (tls is true unless said). Plain s3://"
            " takes AWS_ENDPOINT_URL. Credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws/credentials.",
        ),
    ] = None,
    allow_private: Annotated[
        bool,
        typer.Option(
            "--allow-private",
            help="Let downloads reach private and loopback addresses. NARWHAL_ALLOWED_NETWORKS=CIDR,… or"
            " NARWHAL_ALLOWED_HOSTS=NAME,… allows some only.",
        ),
    ] = False,
    output: Annotated[
        Literal["json"] | None,
        typer.Option("--output", "-o", help="json: a line of JSON a report. The default where there is no terminal."),
    ] = None,
) -> None:
    """Run DownloadJobs, TranscodingJobs and MediaLibraries on this machine, without a cluster.

    Secrets and ConfigMaps in the manifest serve its references. Killed and run again, it goes on from what is stored.
    Temporary files go to TMPDIR (default /tmp).
    """
    from narwhal_cli import start

    try:
        code = start.run(start.Options(file, store, allow_private, output == "json"), context.obj)
    except start.UsageError as error:
        sys.stderr.write(f"error: narwhal run: {error}\n")
        code = USAGE_CODE
    raise typer.Exit(code)


@app.command()
def explain(
    reason: Annotated[
        str | None, typer.Argument(metavar="REASON", help="A reason, such as InputDamaged, or an exit code. None: all.")
    ] = None,
) -> None:
    """Tell what a reason means, what is done about it, and how to mend it."""
    from narwhal_cli.explain import UnknownReasonError
    from narwhal_cli.explain import explain as explain_reason

    try:
        explain_reason(reason)
    except UnknownReasonError as error:
        sys.stderr.write(f"error: {error}\n")
        raise typer.Exit(USAGE_CODE) from None


_VERIFY_EPILOG: Final = """
Examples:

  narwhal verify ./media/media/vod/bbb

  narwhal verify --full https://cdn.example/vod/bbb/master.m3u8

  narwhal verify --full --key film.key https://cdn.example/vod/film/master.m3u8

  narwhal verify -o json ./dash/manifest.mpd | jq '.checks[] | select(.passed | not)'

The exit code is 0 without errors (warnings and advice are none), 61 with: narwhal explain VerificationFailed.
"""


@app.command(epilog=_VERIFY_EPILOG)
def verify(  # noqa: PLR0913, PLR0917 - Typer takes a parameter for each option
    target: Annotated[
        str,
        typer.Argument(
            metavar="URL|DIR",
            help="An HLS or DASH package, by any tool: a directory with a master playlist or manifest in it, one of those"
            " files, or the http(s) URL of one.",
        ),
    ],
    full: Annotated[bool, typer.Option("--full", help="Decode every segment, not one of each rendition.")] = False,
    decode: Annotated[bool, typer.Option("--decode/--no-decode", help="Decode with FFmpeg, or nothing.")] = True,
    advice: Annotated[bool, typer.Option("--advice", help="Show advice too, not its number alone.")] = False,
    timeout: Annotated[float, typer.Option(min=1, max=86_400, help="Seconds it may take in all.")] = 900,
    key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[URI=]FILE",
            help="A key of AES-128: 16 bytes, hex or base64. With several, each with the URI that EXT-X-KEY names it by.",
        ),
    ] = None,
    output: Annotated[
        Literal["json"] | None, typer.Option("--output", "-o", help="json: the whole report as one JSON object.")
    ] = None,
) -> None:
    """Judge an HLS or DASH package: its playlists, its manifest, the bytes of every segment.

    Each finding is a line: severity, file and line, rule and where the rule comes from, what was found. The rules are in
    docs/verification.md. Nothing is written.
    """
    from narwhal_cli import verify as verifying

    extent: Literal["none", "sample", "full"] = "full" if full else "sample" if decode else "none"
    options = verifying.Options(target, extent, advice, timeout, output == "json", tuple(key or ()))
    raise typer.Exit(verifying.run(options))


_ROLLBACK_EPILOG: Final = """
Examples:

  narwhal rollback -f film.yaml --store ./media --list

  narwhal rollback -f film.yaml --store ./media --to 3f2a9c0d1b7e4f56

  kubectl get tcj/film secret/narwhal-storage -o yaml | narwhal rollback -f -
"""


@app.command(epilog=_ROLLBACK_EPILOG)
def rollback(
    file: Annotated[
        str, typer.Option("--file", "-f", metavar="FILE", help="The manifest the title was run with; - is stdin.")
    ],
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The TranscodingJob, where the manifest holds several.")
    ] = None,
    store: Annotated[
        str | None, typer.Option(metavar="DIR|s3://HOST:PORT", help="Where objects are, as of narwhal run.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="VERSION", help="The version to show again. None: the one before.")
    ] = None,
    list_only: Annotated[
        bool, typer.Option("--list", help="Only list the versions, oldest first; * is the published one.")
    ] = False,
    output: Annotated[Literal["json"] | None, typer.Option("--output", "-o", help="json: lines of JSON.")] = None,
) -> None:
    """Show an older version of a title again: its pointers are put back, word for word.

    Only a version that is whole; keepVersions says how many stay.
    """
    from narwhal_cli import rollback as rolling
    from narwhal_cli.start import UsageError

    try:
        code = rolling.run(rolling.Options(file, name, store, to, list_only, output == "json"))
    except UsageError as error:
        sys.stderr.write(f"error: narwhal rollback: {error}\n")
        code = USAGE_CODE
    raise typer.Exit(code)


register(app)
