"""Round numbers for axes: pure arithmetic, tested as such."""

from __future__ import annotations

import math


def ticks(top: float, count: int = 3) -> list[float]:
    """Round values from 0 up to the first that holds `top`, `count` steps or fewer."""
    if not math.isfinite(top) or top <= 0:
        return [0.0, 1.0]
    raw = top / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999), 10 * power)
    steps = max(1, math.ceil(round(top / step, 6)))
    return [round(step * i, 10) for i in range(steps + 1)]


# Steps in which people count time. Longer ones are whole days.
STEPS = (
    *(n / 1000 for n in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
    *(1, 2, 5, 10, 15, 30),
    *(60 * n for n in (1, 2, 5, 10, 15, 30)),
    *(3600 * n for n in (1, 2, 4, 6, 12)),
)  # fmt: skip
DAY = 86_400.0


def seconds_ticks(top: float, count: int = 3) -> list[float]:
    """As `ticks`, for spans: at 1 m and 2 m, and not at 1 m 40 s."""
    if not math.isfinite(top) or top <= 0:
        return [0.0, 1.0]
    step = next((step for step in STEPS if step * count >= top * 0.999), None)
    if step is None:
        return [days * DAY for days in ticks(top / DAY, count)]
    return [round(step * i, 10) for i in range(max(1, math.ceil(round(top / step, 6))) + 1)]


def short(value: float) -> str:
    """An axis label: 0, 0.25, 12, 1.2k, 3M."""
    if value == 0:
        return "0"
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.1f}".rstrip("0").rstrip(".") + letter
    return f"{value:.3g}"
