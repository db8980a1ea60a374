"""The filter graph of the video: source frames, decoded once, to the frames of every rung."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from workers.transcode.colour import GAMMA, HDR, DynamicRange, is_rgb
from workers.transcode.command.common import Range
from workers.transcode.plan import Plan, Rung

PADDING: Final = 2
"""Frames the last one may be repeated for, where a container's rounding hides the last frame's end. More are missing
frames, and are found by their number; where that is tolerated the last one stands until the planned end."""
TONEMAP: Final = (
    "zscale=transfer=linear:npl=100",
    "format=gbrpf32le",
    "tonemap=tonemap=hable:desat=0",
    "zscale=primaries=bt709:transfer=bt709:matrix=bt709:range=tv",
)
"""PQ or HLG to BT.709 through linear light."""
TO_BT709: Final = ("zscale=primaries=bt709:transfer=bt709:matrix=bt709:range=tv",)
EVEN: Final = "scale=trunc(iw/2)*2:trunc(ih/2)*2:flags=bicubic"
"""The colour filter takes no odd sizes of 4:2:0."""


@dataclass(slots=True, eq=False)
class Node:
    """A picture size of the graph, and the rungs encoded from it."""

    picture: tuple[DynamicRange, int, int, bool]
    """Dynamic range, width, height, whether every other frame."""
    number: int
    """Of its first rung."""
    rungs: list[int] = field(default_factory=list)
    parent: "Node | None" = None
    children: list["Node"] = field(default_factory=list)

    @property
    def feed(self) -> str:
        """The label of what it is made from."""
        return f"[s{self.number}]"


def video_graph(plan: Plan, part: Range, mark: int = 1, wanted: Collection[int] | None = None) -> str:
    """Source frames to the frames of each rung of a range, or of the wanted ones; `mark` is the input that a watermark is.

    The frame rate filter counts from the title's first frame whatever the range, and `trim` cuts by frame number: so a
    range has exactly the frames a whole encode gives it, at any frame rate, and a seek only saves decoding. A rung with
    every other frame has those of even numbers, and segments begin with one.
    """
    nodes = tree(plan.rungs) if wanted is None else pruned(tree(plan.rungs), wanted)
    tops = [node for node in nodes if node.parent is None]
    chains = [*_marked(plan, mark), _head(plan, part, tops)]
    if len({node.picture[0] for node in tops}) > 1:
        chains.append(f"[sdr]{','.join(_convert(plan))}{_split([node.feed for node in tops if _sdr(node)])}")
    chains += [_chain(plan, node) for node in nodes]
    return ";".join(chains)


def tree(rungs: Sequence[Rung]) -> list[Node]:
    """The sizes, each made from the smallest one above it: less to read than the source, and no worse to see."""
    nodes: list[Node] = []
    pictures = {number: (rung.dynamic_range, rung.width, rung.height, rung.halved) for number, rung in enumerate(rungs)}
    for picture in sorted(set(pictures.values()), key=lambda p: (p[0] != "SDR", -p[1] * p[2], p[3])):
        numbers = [number for number, other in pictures.items() if other == picture]
        node = Node(picture, numbers[0], numbers)
        above = [other for other in nodes if _serves(other.picture, picture)]
        if above:
            node.parent = above[-1]
            node.parent.children.append(node)
        nodes.append(node)
    return nodes


def pruned(nodes: Sequence[Node], wanted: Collection[int]) -> list[Node]:
    """Of a tree the sizes that the wanted rungs have or are made from."""
    kept: list[Node] = []
    for node in reversed(nodes):  # children are after what they are made from
        node.rungs = [number for number in node.rungs if number in wanted]
        node.children = [child for child in node.children if child in kept]
        kept += [node] if node.rungs or node.children else []
    return kept[::-1]


def _serves(above: tuple[DynamicRange, int, int, bool], below: tuple[DynamicRange, int, int, bool]) -> bool:
    same = above[0] == below[0] and above[3] <= below[3]
    return same and above[1] >= below[1] and above[2] >= below[2]


def _sdr(node: Node) -> bool:
    return node.picture[0] == "SDR"


def _head(plan: Plan, part: Range, tops: Sequence[Node]) -> str:
    line = plan.timeline
    head = [f"setpts=PTS-({plan.first_tick})"]
    head += ["bwdif=mode=send_frame:parity=auto:deint=interlaced"] if plan.deinterlace else []
    head += [
        f"fps=fps={line.rate.numerator}/{line.rate.denominator}:start_time=0:round=near",
        f"tpad=stop={-1 if plan.tolerant else PADDING}:stop_mode=clone",
        f"trim=start_frame={part.start * line.gop}:end_frame={min(part.stop * line.gop, line.frames)}",
    ]
    plain, high = [node for node in tops if _sdr(node)], [node for node in tops if not _sdr(node)]
    if plain and high:
        feeds = ["[sdr]", *(node.feed for node in high)]
    else:
        head += [*(_convert(plan) if plain else []), *_overlay(plan)]
        feeds = [node.feed for node in tops]
    return f"[0:{plan.picture.index}]{','.join(head)}{_split(feeds)}"


def _marked(plan: Plan, mark: int) -> list[str]:
    """The watermark in the colours of the rungs; by itself the overlay would take those of small pictures."""
    if plan.watermark is None:
        return []
    return [f"[{mark}:0]scale=out_color_matrix={_matrix(plan)}:out_range=tv,format=yuva420p[mark]"]


def _matrix(plan: Plan) -> str:
    return "bt709" if plan.colour.matrix == "bt709" else "bt601"


def _overlay(plan: Plan) -> list[str]:
    """The watermark on frames that are in the colours and the range of the rungs; its one picture is on all of them."""
    found = plan.watermark
    if found is None:
        return []
    first = f"scale=flags=bicubic{_ranges(plan)}" if not plan.convert and _ranges(plan) else ""
    left, top = str(found.across), str(found.down)
    right, bottom = f"W-w-{found.across}", f"H-h-{found.down}"
    x, y = {
        "TopLeft": (left, top),
        "TopRight": (right, top),
        "BottomLeft": (left, bottom),
        "Center": ("(W-w)/2", "(H-h)/2"),
    }.get(found.position, (right, bottom))
    steps = [first, "format=yuv420p[film];[film][mark]" + f"overlay=x={x}:y={y}:format=yuv420:eof_action=repeat"]
    return [step for step in steps if step]


def _convert(plan: Plan) -> list[str]:
    """What makes the colours those of the rungs of standard range."""
    if not plan.convert:
        return []
    video = plan.picture
    even = [EVEN] if video.width % 2 or video.height % 2 else []
    wide = video.transfer in HDR or video.matrix.startswith("bt2020")
    given = {
        "colorspace": _unsaid(video.matrix, "bt2020nc" if wide else "bt709"),
        "color_primaries": _unsaid(video.primaries, "bt2020" if wide else "bt709"),
        "color_trc": "" if video.transfer in {*GAMMA, *HDR, "bt2020-10", "bt2020-12"} else "bt709",
    }
    told = ":".join(f"{name}={value}" for name, value in given.items() if value)
    steps = TONEMAP if video.transfer in HDR else TO_BT709
    return [*even, *([f"setparams={told}"] if told else []), *steps]


def _unsaid(value: str, usual: str) -> str:
    """What is told of a colour that the input does not say: without, the filter knows no way from there."""
    return usual if value == "unknown" else ""


def _chain(plan: Plan, node: Node) -> str:
    dynamic, width, height, halved = node.picture
    steps = ["framestep=2"] if halved and not (node.parent and node.parent.picture[3]) else []
    steps += [f"scale={width}:{height}:flags=bicubic{_ranged(plan, node)}", "setsar=1"]
    steps.append(f"format={'yuv420p' if dynamic == 'SDR' else 'yuv420p10le'}")
    outs = [f"[v{number}]" for number in node.rungs] + [child.feed for child in node.children]
    return f"{node.feed}{','.join(steps)}{_split(outs)}"


def _ranged(plan: Plan, node: Node) -> str:
    """Full range and RGB are converted where the source is scaled first."""
    if node.parent or (plan.convert and _sdr(node)) or plan.watermark:
        return ""
    return _ranges(plan)


def _ranges(plan: Plan) -> str:
    """What makes the range, and RGB, those of the rungs."""
    if is_rgb(plan.picture.pixel_format):
        return ":out_color_matrix=bt709:out_range=tv"
    return ":out_range=tv" if plan.picture.full_range else ""


def _split(outs: Sequence[str]) -> str:
    return f",split={len(outs)}{''.join(outs)}" if len(outs) > 1 else outs[0]
