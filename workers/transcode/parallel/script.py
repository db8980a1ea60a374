"""The plan that the pods of one attempt share: an object of the version, read by who does not probe the input again."""

from fractions import Fraction
from typing import Annotated, Any, Final, Self

import msgspec

from narwhal_operator.contract.order import OrderHead
from narwhal_operator.contract.outcome import MOST_RANGES, Reason, WorkError
from narwhal_operator.contract.transcode import TranscodeProgress
from workers.transcode.command.common import Range
from workers.transcode.layout import ANEW
from workers.transcode.parallel.share import Share
from workers.transcode.plan import Plan
from workers.transcode.shelf import Shelf
from workers.transcode.sniff import Sniff

PLAN: Final = "plan.json"


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """plan.json: what is made, how it is divided, how far it was then."""

    attempt: int
    plan: Plan
    seen: Sniff
    parts: Annotated[tuple[tuple[Range, ...], ...], msgspec.Meta(min_length=1, max_length=MOST_RANGES)]
    """Of the video; of the indexes of the Job 0 is the sound and all that goes with it, the next are these."""
    progress: dict[str, Any]
    """The JSON of `before`."""

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """What `to_json` made. Raises msgspec.DecodeError."""
        return msgspec.json.decode(text, type=cls, dec_hook=_value)

    def to_json(self) -> bytes:
        """All of it, fractions as texts."""
        return msgspec.json.encode(self, enc_hook=_text)

    @property
    def before(self) -> TranscodeProgress:
        """How far the whole was when it was divided."""
        return TranscodeProgress.from_wire(self.progress)

    @property
    def ranges(self) -> int:
        """Indexes of the Job."""
        return len(self.parts) + 1

    def share(self, index: int) -> Share:
        """What the pod of this index makes. Raises WorkError(InvalidOrder)."""
        if not 0 <= index < self.ranges:
            raise WorkError(Reason.INVALID_ORDER, f"Index {index} of {self.ranges} parts; the plan has changed.")
        return Share((), sound=True) if index == 0 else Share(self.parts[index - 1], sound=False)


async def write(shelf: Shelf, script: Script) -> None:
    """Stores it: from here on the next stages may begin."""
    await shelf.put(f"{shelf.layout.root}/{PLAN}", script.to_json())


async def read(shelf: Shelf, head: OrderHead) -> Script:
    """The plan of this attempt. Raises WorkError(PlanLost)."""
    text = await shelf.read(PLAN)
    if text is None:
        message = f"{shelf.layout.root}/{PLAN} is gone: the input or this program is not the one it was made with."
        raise WorkError(Reason.PLAN_LOST, message)
    try:
        script = Script.from_json(text)
    except msgspec.DecodeError as error:
        message = f"{shelf.layout.root}/{PLAN} is of another version of Narwhal: {error}."
        raise WorkError(Reason.PLAN_LOST, message) from None
    if script.attempt != head.attempt:
        message = f"{shelf.layout.root}/{PLAN} is of attempt {script.attempt}, this is attempt {head.attempt}."
        raise WorkError(Reason.PLAN_LOST, message)
    return script


def _text(value: Any) -> str:
    if isinstance(value, Fraction):
        return str(value)
    raise NotImplementedError  # what msgspec asks of a hook for a type that it does not know: it says which


def _value(kind: type, value: Any) -> Any:
    if kind is Fraction:
        return Fraction(value)
    raise NotImplementedError  # as above


async def remove(shelf: Shelf) -> None:
    """Before the version is published: it is of no use to who plays it, nor is why all was made anew."""
    await shelf.call(shelf.store.delete, shelf.bucket, [f"{shelf.layout.root}/{name}" for name in (PLAN, ANEW)])
