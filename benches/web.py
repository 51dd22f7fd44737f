"""The servers that take part, and a browser of raw sockets."""
import json
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from measure import NotMeasured


def connect(port, timeout=20.0):
    """Once somebody listens there; tried again without a pause."""
    until = time.perf_counter() + timeout
    while True:
        stream = socket.socket()
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if stream.connect_ex(("127.0.0.1", port)) == 0:
            return stream
        stream.close()
        if time.perf_counter() > until:
            raise NotMeasured(f"nobody listens on port {port}")


def fetch(url, body=None):
    """One request: status, headers, body."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = f"{'GET' if body is None else 'POST'} {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    if body is not None:
        head += "Content-Type: application/x-www-form-urlencoded\r\n"
        head += f"Content-Length: {len(body)}\r\n"
    with connect(parts.port) as stream:
        stream.sendall(f"{head}Connection: close\r\n\r\n{body or ''}".encode())
        data = b""
        while chunk := stream.recv(65536):
            data += chunk
    head, _, content = data.decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split()[1]), headers, content


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Lines:
    """What a program prints, a line at a time."""

    def __init__(self, pipe):
        self.pipe = pipe
        self.rest = b""

    def next(self, timeout=20.0):
        while b"\n" not in self.rest:
            if not select.select([self.pipe], [], [], timeout)[0]:
                raise NotMeasured("the program said nothing")
            chunk = os.read(self.pipe.fileno(), 65536)
            if not chunk:
                raise NotMeasured("the program ended early")
            self.rest += chunk
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()


class Served:
    """A program that prints where it serves, and serves until it is stopped."""

    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.lines = Lines(self.process.stdout)
        self.address = self.lines.next()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


class Server(Served):
    """The authorization server."""

    def __init__(self):
        super().__init__([sys.executable, str(Path(__file__).parent / "server.py")])
        self.url = self.address

    def times(self):
        """Seconds that each request since the last call took, by path."""
        found = {}
        for path, seconds in json.loads(fetch(f"{self.url}/times")[2]):
            found.setdefault(path, []).append(seconds)
        return found

    def own_time(self):
        return sum(sum(times) for times in self.times().values())


class Raw(Served):
    """The server that does nothing."""

    def __init__(self, tools):
        super().__init__([str(tools.home / "raw")])
        self.url = f"http://{self.address}/"

    def round_trips(self, count):
        begun = time.perf_counter()
        for _ in range(count):
            fetch(self.url)
        return time.perf_counter() - begun
