"""The peers under other settings than those they are measured with: why these are the best."""
from . import drain
from .machine import Broken

PART = 0.5              # of the jobs of a full drain


class Tried:
    """A side with some settings of its peer changed; started as it is, named by them."""

    def __init__(self, peer, rows, changed):
        self.side, self.peer, self.changed = peer.side(rows), peer, changed
        self.name = self.side.name + "".join(f" {key.lower()}={value}" for key, value in changed.items())

    def measure(self, world, work):
        plain = self.peer.settings
        self.peer.settings = {**plain, **self.changed}
        try:
            return drain.steady(lambda: drain.measure_once(self.side, work, world.size(PART * self.side.jobs(work.name))))
        finally:
            self.peer.settings = plain


def settings(world):
    """The peers by the settings that were tried: noop, without and with rows."""
    work = world.works.noop()
    tries = [Tried(peer, rows, changed) for peer in world.peers for rows in (False, True)
             for changed in ({}, *(peer.tried_rows if rows else peer.tried))]
    runs = {one.name: [] for one in tries}
    for number in range(world.options.pairs):
        for one in tries:
            try:
                runs[one.name].append(one.measure(world, work))
            except Broken as failure:
                world.missing[one.name] = str(failure)
                continue
            drain.say(number + 1, world.options.pairs, one, runs[one.name][-1])
    return drain.medians({name: each for name, each in runs.items() if each})
