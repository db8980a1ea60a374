"""When programs were started, as the kernel tells it (its process connector, linux/cn_proc.h)."""

import os
import socket
import struct
from typing import Final

CONNECTOR: Final = 11  # NETLINK_CONNECTOR; Python has no name for it
PROC: Final = 1  # CN_IDX_PROC, CN_VAL_PROC
LISTEN: Final = 1  # PROC_CN_MCAST_LISTEN
EXEC: Final = 0x2  # PROC_EVENT_EXEC
DONE: Final = 3  # NLMSG_DONE
HEADER: Final = struct.Struct("=IHHIIIIIIHH")  # nlmsghdr, cn_msg
EVENT: Final = struct.Struct("=IIQII")  # what, CPU, nanoseconds of the monotonic clock, pid, thread group
BUFFER: Final = 8 * 2**20


class Starts:
    """The last exec of each process since this listens: seconds of the monotonic clock by pid. Needs root.

    What proc(5) calls the start of a process is its fork. A container's first process is forked as `runc init`, which becomes
    the program some 0.07 s later; a program of a worker becomes it within 0.01 s.
    """

    def __init__(self) -> None:
        self._at: dict[int, float] = {}
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, CONNECTOR)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._socket.bind((0, PROC))
        length = HEADER.size + 4
        self._socket.send(
            HEADER.pack(length, DONE, 0, 0, os.getpid(), PROC, PROC, 0, 0, 4, 0) + struct.pack("=I", LISTEN)
        )

    def close(self) -> None:
        """Listens no more."""
        self._socket.close()

    def at(self) -> dict[int, float]:
        """All that were told of until now. OSError (ENOBUFS) where more came than could wait: then some are not known."""
        while True:
            try:
                told = self._socket.recv(4096, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return self._at
            what, _, nanoseconds, _, group = EVENT.unpack_from(told, HEADER.size)
            if what == EXEC:
                self._at[group] = nanoseconds / 1e9
