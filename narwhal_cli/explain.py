"""`narwhal explain`: the table of reasons, for people."""

import difflib
import sys
from typing import Final

from narwhal_operator.contract.reasons import BY_CODE, TABLE, Class, Reason

_CLASSES: Final = {
    Class.SUCCESS: "done",
    Class.TERMINAL: "final: the same input ends the same way; nothing is tried again",
    Class.RETRY: "may pass: tried again after a pause, up to backoffLimit",
    Class.ELSEWHERE: "may pass: tried again after a pause, in a cluster on another node, up to backoffLimit",
    Class.USER: "needs you: in a cluster tried again meanwhile, up to backoffLimit; narwhal run ends at once",
    Class.MEMORY: "needs memory: in a cluster tried again with more, then with fewer threads; narwhal run ends at once",
    Class.DISRUPTION: "nobody's fault: in a cluster tried again, without counting",
}


class UnknownReasonError(Exception):
    """No reason of that name or number; the message names those near it."""


def explain(word: str | None) -> None:
    """Writes what a reason means, or the whole table. Raises UnknownReasonError."""
    if word is None:
        _table()
        return
    reason = _find(word)
    entry = TABLE[reason]
    sys.stdout.write(
        f"{reason.value} (exit code {entry.code})\n"
        f"  Meaning:    {entry.meaning}\n"
        f"  Class:      {entry.cls.value}: {_CLASSES[entry.cls]}\n"
        f"  How to mend: {entry.mend}\n"
    )


def _find(word: str) -> Reason:
    if word.isascii() and word.isdigit():
        if int(word) in BY_CODE:
            return BY_CODE[int(word)]
        raise UnknownReasonError(f"no reason has the exit code {word}; `narwhal explain` lists all")
    names = {reason.value.lower(): reason for reason in Reason}
    if word.lower() in names:
        return names[word.lower()]
    close = difflib.get_close_matches(word.lower(), list(names), n=3, cutoff=0.5)
    near = ", ".join(names[name].value for name in close)
    hint = f"did you mean {near}?" if near else "`narwhal explain` lists all"
    raise UnknownReasonError(f"{word!r} is no reason; {hint}")


def _table() -> None:
    if not sys.stdout.isatty():
        for reason, entry in TABLE.items():
            sys.stdout.write(f"{entry.code}\t{reason.value}\t{entry.cls.value}\t{entry.meaning}\t{entry.mend}\n")
        return
    from rich.console import Console
    from rich.table import Column, Table

    table = Table("Code", Column("Reason", no_wrap=True), "Class", "Meaning", "How to mend", box=None, pad_edge=False)
    for reason, entry in TABLE.items():
        table.add_row(str(entry.code), reason.value, entry.cls.value, entry.meaning, entry.mend)
    Console().print(table)
