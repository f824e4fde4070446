"""Enqueues with Python's stock Redis client, flat and as a msgpack envelope made by hand, as a back end would that has
never seen Stampmill's own libraries. Prints one entry id or job id a line, in the order of the jobs."""

import json
import sys
import uuid

import redis


def text(value):
    data = value.encode()
    return bytes([0xD9, len(data)]) + data


def binary(data):
    return b"\xc5" + len(data).to_bytes(2, "big") + data


def envelope(job, args, data):
    """{"v": 1, "id": bin, "type": str, "args": map, "input": bin}"""
    pairs = [text("v"), b"\x01", text("id"), binary(job.bytes), text("type"), text("debug.echo")]
    pairs += [text("args"), b"\x81" + text("way") + text(args), text("input"), binary(data)]
    return b"\x85" + b"".join(pairs)


def main(socket, user, password):
    client = redis.Redis(unix_socket_path=socket, username=user, password=password)
    stream = "sm:{default}:jobs"
    args = json.dumps({"way": "python, flat"})
    print(client.xadd(stream, {"type": "debug.echo", "args": args, "input": b"\x00\xffhello"}).decode())
    job = uuid.uuid4()
    client.xadd(stream, {"id": str(job), "type": "debug.echo", "args": args, "input": b"\x00\xffhello"})
    print(job)
    job = uuid.uuid4()
    client.xadd(stream, {"job": envelope(job, "python, envelope", b"\x00\xffhello")})
    print(job)


main(*sys.argv[1:])
