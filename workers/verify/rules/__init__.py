"""All rules, in the order of the report: texts first, then bytes, then what is said of them."""

from typing import Final

from workers.verify.rule import Rule
from workers.verify.rules.dash import DASH
from workers.verify.rules.decoded import DECODED
from workers.verify.rules.encrypted import ENCRYPTED
from workers.verify.rules.groups import RENDITIONS
from workers.verify.rules.media import MEDIA
from workers.verify.rules.served import SERVED
from workers.verify.rules.texts import TEXTS
from workers.verify.rules.variants import VARIANTS

RULES: Final[tuple[Rule, ...]] = (*TEXTS, *MEDIA, *ENCRYPTED, *VARIANTS, *RENDITIONS, *DASH, *DECODED, *SERVED)

__all__ = ["RULES"]
