"""The commands at a cluster, as typer has them. What they do is imported when one of them runs."""

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

if TYPE_CHECKING:
    from narwhal_cli.cluster.link import Link
    from narwhal_cli.cluster.names import Target

USAGE_CODE: Final = 2
_INTERRUPTED: Final = 130
_PANEL: Final = "At a cluster"

Context = Annotated[str | None, typer.Option("--context", metavar="NAME", help="Context of the kubeconfig.")]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", metavar="NAME", help="None: that of the context.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="All namespaces.")]
Output = Annotated[Literal["json"] | None, typer.Option("--output", "-o", help="json: for programs.")]
Name = Annotated[
    str, typer.Argument(metavar="KIND/NAME", help="Such as tcj/film, dlj/film, mlib/films; film is tcj/film.")
]

Do = Callable[["Link"], Awaitable[Any]]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (top, watch, suspend, resume, retry, cancel, logs):
        app.command(rich_help_panel=_PANEL)(command)


def top(
    context: Context = None,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    finished: Annotated[bool, typer.Option("--finished", help="Show what has ended too.")] = False,
    output: Output = None,
) -> None:
    """Show what runs, what waits and why, how fast and how long still."""

    async def do(link: "Link") -> int:
        from datetime import UTC, datetime

        from narwhal_cli.cluster.board import show
        from narwhal_cli.cluster.follow import rows_of
        from narwhal_cli.cluster.rows import active

        rows = await rows_of(link, None)
        shown = rows if finished else active(rows)
        show(shown, datetime.now(UTC), everywhere=link.everywhere, as_json=output == "json")
        return 0

    _at_cluster(context, namespace, do, everywhere=everywhere)


def watch(
    name: Annotated[str | None, typer.Argument(metavar="[KIND/NAME]", help="None: all there is.")] = None,
    context: Context = None,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    output: Output = None,
) -> None:
    """Show it live until it has ended: a table with bars, and where there is no terminal a line for each change.

    The exit code of one resource is 0 once it is Complete, else the number of the reason: narwhal explain CODE.
    """

    async def do(link: "Link") -> int:
        from narwhal_cli.cluster import follow

        return await follow.watch(link, _target(name) if name else None, as_json=output == "json")

    _at_cluster(context, namespace, do, everywhere=everywhere and name is None)


def suspend(name: Name, context: Context = None, namespace: Namespace = None) -> None:
    """Stop work that runs or waits; what is finished is kept (sets spec.suspend)."""
    _act("suspend", name, context, namespace)


def resume(name: Name, context: Context = None, namespace: Namespace = None) -> None:
    """Let suspended work go on (clears spec.suspend)."""
    _act("resume", name, context, namespace)


def retry(name: Name, context: Context = None, namespace: Namespace = None) -> None:
    """Try a failure again, with all tries of backoffLimit; of a MediaLibrary, the titles that failed.

    An annotation, not the spec: GitOps tools leave it alone. What is finished in the store is kept.
    """
    _act("retry", name, context, namespace)


def cancel(name: Name, context: Context = None, namespace: Namespace = None) -> None:
    """Delete work that has not ended: its worker stops, unfinished objects are swept, published ones stay."""
    _act("cancel", name, context, namespace)


def logs(
    name: Name,
    context: Context = None,
    namespace: Namespace = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as the worker does.")] = False,
    tail: Annotated[int | None, typer.Option(min=0, max=1_000_000, help="Last lines only.")] = None,
) -> None:
    """Print the log of its newest worker pod."""

    async def do(link: "Link") -> int:
        from narwhal_cli.cluster.logs import logs as write

        await write(link, _target(name), follow=follow, tail=tail)
        return 0

    _at_cluster(context, namespace, do)


def _act(verb: str, name: str, context: str | None, namespace: str | None) -> None:
    async def do(link: "Link") -> int:
        from narwhal_cli.cluster import acts

        told = await getattr(acts, verb)(link, _target(name))
        sys.stdout.write(f"{told}\n")
        return 0

    _at_cluster(context, namespace, do)


def _target(name: str) -> "Target":
    from narwhal_cli.cluster.names import target_of

    return target_of(name)


def _at_cluster(context: str | None, namespace: str | None, do: Do, *, everywhere: bool = False) -> None:
    """Does it at the cluster of the kubeconfig, and ends with its exit code."""
    import asyncio

    from narwhal_cli.cluster.link import Where, linked
    from narwhal_cli.cluster.names import ClusterError, UsageError
    from narwhal_operator.contract.reasons import TABLE

    async def run() -> int:
        async with linked(Where(context, namespace, everywhere)) as link:
            return int(await do(link))

    try:
        code = asyncio.run(run())
    except UsageError as error:
        sys.stderr.write(f"error: {error}\n")
        code = USAGE_CODE
    except ClusterError as error:
        sys.stderr.write(f"{error.line()}\n")
        code = TABLE[error.reason].code
    except KeyboardInterrupt:
        code = _INTERRUPTED
    raise typer.Exit(code)
