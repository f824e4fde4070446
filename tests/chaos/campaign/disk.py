"""A small file system that can be full: a tmpfs that is made as small as what is used of it. It is mounted in a mount
namespace of the campaign and what it starts, so that nothing of it is seen or left outside.

PostgreSQL keeps its tables there (not its log of writes: without room for that the server ends, which is another fault).
"""
import ctypes
import os
import pwd
import re

CAP_SYS_ADMIN, NEW_NAMESPACE, REMOUNT, RECURSIVE, PRIVATE, DETACH = 21, 0x20000, 32, 0x4000, 1 << 18, 2
ROOM = 4 << 30
LIBC = ctypes.CDLL(None, use_errno=True)


def possible():
    with open("/proc/self/status") as file:
        rights = int(re.search(r"^CapEff:\s*(\w+)", file.read(), re.M).group(1), 16)
    return os.geteuid() == 0 and bool(rights >> CAP_SYS_ADMIN & 1)


def done(code):
    if code != 0:
        raise OSError(ctypes.get_errno(), f"no small file system: {os.strerror(ctypes.get_errno())} (see --without disk)")


def own_namespace():
    """Before any thread is started."""
    done(LIBC.unshare(NEW_NAMESPACE))
    done(LIBC.mount(None, b"/", None, RECURSIVE | PRIVATE, None))


class Disk:
    def __init__(self, path):
        self.path = path
        os.mkdir(path)
        self.mount(0, ROOM)
        owner = pwd.getpwnam("postgres")
        os.chown(path, owner.pw_uid, owner.pw_gid)

    def mount(self, flags, size):
        done(LIBC.mount(b"small", self.path.encode(), b"tmpfs", flags, f"size={size},mode=0700".encode()))

    def hold_tables(self, pg):
        pg.query(f"CREATE TABLESPACE small LOCATION '{self.path}'")
        pg.query("ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE small")
        pg.query("ALTER INDEX ALL IN TABLESPACE pg_default SET TABLESPACE small")

    def fill(self):
        """PostgreSQL may write meanwhile: then it is tried again."""
        for _ in range(100):
            room = os.statvfs(self.path)
            if LIBC.mount(b"small", self.path.encode(), b"tmpfs", REMOUNT,
                          f"size={(room.f_blocks - room.f_bfree) * room.f_frsize}".encode()) == 0:
                return

    def make_room(self):
        self.mount(REMOUNT, ROOM)

    def remove(self):
        LIBC.umount2(self.path.encode(), DETACH)
