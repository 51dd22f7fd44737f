"""Sections (b) the login loop, (g) idle connections, (h) the sandbox."""
import base64
import hashlib
import os
import signal
import subprocess
import time
from urllib.parse import urlencode

from measure import (
    NotMeasured, Row, duration, not_measured, ratios, row, run, spread, status_of, verdict,
)
from web import Lines, Raw, Served, Server, connect, fetch, free_port


class Login:
    """One login from its start to its end, by a browser of raw sockets."""

    def __init__(self, command, environment, port, server, idle=0):
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        try:
            connect(port).close()
            self.ready = time.perf_counter() - begun
            waiting = [connect(port) for _ in range(idle)]
            if idle:
                # Once this is answered, those before it have been let in.
                fetch(f"http://127.0.0.1:{port}/favicon.ico")
            authorize = self.authorize_url(process, port)
            callback = fetch(authorize)[1]["location"]
            own_before = server.own_time()
            self.threads = threads(process.pid)
            called = time.perf_counter()
            status, headers, page = fetch(callback)
            answered = time.perf_counter()
            self.threads = max(self.threads, threads(process.pid))
            token = Lines(process.stdout).next()
            printed = time.perf_counter()
            if status == 303:
                page = fetch(headers["location"])[2]
            process.wait(20)
            ended = time.perf_counter()
            for stream in waiting:
                stream.close()
            own = server.own_time()
        except BaseException:
            process.kill()
            raise
        finally:
            process.wait()
            process.stdout.close()
            process.stderr.close()
        if process.returncode or not token.startswith("y0_bench") or not page:
            raise NotMeasured(f"{command[0]}: status {process.returncode}, {token!r}")
        self.to_token = printed - called - own
        self.to_answer = answered - called - own
        self.to_end = ended - begun - own_before - own


def threads(pid):
    return int(status_of(pid, "Threads"))


class Ours(Login):
    def __init__(self, tools, server, idle=0):
        port = free_port()
        command = [
            tools.ours, "login", "--no-browser", "--client-id", "bench", "--oauth-url", server.url,
            "--redirect-uri", f"http://127.0.0.1:{port}/",
        ]
        super().__init__(command, tools.environment(), port, server, idle)

    def authorize_url(self, process, _port):
        said = Lines(process.stderr)
        while True:
            for word in said.next().split():
                if "/authorize?" in word:
                    return word


class Flask(Login):
    def __init__(self, tools, server):
        port = free_port()
        command = [tools.python, tools.peer("flask_login.py"), server.url, str(port)]
        super().__init__(command, tools.environment(), port, server)

    def authorize_url(self, _process, port):
        return fetch(f"http://127.0.0.1:{port}/")[1]["location"]


def login(tools, times):
    """(b) The login loop, against its round trips to a server that does
    nothing and an empty process."""
    ours, flask, floor_of_token, floor_of_all, floor_of_start = [], [], [], [], []
    with Server() as server, Raw(tools) as raw:
        for number in range(max(times // 10, 5)):
            start = run([tools.empty], tools.environment()).wall
            floor_of_start.append(start)
            # The callback, and the code for a token.
            floor_of_token.append(raw.round_trips(2))
            # And before these: is it there, and the authorize URL; after: the page.
            floor_of_all.append(raw.round_trips(5) + start)
            ours.append(Ours(tools, server))
            if "python" not in tools.missing and number % 5 == 0:
                flask.append(Flask(tools, server))
    column = lambda logins, what: [getattr(login, what) for login in logins]
    rows = [
        row("b", "start to listening, ours / empty program", column(ours, "ready"), floor_of_start),
        row("b", "callback to token, ours / 2 round trips", column(ours, "to_token"), floor_of_token, 2.5),
        row("b", "start to exit, ours / 5 round trips and an empty program",
            column(ours, "to_end"), floor_of_all, 2.2),
    ]
    most = max(column(ours, "threads"))
    rows.append(Row("b", "threads of a login, at most", str(most), "", "", verdict(most, 8)))
    if not flask:
        return rows + [not_measured("b", "Flask", tools.missing["python"])]
    ours = ours[::5][: len(flask)]
    faster = ratios(column(flask, "ready"), column(ours, "ready"))
    middle, low, high = spread(faster)
    met = "met" if middle >= 50 else "MISSED"
    rows.append(
        Row("b", "start to listening, Flask / ours", f"{middle:.0f}", f"{low:.0f} to {high:.0f}",
            duration(spread(column(flask, "ready"))[0]), f"{met}: at least 50")
    )
    for what, name in (("to_token", "callback to token"), ("to_end", "start to exit")):
        rows.append(row("b", f"{name}, Flask / ours", column(flask, what), column(ours, what)))
    return rows


def idle(tools, times):
    """(g) The callback's latency while others keep connections open."""
    counts, found = (0, 10, 100, 1000), {}
    with Server() as server:
        for _ in range(max(times // 30, 5)):
            for count in counts:
                found.setdefault(count, []).append(Ours(tools, server, count).to_answer)
    return [
        row("g", f"callback with {count} idle connections / with none", found[count], found[0],
            1.25 if count else None)
        for count in counts
    ]


def sandbox(tools, times):
    """(h) The sandbox: requests a second, and memory after many logins."""
    logins = 10_000 if times >= 300 else 500
    command = [tools.ours, "sandbox", "--consent", "allow"]
    with Served(command, tools.environment()) as served, Raw(tools) as raw:
        address = served.address.split("=", 1)[1]
        client_id = served.lines.next().split("=", 1)[1]
        before, took, floor = memory(served.process.pid), [], []
        for number in range(logins):
            took.append(sandbox_login(address, client_id))
            if number % 20 == 0:
                floor.append(raw.round_trips(2))
        after = memory(served.process.pid)
        served.process.send_signal(signal.SIGINT)
    seconds = sum(took)
    return [
        row("h", "a login (2 requests) at the sandbox / 2 round trips", took[::20], floor,
            note=f", {2 * logins / seconds:.0f} requests/s"),
        Row("h", f"memory after {logins} logins / after none", f"{after / before:.2f}", "",
            f"{after} KiB ({(after - before) / logins:.2f} KiB a login)"),
    ]


def sandbox_login(address, client_id):
    verifier = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
    digest = hashlib.sha256(verifier.encode()).digest()
    asked = {
        "response_type": "code", "client_id": client_id, "redirect_uri": "http://127.0.0.1:8000/",
        "state": "state", "code_challenge_method": "S256",
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
    }
    asked = urlencode(asked)
    begun = time.perf_counter()
    status, headers, _ = fetch(f"{address}/authorize?{asked}")
    if status not in (302, 303):
        raise NotMeasured(f"the sandbox answered {status} to an authorization request")
    code = headers["location"].split("code=")[1].split("&")[0]
    form = {"grant_type": "authorization_code", "code": code, "client_id": client_id, "code_verifier": verifier}
    status, _, body = fetch(f"{address}/token", urlencode(form))
    took = time.perf_counter() - begun
    if status != 200:
        raise NotMeasured(f"the sandbox answered {status}: {body}")
    return took


def memory(pid):
    return int(status_of(pid, "VmRSS").split()[0])
