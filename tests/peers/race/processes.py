"""Processes that are started on a processor of their own, and end with whoever started them."""

import select
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

START_SECONDS_MAX = 20
END_SECONDS_MAX = 10


class Failure(Exception):
    """A program didn't do what it should, in words."""


def on_processor(command: list[str], processor: int | None) -> list[str]:
    """The command, on this processor, ended by the kernel when this process ends."""
    pinned = [] if processor is None else ["taskset", "--cpu-list", str(processor)]
    return ["setpriv", "--pdeathsig", "KILL", *pinned, *command]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running process that listens somewhere."""

    def __init__(self, name: str, command: list[str], processor: int | None, address: str | None = None,
                 says: str = "listening on "):
        """It is waited for until it says where it listens, or where the address is given until it can be connected to."""
        self.name = name
        self.errors = tempfile.TemporaryFile("w+")
        self.began = time.monotonic()
        self.process = subprocess.Popen(on_processor(command, processor), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.errors, bufsize=0)
        try:
            self.address = self._said(says) if address is None else self._reached(address)
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        return self.process.pid

    def _left(self) -> float:
        return self.began + START_SECONDS_MAX - time.monotonic()

    def _failed(self, words: str) -> Failure:
        self.errors.seek(0)
        said = " / ".join(self.errors.read().strip().splitlines()[-3:])
        return Failure(f"{self.name} {words}" + (f": {said}" if said else ""))

    def _said(self, prefix: str) -> str:
        said = b""
        while select.select([self.process.stdout], [], [], max(self._left(), 0))[0]:
            more = self.process.stdout.read(4096)
            said += more
            for line in said.decode(errors="replace").split("\n")[:-1]:
                if line.startswith(prefix):
                    return line.removeprefix(prefix).strip()
            if not more:
                raise self._failed(f"ended with {self.process.wait()}")
        raise self._failed(f"didn't listen within {START_SECONDS_MAX} s")

    def _reached(self, address: str) -> str:
        host, port = address.rsplit(":", 1)
        while self._left() > 0:
            if self.process.poll() is not None:
                raise self._failed(f"ended with {self.process.returncode}")
            try:
                socket.create_connection((host, int(port)), 1).close()
                return address
            except OSError:
                time.sleep(0.02)
        raise self._failed(f"didn't listen within {START_SECONDS_MAX} s")

    def check(self) -> None:
        """Fails when it has ended meanwhile."""
        if self.process.poll() is not None:
            raise self._failed(f"ended with {self.process.returncode}")

    def end(self) -> None:
        """Asks it to end, and makes it."""
        for ask in (self.process.terminate, self.process.kill):
            ask()
            try:
                self.process.wait(END_SECONDS_MAX)
                break
            except subprocess.TimeoutExpired:
                continue
        self.process.stdout.close()
        self.errors.close()


class Scene:
    """Servers that run together, with a folder of their own. All of them end with it."""

    def __enter__(self) -> "Scene":
        self.servers: list[Server] = []
        self.temporary = tempfile.TemporaryDirectory(prefix="micronet-peers-")
        self.folder = Path(self.temporary.name)
        return self

    def start(self, name: str, command: list[str], processor: int | None, address: str | None = None,
              says: str = "listening on ") -> Server:
        server = Server(name, command, processor, address, says)
        self.servers.append(server)
        return server

    def __exit__(self, *_) -> None:
        for server in reversed(self.servers):
            server.end()
        self.temporary.cleanup()


def output_of(name: str, command: list[str], processor: int | None, seconds: float) -> str:
    """What a command writes to stdout; it may take so many seconds."""
    try:
        done = subprocess.run(on_processor(command, processor), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise Failure(f"{name} didn't end within {seconds:.0f} s") from None
    if done.returncode:
        said = " / ".join(done.stderr.strip().splitlines()[-3:])
        raise Failure(f"{name} ended with {done.returncode}: {said}")
    return done.stdout


def tree(pid: int) -> list[int]:
    """A process and those that it has started."""
    children = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        children += [int(child) for child in _text(thread).split()]
    return [pid] + [each for child in children for each in tree(child)]


def cpu_s(pid: int) -> float:
    """The processor time of all threads of a process and of those that it has started, in seconds."""
    threads = [thread for each in tree(pid) for thread in Path(f"/proc/{each}/task").glob("*/schedstat")]
    return sum(int((_text(thread).split() or [0])[0]) for thread in threads) / 1e9


def resident_kib(pid: int) -> int:
    """What a process and those that it has started have in memory."""
    lines = [line for each in tree(pid) for line in _text(Path(f"/proc/{each}/status")).splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def end_with_signals() -> None:
    """SIGTERM ends this as Ctrl-C does, so that nothing is left running."""
    def interrupt(*_):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)

