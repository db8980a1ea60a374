"""`python -m narwhal_cli`, and the entry point of `narwhal` and `kubectl-narwhal`."""

import os
import sys
import traceback

# pydantic looks for plugins in the metadata of every installed package, at each start; there are none of ours.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from narwhal_cli.app import INTERNAL_CODE, app


def main() -> None:
    """Runs the command line. A bug ends in one line, with NARWHAL_LOG_LEVEL=DEBUG in its traceback too."""
    try:
        app()
    except Exception as error:  # noqa: BLE001 - the last resort before a traceback in a user's face
        if os.environ.get("NARWHAL_LOG_LEVEL", "").upper() == "DEBUG":
            traceback.print_exc()
        sys.stderr.write(
            f"error: InternalError: narwhal broke ({type(error).__name__}); please report it with the traceback that"
            " NARWHAL_LOG_LEVEL=DEBUG shows. (narwhal explain InternalError)\n"
        )
        sys.exit(INTERNAL_CODE)


if __name__ == "__main__":
    main()
