"""A Redis client of sixty lines: pipelines on a Unix socket, each reply or the failure that took its place."""
import socket


class Refused(Exception):
    """An error reply: Redis got the command and did not do it."""


class Redis:
    """One connection, made when needed; any failure of the network ends it and is raised as OSError."""

    def __init__(self, path, timeout=2.0):
        self.path, self.timeout = path, timeout
        self.socket = self.file = None

    def open(self):
        if self.socket is None:
            new = socket.socket(socket.AF_UNIX)
            new.settimeout(self.timeout)
            try:
                new.connect(self.path)
            except OSError:
                new.close()
                raise
            self.socket, self.file = new, new.makefile("rb")

    def close(self):
        if self.socket is not None:
            self.file.close()
            self.socket.close()
        self.socket = self.file = None

    def call(self, *words):
        reply = self.pipeline([words])[0]
        if isinstance(reply, Exception):
            raise reply
        return reply

    def pipeline(self, commands):
        """A reply for each: a value, Refused, or the OSError after which nothing is known."""
        replies = []
        try:
            self.open()
            self.socket.sendall(b"".join(encode(words) for words in commands))
            for _ in commands:
                replies.append(self._read())
        except (OSError, ValueError) as broken:
            self.close()
            failure = broken if isinstance(broken, OSError) else ConnectionError(str(broken))
            replies += [failure] * (len(commands) - len(replies))
        return replies

    def _line(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis closed the connection")
        return line[:-2]

    def _read(self):
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return Refused(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            if size < 0:
                return None
            data = self.file.read(size + 2)
            if len(data) != size + 2:
                raise ConnectionError("Redis closed the connection")
            return data[:-2]
        if kind == b"*":
            return [self._read() for _ in range(int(rest))]
        raise ConnectionError(f"not RESP2: {line[:40]!r}")


def encode(words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n" % len(data))
        parts.append(data)
        parts.append(b"\r\n")
    return b"".join(parts)
