"""A picture of quality curves: SVG of bit rates against SSIM, made by hand so that it needs no library."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 70, 180, 40, 55
COLOURS: Final = ("#1f77b4", "#d62728", "#2ca02c", "#7f7f7f")
TICKS: Final = (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 4, 6, 8, 12)

Curve = Sequence[tuple[float, float]]
"""Points: bits per second, SSIM."""


def decibels(ssim: float) -> float:
    """SSIM as decibels: 0.99 is 20, and half the error is 3 more."""
    return -10 * math.log10(max(1e-9, 1 - ssim))


def svg(heading: str, curves: Mapping[str, Curve]) -> str:
    """The curves, one colour each, rates on a logarithmic scale."""
    points = [(bits / 1e6, decibels(ssim)) for curve in curves.values() for bits, ssim in curve]
    low, high = min(x for x, _ in points) * 0.9, max(x for x, _ in points) * 1.1
    floor, roof = math.floor(min(y for _, y in points)), math.ceil(max(y for _, y in points))

    def x(megabits: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(megabits / low) / math.log(high / low)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - floor) / (roof - floor)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-size="15">{heading}</text>',
    ]
    for tick in (tick for tick in TICKS if low <= tick <= high):
        parts.append(f'<path d="M{x(tick):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        parts.append(f'<text x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:g}</text>')
    for value in range(floor, roof + 1):
        parts.append(f'<path d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        label = f"{1 - 10 ** (-value / 10):.4f}"
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{label}</text>')
    parts.append(f'<text x="{LEFT + 160}" y="{HEIGHT - 14}">megabits per second (logarithmic)</text>')
    parts.append(f'<text x="14" y="{TOP - 6}">SSIM</text>')
    for number, (name, curve) in enumerate(curves.items()):
        line = " ".join(f"{x(bits / 1e6):.1f},{y(decibels(ssim)):.1f}" for bits, ssim in curve)
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        dots = [(x(bits / 1e6), y(decibels(ssim))) for bits, ssim in curve]
        parts += [f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="3.5" fill="{colour}"/>' for cx, cy in dots]
        parts.append(f'<text x="{WIDTH - RIGHT + 12}" y="{TOP + 20 + 20 * number}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])
