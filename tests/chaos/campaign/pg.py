"""A PostgreSQL client of a page: simple queries on a Unix socket under `trust`, every value as text."""
import socket
import struct


class Failed(Exception):
    """The server refused a statement; the text is its message."""


class Pg:
    """One connection, made when needed; any failure of the network ends it and is raised as OSError."""

    def __init__(self, path, timeout=10.0, database="stampmill", user="stampmill"):
        self.path, self.timeout, self.database, self.user = path, timeout, database, user
        self.socket = self.file = None

    def close(self):
        if self.socket is not None:
            self.file.close()
            self.socket.close()
        self.socket = self.file = None

    def query(self, text):
        """The rows of the last statement, as tuples of text or None."""
        try:
            self._open()
            self.socket.sendall(message(b"Q", text.encode() + b"\0"))
            return self._answer()
        except OSError:
            self.close()
            raise

    def value(self, text):
        return self.query(text)[0][0]

    def _open(self):
        if self.socket is not None:
            return
        new = socket.socket(socket.AF_UNIX)
        new.settimeout(self.timeout)
        try:
            new.connect(self.path)
            words = ("user", self.user, "database", self.database, "application_name", "chaos")
            body = struct.pack("!i", 196608) + b"".join(word.encode() + b"\0" for word in words) + b"\0"
            new.sendall(struct.pack("!i", len(body) + 4) + body)
        except OSError:
            new.close()
            raise
        self.socket, self.file = new, new.makefile("rb")
        try:
            self._answer()
        except Failed as refusal:
            self.close()
            raise ConnectionError(str(refusal)) from refusal

    def _read(self, size):
        data = self.file.read(size)
        if len(data) != size:
            raise ConnectionError("PostgreSQL closed the connection")
        return data

    def _answer(self):
        rows, failure = [], None
        while True:
            kind, size = struct.unpack("!ci", self._read(5))
            body = self._read(size - 4)
            if kind == b"T":
                rows = []
            elif kind == b"D":
                rows.append(fields(body))
            elif kind == b"E":
                failure = Failed(" ".join(part[1:].decode("utf-8", "replace") for part in body.split(b"\0")
                                          if part[:1] in (b"S", b"C", b"M")))
                if b"SFATAL" in body:
                    raise ConnectionError(str(failure))
            elif kind == b"Z":
                if failure is not None:
                    raise failure
                return rows


def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


def fields(body):
    values, at = [], 2
    for _ in range(struct.unpack_from("!h", body)[0]):
        size = struct.unpack_from("!i", body, at)[0]
        at += 4
        if size < 0:
            values.append(None)
        else:
            values.append(body[at:at + size].decode())
            at += size
    return tuple(values)
