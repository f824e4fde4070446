"""Redis's own record of what it did: its append-only file, replayed after the drain. A command stands there before its
sender is answered, and `Sizes` (watch.py) has noted how long the file was at which time, so each command has a moment
by which it was done. What a power cut took from the file is not in the record, as it is not in Redis.

In the file every change of owner is an `XCLAIM key group consumer 0 id ..` of one entry, whether it came of XREADGROUP,
XCLAIM or XAUTOCLAIM, also within a script.
"""
import math
import mmap
import re
import uuid

OURS = re.compile(rb"sm:\{([^}]+)\}:jobs")
VERBS = (b"XADD", b"XDEL", b"XACK", b"XCLAIM", b"XTRIM", b"XGROUP", b"FLUSHALL")
ID_IN_ENVELOPE = b"\xa2id\xc4\x10"
MOST = 256      # bytes of a word that are looked at: a job's id stands before them


class Entry:
    __slots__ = ("gone", "owners", "wiped")

    def __init__(self):
        self.gone = None        # by when it was deleted
        self.owners = []        # [consumer, by when it was no longer his]
        self.wiped = False      # by somebody else


class Record:
    """`entries` by queue and id; `of` a job's id: its entries; `broken`: what no worker may do, in words; `twice`: ids that
    came again after a wipe, because Redis's clock jumped: what is said of these cannot be told apart."""

    def __init__(self, path, when):
        self.entries, self.of, self.broken, self.twice = {}, {}, [], set()
        self.living = {}            # of each queue: id -> Entry, of those in its stream
        self.when = when            # by when the file was so long
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for at, words in commands(data):
                self.take(at, data, words)

    def take(self, at, data, words):
        def word(i):
            start, size = words[i]
            return data[start:start + min(size, MOST)]
        verb = word(0)
        if verb == b"FLUSHALL":
            self.forget_all(at)
        if verb == b"XGROUP" and len(words) > 3:
            self.group(at, word(1), word(2), [word(i) for i in range(4, len(words))])
        key = OURS.fullmatch(word(1)) if verb in VERBS[:5] else None
        if key is None:
            return
        queue = key.group(1).decode()
        if verb == b"XADD":
            self.add(queue, word(2).decode(), [word(i) for i in range(3, min(len(words), 5))])
        elif verb == b"XDEL":
            self.delete(at, queue, [word(i).decode() for i in range(2, len(words))])
        elif verb == b"XACK":
            self.acknowledge(queue, [word(i).decode() for i in range(3, len(words))])
        elif verb == b"XTRIM":
            self.trim(queue, int(word(len(words) - 1)))
        else:
            self.claim(at, queue, word(5).decode(), word(3).decode())

    def add(self, queue, name, fields):
        if (queue, name) in self.entries:
            self.twice.add((queue, name))
        entry = self.entries[queue, name] = Entry()
        self.living.setdefault(queue, {})[name] = entry
        job = job_of(fields)
        if job is not None:
            self.of.setdefault(job, []).append((queue, name))

    def delete(self, at, queue, names):
        for name in names:
            entry = self.living.get(queue, {}).pop(name, None)
            if entry is not None:
                entry.gone = self.when(at)
                self.disown(at, entry)

    def trim(self, queue, length):
        """Redis writes `XTRIM key MAXLEN .. length`: the oldest go, and stay in the lists of those who own them."""
        living = self.living.get(queue, {})
        for name in list(living)[:max(0, len(living) - length)]:
            living.pop(name).wiped = True

    def acknowledge(self, queue, names):
        for name in names:
            if name in self.living.get(queue, ()):
                self.broken.append(f"order: entry {queue}/{name} was acknowledged before it was deleted")

    def claim(self, at, queue, name, consumer):
        entry = self.living.get(queue, {}).get(name)
        if entry is not None and not (entry.owners and entry.owners[-1][0] == consumer
                                      and entry.owners[-1][1] == math.inf):
            self.disown(at, entry)
            entry.owners.append([consumer, math.inf])

    def group(self, at, what, key, rest):
        key = OURS.fullmatch(key)
        queue = key and key.group(1).decode()
        consumer = rest[0].decode() if what == b"DELCONSUMER" and rest else None
        if what not in (b"DELCONSUMER", b"DESTROY"):
            return
        owned = [entry for entry in self.living.get(queue, {}).values() if entry.owners
                 and entry.owners[-1][1] == math.inf and consumer in (None, entry.owners[-1][0])]
        if consumer is not None and owned:
            self.broken.append(f"struck off: worker {consumer} had {len(owned)} entries of {queue}, which are in nobody's "
                               "list since")
        for entry in owned:
            self.disown(at, entry)

    def forget_all(self, at):
        for entries in self.living.values():
            for entry in entries.values():
                self.disown(at, entry)
                entry.wiped = True
        self.living = {}

    def disown(self, at, entry):
        if entry.owners:
            entry.owners[-1][1] = min(entry.owners[-1][1], self.when(at))


def job_of(fields):
    """The id that an entry brings, as text; None where it is derived."""
    name, value = fields
    if name == b"job":
        at = value.find(ID_IN_ENVELOPE)
        return None if at < 0 else str(uuid.UUID(bytes=value[at + 5:at + 21]))
    return value.decode() if name == b"id" else None


def commands(data):
    """Of each whole command: where it ends, and where its words lie."""
    at, end = 0, len(data)
    while at < end:
        line = data.find(b"\r\n", at)
        if line < 0:
            return
        count, at, words = int(data[at + 1:line]), line + 2, []
        for _ in range(count):
            line = data.find(b"\r\n", at)
            if line < 0:
                return
            size = int(data[at + 1:line])
            words.append((line + 2, size))
            at = line + 2 + size + 2
        if at > end:
            return
        yield at, words
