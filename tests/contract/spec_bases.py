"""Specs from which each field can be set to its bounds: the least that is legal, and what a field needs beside it."""

from copy import deepcopy
from typing import Any, Final

from tests.support.spec_walk import Step, taken

Spec = dict[str, Any]
OBJECT: Final = {"bucket": "media", "key": "sources/bbb.mp4"}
HTTP: Final = {"http": {"urls": ["https://origin.example/bbb.mp4"]}}
MAGNET: Final = {"magnet": "magnet:?xt=urn:btih:" + "a" * 40}
AES: Final = {"method": "AES-128", "keysFrom": {"secretRef": {"name": "keys"}}, "keyUri": "/keys/{kid}"}
LEAST: Final[dict[str, Spec]] = {
    "DownloadJob": {"source": HTTP, "destination": OBJECT},
    "TranscodingJob": {"input": {"s3": OBJECT}, "output": {"bucket": "media", "prefix": "vod/bbb"}},
    "MediaLibrary": {"output": {"bucket": "media", "prefix": "vod"}, "items": [{"name": "bbb", "source": HTTP}]},
}
TEMPLATES: Final = frozenset({"downloadTemplate", "transcodeTemplate"})
SURROUNDINGS: Final[dict[str, Any]] = {
    "input.downloadJobRef": {"downloadJobRef": {"name": "bbb"}},
    "source.torrent": {"torrent": MAGNET},
    "source.torrent.url": {"torrent": {}},
    "source.torrent.object": {"torrent": {"object": OBJECT}},
    "ladder.renditions": {"renditions": [{"name": "a", "height": 360}]},
    "ladder.renditions.0.dynamicRange": {"renditions": [{"name": "a", "height": 360, "codec": "hevc"}]},
    "ladder.renditions.0.crf": {"renditions": [{"name": "a", "height": 360, "codec": "av1"}]},
    "packaging.encryption": {"encryption": AES},
    "packaging.encryption.keyFormat": {"encryption": AES | {"method": "cbcs"}},
    "packaging.encryption.pssh": {"encryption": AES | {"method": "cbcs"}},
    "clip": {"duration": "1s"},
    "quality": {"metric": "PSNR"},
    "watermark": {"image": OBJECT},
    "template.tolerations": {"tolerations": [{"key": "a", "operator": "Exists"}]},
    "template.tolerations.0.value": {"tolerations": [{"key": "a", "operator": "Equal"}]},
    "template.tolerations.0.tolerationSeconds": {
        "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute"}]
    },
}
"""For fields that begin with these names: what stands at the first of them. Of several the longest counts."""


def stepped(kind: str, step: Step) -> Spec:
    """The least spec of a kind with the step's value, and what the field needs beside it."""
    path = step.path
    outer = 1 if path[0] in TEMPLATES else 2 if path[:2] == ("items", "0") else 0
    inner = ".".join(path[outer:])
    spec = deepcopy(LEAST[kind])
    if found := [name for name in SURROUNDINGS if f"{inner}.".startswith(f"{name}.")]:
        spec = taken(spec, Step(path[: outer + 1], deepcopy(SURROUNDINGS[max(found, key=len)]), legal=True))
    return taken(spec, step)
