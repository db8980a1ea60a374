"""What a rendition is made of, as a digest: equal ones are the same picture or sound in the same segments. Pure.

All of the plan counts but what is known not to matter, so that whatever a plan will have more makes other renditions.
Not in it: how a rung is scaled from others, which gives other bytes for the same picture.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from narwhal_operator.contract.naming import digest_of
from narwhal_operator.contract.transcode import TranscodeOptions
from workers.transcode import recipe
from workers.transcode.media import About
from workers.transcode.plan import Plan
from workers.transcode.rendition import Rendition, Title

if TYPE_CHECKING:
    from workers.transcode.crypt import Key

Film = Mapping[str, Any]
"""What all renditions of a version are made of: the input, the engine, what encrypts them, and for pictures the watermark."""


def film(
    source: Any, engine: str, options: TranscodeOptions, keys: "Sequence[Key]", image: Sequence[Any] | None
) -> Film:
    """Of an input by its identity, the versions of the engine, keys, and the watermark's image by its identity."""
    encryption = options.packaging.encryption
    return {
        "input": source,
        "engine": recipe.engine(engine),
        "format": options.packaging.segment_format,
        "encryption": [encryption.wire(), [key.identity for key in keys]] if encryption else None,
        "watermark": [options.watermark.wire(), *image] if options.watermark and image else None,
    }


def known(found: Film) -> bool:
    """Whether the input is one that can be told from another under its name: by a digest, or by an ETag that is there."""
    source = found["input"]
    return bool(source[0]) if isinstance(source, list) else bool(source)


def sealed_by(found: Film) -> str:
    """What IVs are derived from: that of other versions whose renditions this one may take."""
    return digest_of({name: value for name, value in found.items() if name != "watermark"})


def identities(title: Title, found: Film) -> dict[str, str]:
    """The digest of each rendition, by its path."""
    return {one.path: _identity(title.plan, one, found) for one in title.renditions}


def _identity(plan: Plan, one: Rendition, found: Film) -> str:
    about: dict[str, Any] = msgspec.to_builtins(_bare(plan, one), enc_hook=str)  # of a Fraction
    about.pop("info")  # said by the input's identity; it has the input's name, too
    given = found if one.rung else {**found, "watermark": None}
    return digest_of({"path": one.path, "plan": about, "film": dict(given)}, 32)


def _bare(plan: Plan, one: Rendition) -> Plan:
    """The plan as if this rendition were its only one."""
    mark = replace(plan.watermark, path="") if plan.watermark and one.rung else None
    return replace(
        plan,
        rungs=(one.rung,) if one.rung else (),
        audio=(one.audio,) if one.audio else (),
        watermark=mark,
        loudness=plan.loudness if one.audio else None,
        convert=plan.convert and one.rung is not None,
        deinterlace=plan.deinterlace and one.rung is not None,
        dropped=(),
        notes=(),
        subtitles=(),
        chapters=(),
        about=About(),
        damage=(),
    )
