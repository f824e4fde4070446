"""The jobs: type, arguments, inputs. The inputs are files made from a fixed seed, several of each kind and taken in
turn, and the peers read the same ones."""
import csv
import io
import json
import os
import random

PAD = '{"pad":"' + "0" * 190 + '"}'       # 200 bytes, as arguments are
REGIONS = ("north", "south", "east", "west", "centre", "islands", "coast", "hills")
AGGREGATE = {"format": "json", "group_by": ["region"], "aggregates": [{"op": "sum", "column": "amount", "as": "total"}]}


class Work:
    def __init__(self, name, type_, args, inputs=(), sums=()):
        self.name, self.type, self.args, self.inputs = name, type_, args, list(inputs)
        self.sums = list(sums)          # what the totals of each input's result come to, where that is known

    def words(self):
        """As fill and pace take them."""
        return [self.type, self.args, *self.inputs]

    def sum(self, jobs):
        """What the totals of all results come to."""
        return sum(self.sums[i % len(self.sums)] for i in range(jobs))


def record(dice):
    return {"id": dice.randrange(10 ** 6), "region": dice.choice(REGIONS), "amount": dice.randrange(1, 10 ** 6) / 100,
            "name": "".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=32)), "paid": dice.random() < 0.8}


def json_document(dice):
    """4 KiB, about 40 records."""
    return json.dumps([record(dice) for _ in range(40)], separators=(",", ":")).encode()


def csv_document(dice, size=64 * 1024):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "region", "amount", "name", "paid", "note"))
    while text.tell() < size:
        row = record(dice)
        writer.writerow((*row.values(), 'said "so", twice' if dice.random() < 0.05 else ""))
    return text.getvalue().encode()


class Works:
    def __init__(self, folder):
        self.folder = folder

    def _files(self, name, make, n=16):
        paths = [f"{self.folder}/{name}-{i}" for i in range(n)]
        for i, path in enumerate(paths):
            if not os.path.exists(path):
                with open(path, "wb") as file:
                    file.write(make(random.Random(f"{name} {i}")))
        return paths

    def noop(self):
        return Work("noop", "debug.noop", PAD)

    def json(self):
        inputs, sums = self._files("json", json_document), []
        for path in inputs:
            with open(path, "rb") as file:
                sums.append(sum(row["amount"] for row in json.load(file)))
        return Work("json", "transform.aggregate", json.dumps(AGGREGATE), inputs, sums)

    def csv(self):
        return Work("csv", "parse.csv", "{}", self._files("csv", csv_document))

    def burn(self, ms):
        return Work("burn", "debug.burn", json.dumps({"ms": ms}))

    def payload(self, size):
        return Work("payload", "debug.noop", "{}", self._files(f"payload-{size}", lambda dice: dice.randbytes(size), 2))
