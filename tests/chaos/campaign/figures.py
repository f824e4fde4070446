"""Figures of a campaign: recovery times, and the time back to the full rate after an outage."""
import math

WINDOW_S, BEFORE_S, FULL = 0.5, 2.0, 0.8


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else None


def rate(rates, begin, end):
    inside = [(at, total) for at, total, _ in rates if begin <= at <= end]
    if len(inside) < 2 or inside[-1][0] - inside[0][0] < (end - begin) / 2:
        return None
    return (inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0])


def back_to_full(rates, began, healed, until):
    """Seconds from the healing of an outage to the first half second at four fifths of the rate before it; None where
    that cannot be said."""
    before = rate(rates, began - BEFORE_S, began)
    if before is None or before < 50:
        return None
    for at, _, _ in rates:
        if healed <= at <= until - WINDOW_S:
            now = rate(rates, at, at + WINDOW_S)
            if now is not None and now >= FULL * before:
                return at - healed
    return None


class Figures:
    def __init__(self):
        self.same_host, self.other_host, self.returns, self.memory = [], [], [], 0.0

    def add(self, world):
        for seconds, same, alone in world.watch.recoveries:
            if alone:
                (self.same_host if same else self.other_host).append(seconds)
        self.returns += world.returns
        self.memory = max(self.memory, world.fleet.most_memory)

    def lines(self):
        yield from line("recovery after SIGKILL, same host", self.same_host)
        yield from line("recovery after SIGKILL, other host", self.other_host)
        for kind in ("redis", "postgres"):
            yield from line(f"back to full rate after {kind}", [value for name, value in self.returns if name == kind])
        yield f"most resident memory of a daemon: {self.memory / 2 ** 20:.0f} MiB"


def line(name, values):
    if values:
        yield (f"{name}: p50 {percentile(values, 0.5):.2f} s, p99 {percentile(values, 0.99):.2f} s, "
               f"most {max(values):.2f} s, of {len(values)}")
