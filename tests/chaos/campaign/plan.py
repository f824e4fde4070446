"""Which fault when. Two lanes: one where faults follow each other with short breaks, and one with a fault now and then,
so that some come alone and some together; two that touch the same thing never overlap. The dice are the seed's."""
from .faults import FAULTS


class Step:
    def __init__(self, at, until, name, dice):
        self.at, self.until, self.name, self.dice = at, until, name, dice

    def overlaps(self, other):
        shared = FAULTS[self.name].touches & FAULTS[other.name].touches
        return shared and self.at < other.until + 0.3 and other.at < self.until + 0.3


def possible(features, fsync, only):
    unknown = set(only) - set(FAULTS)
    if unknown:
        raise SystemExit(f"chaos: no fault {', '.join(sorted(unknown))}; see --list")
    return [cls for name, cls in FAULTS.items()
            if (not only or name in only) and (cls.feature is None or cls.feature in features)
            and cls.only in (None, fsync)]


def make(rng, seconds, lease_s, faults):
    """Steps by their start, all ended within `seconds`."""
    steps = []
    lane(rng, steps, 1.0, seconds, lease_s, faults, (0.2, 1.2))
    lane(rng, steps, 2.0 + 3 * rng.random(), seconds, lease_s, faults, (1.5, 5.0))
    return sorted(steps, key=lambda step: step.at)


def lane(rng, steps, at, seconds, lease_s, faults, pause):
    while at < seconds - 1:
        cls = rng.choices(faults, [cls.weight for cls in faults])[0]
        step = Step(at, min(seconds, at + lease_s * rng.uniform(*cls.leases)), cls.name, rng.getrandbits(32))
        if any(step.overlaps(other) for other in steps):
            at += 0.5
            continue
        steps.append(step)
        at = step.until + rng.uniform(*pause)
