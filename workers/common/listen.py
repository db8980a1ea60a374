"""Where a worker listens from its first moment on; who connects is answered once its start, which is the shorter for it, is over."""

import socket
from threading import Timer
from typing import Final

from narwhal_operator.contract.outcome import Reason, WorkError
from workers.common.context import Context

WAITING: Final = 16
"""Connections that wait to be answered."""
ANSWERED_SECONDS: Final = 0.75
"""After which the first is answered: nobody knows of a pod so soon, and the server's modules take as long to load as a request
to the store."""


def listen(address: str, context: Context) -> int:
    """Listens on HOST:PORT and serves there in the background; the port (of `:0`, the one chosen). Raises WorkError(InternalError)."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) >= 2**16:
        raise _refused(address, "no port")
    try:
        listening = socket.create_server((host.strip("[]"), int(port)), backlog=WAITING)
    except OSError as error:
        raise _refused(address, str(error)) from error

    def answer() -> None:
        from workers.common.serve import serve

        serve(listening, context)

    timer = Timer(ANSWERED_SECONDS, answer)
    timer.daemon, timer.name = True, "serve"
    timer.start()
    return int(listening.getsockname()[1])


def _refused(address: str, why: str) -> WorkError:
    return WorkError(Reason.INTERNAL_ERROR, f"--listen {address}: {why}; give HOST:PORT of a free port.")
