"""The size of the picture in a sequence parameter set of H.264 (ITU-T H.264 section 7.3.2.1.1). Pure."""

from typing import Final

HIGH: Final = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""profile_idc values whose parameter sets say the chroma format."""


class _Bits:
    def __init__(self, data: bytes) -> None:
        self.bits = int.from_bytes(data)
        self.left = 8 * len(data)

    def take(self, count: int) -> int:
        if count > self.left:
            raise IndexError("the parameter set breaks off")
        self.left -= count
        return self.bits >> self.left & (1 << count) - 1

    def golomb(self) -> int:
        """ue(v), section 9.1."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """se(v), section 9.1.1."""
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def avc_size(unit: bytes) -> tuple[int, int]:
    """Width and height in pixels of a NAL unit of type 7. Raises IndexError when it breaks off."""
    bits = _Bits(unit[1:256].replace(b"\0\0\3", b"\0\0"))
    profile = bits.take(8)
    bits.take(16)
    bits.golomb()
    chroma = _chroma(bits) if profile in HIGH else 1
    bits.golomb()
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.take(1)
        bits.signed(), bits.signed()
        for _ in range(bits.golomb()):
            bits.signed()
    bits.golomb()
    bits.take(1)
    width, height = (bits.golomb() + 1) * 16, (bits.golomb() + 1) * 16
    fields = 2 - bits.take(1)
    if fields == 2:
        bits.take(1)
    bits.take(1)
    left, right, top, bottom = (bits.golomb() for _ in range(4)) if bits.take(1) else (0, 0, 0, 0)
    across, down = (2 if chroma in {1, 2} else 1), (2 if chroma == 1 else 1) * fields
    return width - across * (left + right), height * fields - down * (top + bottom)


def _chroma(bits: _Bits) -> int:
    """chroma_format_idc, and past the scaling lists."""
    chroma = bits.golomb()
    if chroma == 3:
        bits.take(1)
    bits.golomb(), bits.golomb()
    bits.take(1)
    if bits.take(1):
        for number in range(8 if chroma != 3 else 12):
            if bits.take(1):
                _scaling_list(bits, 16 if number < 6 else 64)
    return chroma


def _scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last
