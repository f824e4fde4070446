"""Just enough msgpack to write an envelope: maps, text, bytes, whole numbers."""
import struct


def pack(value):
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return pack_int(value)
    if isinstance(value, bytes):
        return sized(value, b"\xc4", b"\xc5", b"\xc6")
    if isinstance(value, str):
        data = value.encode()
        return bytes([0xa0 | len(data)]) + data if len(data) < 32 else sized(data, b"\xd9", b"\xda", b"\xdb")
    if isinstance(value, (list, tuple)):
        return struct.pack("!BH", 0xdc, len(value)) + b"".join(map(pack, value))
    if isinstance(value, dict):
        return struct.pack("!BH", 0xde, len(value)) + b"".join(pack(key) + pack(item) for key, item in value.items())
    raise TypeError(type(value))


def pack_int(value):
    if 0 <= value < 128:
        return bytes([value])
    return struct.pack("!Bq", 0xd3, value)


def sized(data, byte, short, long):
    if len(data) < 1 << 8:
        return byte + bytes([len(data)]) + data
    if len(data) < 1 << 16:
        return short + struct.pack("!H", len(data)) + data
    return long + struct.pack("!I", len(data)) + data
