"""Random small CSV inputs and what Python's csv module makes of them, for test_csv_reference.c: csv_reference.py SEED N.

One record each, little-endian: u8 kind (1 well quoted, 2 not), u8 delimiter, u8 quote (0: none), u32 size, the input. Of a
well quoted one follow u32 width, u32 bad rows, u32 rows, and of each row `width` fields as u32 size and bytes. A row is
bad when its width is not the first row's, or a field is no UTF-8 text or holds NUL: parse.csv says so, Python does not.
"""

import csv
import io
import random
import struct
import sys

TOKENS = ["a", "b", "7", " ", "é", "\x00", "\udcff", "\ufeff", "long plain text without anything"]
ENDS = ["\n", "\n", "\r\n", "\r\n", "\r"]


def loose(rng, delimiter, quote):
    """Anything: mostly not well quoted."""
    tokens = TOKENS + ENDS + [delimiter] * 4 + [quote] * 3
    return "".join(rng.choice(tokens) for _ in range(rng.randrange(40)))


def field(rng, delimiter, quote):
    kind = rng.randrange(10)
    if kind < 2:
        return ""
    if kind < 6:
        return "".join(rng.choice(TOKENS[:5]) for _ in range(rng.randrange(1, 4)))
    if kind == 6:
        return rng.choice(TOKENS)
    inner = TOKENS[:5] + ENDS + [delimiter, quote * 2, quote * 2]
    return quote + "".join(rng.choice(inner) for _ in range(rng.randrange(6))) + quote


def tidy(rng, delimiter, quote):
    """Well quoted where there is a quote, of nearly equal widths."""
    width, end = rng.randrange(1, 5), rng.choice(ENDS)
    text = rng.choice(["", "", "", "\ufeff"])
    for _ in range(rng.randrange(8)):
        n = width if rng.randrange(8) else rng.randrange(5)
        text += delimiter.join(field(rng, delimiter, quote) for _ in range(n))
        text += end if rng.randrange(10) else rng.choice(ENDS)
    return text if rng.randrange(3) else text[:-1]


def well_quoted(text, delimiter, quote):
    """RFC 4180's rule, which Python's strict mode does not hold a quote inside an unquoted field against."""
    state = "start"
    for c in text:
        if state == "inside":
            state = "closed" if c == quote else "inside"
        elif c in (delimiter, "\r", "\n"):
            state = "start"
        elif c == quote and state != "plain":
            state = "inside"
        elif c == quote or state == "closed":
            return False
        else:
            state = "plain"
    return state != "inside"


def is_text(value):
    return "\x00" not in value and "\udcff" not in value


def read(text, delimiter, quote):
    options = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE, "quotechar": None}
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, **options))
    while rows and rows[0] == []:  # blank lines have no width to tell
        rows.pop(0)
    width = len(rows[0]) if rows else 0
    rows = [row or [""] for row in rows] if width == 1 else [row for row in rows if row]
    good = [row for row in rows if len(row) == width and all(map(is_text, row))]
    return width, len(rows) - len(good), good


def put(out, text):
    data = text.encode("utf-8", "surrogateescape")
    out.write(struct.pack("<I", len(data)) + data)


def main(seed, n):
    rng, out = random.Random(int(seed)), sys.stdout.buffer
    for i in range(int(n)):
        delimiter, quote = rng.choice(",,,;\t|"), rng.choice(['"', '"', '"', "'", ""])
        text = (loose if i % 3 == 0 else tidy)(rng, delimiter, quote or '"')
        body = text.removeprefix("\ufeff")
        well = not quote or well_quoted(body, delimiter, quote)
        out.write(bytes([1 if well else 2, ord(delimiter), ord(quote or "\0")]))
        put(out, text)
        if well:
            width, bad, rows = read(body, delimiter, quote)
            out.write(struct.pack("<III", width, bad, len(rows)))
            for row in rows:
                for value in row:
                    put(out, value)


main(*sys.argv[1:])
