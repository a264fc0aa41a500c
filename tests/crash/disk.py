"""A server on a disk that a test makes bad and good again while it runs: see tests/faults/bad_disk.c."""
import contextlib
import errno
import mmap
import os
import pathlib
import struct

from harness import BINARY, Server

LIBRARY = pathlib.Path(BINARY).resolve().parent / "faults" / "bad_disk.so"
FIELDS = ["write_errno", "bytes_left", "sync_errno", "sync_ms", "failed", "name_errno", "slowed"]


class BadDisk:
    """The control file, and a server whose data folder lies on the disk."""

    def __init__(self, folder, *options):
        assert LIBRARY.exists(), f"{LIBRARY} is missing: make bad-disk"
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "control"
        self.path.write_bytes(bytes(8 * 8))
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)
        self.server = Server(folder / "data", *options, start=False)
        self.server.extra = {
            "LD_PRELOAD": str(LIBRARY),
            "BAD_DISK_CONTROL": str(self.path),
            "BAD_DISK_FOLDER": str(folder / "data"),
        }
        self.server.start()

    def set(self, **fields):
        for name, value in fields.items():
            struct.pack_into("q", self.map, 8 * FIELDS.index(name), value)

    def get(self, name):
        return struct.unpack_from("q", self.map, 8 * FIELDS.index(name))[0]

    def heal(self):
        self.set(write_errno=0, bytes_left=0, sync_errno=0, sync_ms=0, name_errno=0)

    @contextlib.contextmanager
    def bad(self, **fields):
        self.set(**fields)
        try:
            yield
        finally:
            self.heal()

    def full(self, room=0):
        """Writes stop after this many more bytes."""
        return self.bad(bytes_left=room, write_errno=errno.ENOSPC)

    def read_only(self):
        return self.bad(write_errno=errno.EROFS, name_errno=errno.EROFS)

    def failing_syncs(self):
        return self.bad(sync_errno=errno.EIO)

    def slow(self, ms):
        return self.bad(sync_ms=ms)


def metric(server, name):
    answer = server.send("GET", "/metrics")
    assert answer.status == 200
    for line in answer.body.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(f"/metrics has no {name}")


def mounted(folder, bytes_):
    """Mounts a small file system of its own; False where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    return os.geteuid() == 0 and os.system(f"mount -t tmpfs -o size={bytes_} tmpfs '{folder}' 2>/dev/null") == 0
