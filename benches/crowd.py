"""Sections (e) many processes at once, (i) size and build time."""
import os
import subprocess
import tempfile
import time

from measure import NotMeasured, Row, duration, not_measured, spawn, spread, verdict
from tools import ROOT, call
from web import Server

COUNTS = (1, 10, 100, 200, 1000)


def at_once(command, count, environment):
    """Seconds from the first start to the last end, and what was printed."""
    with tempfile.TemporaryFile() as output:
        os.set_inheritable(output.fileno(), True)
        appending = os.open(f"/proc/self/fd/{output.fileno()}", os.O_WRONLY | os.O_APPEND)
        begun = time.perf_counter()
        pids = [spawn(command, environment, appending) for _ in range(count)]
        statuses = [os.waitpid(pid, 0)[1] for pid in pids]
        took = time.perf_counter() - begun
        os.close(appending)
        output.seek(0)
        printed = output.read().decode().splitlines()
    if any(statuses):
        raise NotMeasured(f"{sum(map(bool, statuses))} of {count} failed")
    return took, printed


def crowd(tools, times):
    """(e) Of any number of processes on an expired token, one asks."""
    rounds, rows = max(times // 100, 3), []
    with Server() as server:
        environment = tools.environment(YANDEX_OAUTH_URL=server.url, YANDEX_CLIENT_SECRET="bench-secret")
        for kind, left in (("valid", 31_000_000), ("expired", -60)):
            took, empty, asked = {}, {}, {}
            for count in [count for count in COUNTS for _ in range(rounds * max(30 // count, 1))]:
                tools.token_file(server=server.url, left=left)
                server.times()
                seconds, printed = at_once([tools.ours, "token"], count, environment)
                if len(printed) != count or len(set(printed)) != 1:
                    raise NotMeasured(f"{count} processes printed {len(set(printed))} tokens")
                took.setdefault(count, []).append(seconds)
                asked.setdefault(count, []).append(len(server.times().get("/token", [])))
                empty.setdefault(count, []).append(at_once([tools.empty], count, environment)[0])
            rows += growth(kind, took, empty, asked, most=0 if kind == "valid" else 1)
    return rows


def growth(kind, took, empty, asked, most):
    rows = []
    one, one_empty = spread(took[1])[0], spread(empty[1])[0]
    if most:
        each = spread(took[200])[0] / 200
        rows.append(Row("e", f"200 at once, {kind} token, time of each", "", "", duration(each),
                        f"{verdict(each * 1e3, 1)} ms"))
    for count in COUNTS[1:]:
        middle, low, high = (seconds / one for seconds in spread(took[count]))
        # Starting that many takes its time whatever they are.
        bar = max(count, spread(empty[count])[0] / one_empty)
        rows.append(
            Row("e", f"{count} at once, {kind} token / 1", f"{middle:.1f}", f"{low:.1f} to {high:.1f}",
                f"{duration(middle * one)}; empty programs: {spread(empty[count])[0] / one_empty:.1f}",
                verdict(middle, round(bar, 1)))
        )
    requests = max(max(found) for found in asked.values())
    rows.append(
        Row("e", f"requests at the server, {kind} token, at most", str(requests), "", "", verdict(requests, most))
    )
    return rows


def build(tools, times):
    """(i) The binary's size and the time that it takes to build."""
    size, empty = (os.stat(path).st_size for path in (tools.ours, tools.empty))
    rows = [
        Row("i", "size of the binary / empty program", f"{size / empty:.1f}", "",
            f"{size / 1e6:.2f} MB", f"{verdict(size / 1e6, 3.6)} MB")
    ]
    what = "build from nothing / empty program"
    if times < 300:
        return rows + [not_measured("i", what, "left out by --quick")]
    target = tools.home / "build"
    subprocess.run(["rm", "-rf", target], check=True)
    begun = time.perf_counter()
    call("cargo", "build", "--release", "--locked", "--target-dir", str(target), cwd=str(ROOT))
    took = time.perf_counter() - begun
    subprocess.run(["rm", "-rf", target], check=True)
    rows.append(Row("i", what, f"{took / tools.empty_build_time:.0f}", "", duration(took)))
    return rows
