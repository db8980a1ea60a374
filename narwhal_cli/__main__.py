"""`python -m narwhal_cli`, and the entry point of `narwhal` and `kubectl-narwhal`."""

import os
import sys
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from narwhal_cli.start import Begun

# pydantic looks for plugins in the metadata of every installed package, at each start; there are none of ours.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

INTERNAL_CODE: Final = 11


def main() -> None:
    """Runs the command line. A bug ends in one line, with NARWHAL_LOG_LEVEL=DEBUG in its traceback too."""
    begun = None
    try:
        begun = _begin(sys.argv[1:])
        from narwhal_cli.app import app  # late: a worker's interpreter loads while the parser of command lines does

        app(obj=begun)
    except SystemExit as end:
        if begun:
            begun.leave()
        _leave(end.code if isinstance(end.code, int) else int(end.code is not None))
    except Exception as error:  # noqa: BLE001 - the last resort before a traceback in a user's face
        if os.environ.get("NARWHAL_LOG_LEVEL", "").upper() == "DEBUG":
            import traceback

            traceback.print_exc()
        sys.stderr.write(
            f"error: InternalError: narwhal broke ({type(error).__name__}); please report it with the traceback that"
            " NARWHAL_LOG_LEVEL=DEBUG shows. (narwhal explain InternalError)\n"
        )
        _leave(INTERNAL_CODE)


def _begin(arguments: list[str]) -> "Begun | None":
    if arguments[:1] != ["run"]:
        return None  # nothing to begin, nothing to load for it
    from narwhal_cli.start import begin

    return begin(arguments)


def _leave(code: int) -> NoReturn:
    """Ends the process at once: to take all models and modules apart first would cost a run a tenth of a second."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # nobody reads any more
            continue
    os._exit(code)


if __name__ == "__main__":
    main()
