"""Sections (a) a cached token, (c) a refresh, (d) exec, (f) status."""
import json
import os

from measure import (
    NotMeasured, Row, allocations, duration, in_turn, instructions, not_measured, peak_memory,
    private_memory, row, run, spread, system_calls, verdict,
)
from ortie import Ortie
from web import Server


def cached(tools, times):
    """(a) Printing a token that is valid."""
    path = str(tools.token_file())
    environment = tools.environment()
    contenders = {"empty": [tools.empty], "ours": [tools.ours, "token"]}
    with_options = [tools.ours, "token", "--profile", "default", "--min-ttl", "5m"]
    contenders["ours, options that clap parses"] = with_options
    contenders["cat of the file"] = ["/bin/cat", path]
    slow, rows = {"empty": [tools.empty]}, []
    if "curl and jq" not in tools.missing:
        slow["jq"] = ["/usr/bin/env", "jq", "-r", ".access_token", path]
    if "python" in tools.missing:
        rows.append(not_measured("a", "requests-oauthlib", tools.missing["python"]))
    else:
        slow["requests-oauthlib"] = [tools.python, tools.peer("oauthlib_token.py"), path]
    try:
        with Server() as server:
            slow["ortie token show"] = Ortie(tools, server).logged_in("token", "show")
    except NotMeasured as why:
        rows.append(not_measured("a", "ortie token show", why))

    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        runs = in_turn(contenders, times, environment, tools.copy)
        runs_of_slow = in_turn(slow, max(times // 20, 5), environment)
    finally:
        os.sched_setaffinity(0, before)
    quick = rows
    rows = []
    for found in (runs, runs_of_slow):
        for name in list(found)[1:]:
            pairs = found[name], found["empty"]
            wall, cpu = ([[getattr(run, what) for run in runs] for runs in pairs] for what in ("wall", "cpu"))
            bar = 1.2 if name == "ours" else None
            rows.append(row("a", f"wall, {name} / empty program", *wall, bar))
            if name == "ours":
                faults = sum(r.faults for r in found[name]) / sum(r.faults for r in found["empty"])
                rows.append(row("a", f"CPU, {name} / empty program", *cpu))
                rows.append(Row("a", "page faults, ours / empty program", f"{faults:.2f}", "", ""))
    return rows + quick + counts(tools, environment, path)


def counts(tools, environment, path):
    """What does not depend on the moment."""
    rows = []
    programs = {
        "empty program": [tools.empty],
        "ours": [tools.ours, "token"],
        "cat of the file": ["/bin/cat", path],
    }
    try:
        memory = {name: peak_memory(command, environment) for name, command in programs.items()}
        for name, found in memory.items():
            middle, low, high = spread(found)
            base = spread(memory["empty program"])[0]
            text = f"{middle:.0f} KiB ({low:.0f} to {high:.0f})"
            rows.append(Row("a", f"peak memory, {name}", f"{middle / base:.2f}", "", text))
    except NotMeasured as why:
        rows.append(not_measured("a", "peak memory", why))
    private = spread([private_memory(programs["ours"], environment) for _ in range(21)])[0]
    rows.append(Row("a", "private memory (RssAnon), ours", "", "", f"{private:.0f} KiB",
                    f"{verdict(private / 1024, 0.6)} MiB"))
    for what, count in (("system calls", lambda c: system_calls(c, environment)[0]),
                        ("instructions", lambda c: instructions(c, environment)),
                        ("allocations", lambda c: allocations(c, environment))):
        try:
            base = count(programs["empty program"])
            for name in ("ours", "cat of the file"):
                found = count(programs[name])
                rows.append(Row("a", f"{what}, {name}", f"{found / base:.2f}", "", f"{found} of {base}"))
        except NotMeasured as why:
            rows.append(not_measured("a", what, why))
    try:
        found = system_calls(programs["ours"], environment)[1]
        rows.append(Row("a", "threads and sockets, ours", str(len(found)), "", "", verdict(len(found), 0)))
    except NotMeasured as why:
        rows.append(not_measured("a", "threads and sockets", why))
    return rows


def keychain(tools, times):
    """(j) A token from a keychain, less the time of the helper that keeps it."""
    path = tools.token_file()
    token = json.loads(path.read_text())
    entry = "00000000-0000-4000-8000-000000000000"
    secrets = {name: token.pop(name) for name in ("access_token", "refresh_token")}
    path.write_text(json.dumps(token | {"keychain": "bench", "keychain_id": entry}))
    answer = tools.work / "answer.json"
    answer.write_text(json.dumps({"Username": "yandex-token", "Secret": json.dumps(secrets)}))
    helper = tools.work / "docker-credential-bench"
    helper.write_text(f"#!/bin/sh\nread url\nexec cat {answer}\n")
    helper.chmod(0o755)
    environment = tools.environment(PATH=f"{tools.work}:{os.environ['PATH']}")
    contenders = {"empty": [tools.empty], "helper": [str(helper), "get"], "ours": [tools.ours, "token"]}
    # Without standard input the helper's `read` fails, and it goes on.
    walls = {
        name: [run.wall for run in runs]
        for name, runs in in_turn(contenders, max(times // 3, 10), environment, tools.copy).items()
    }
    path.unlink()
    own = [ours - helper for ours, helper in zip(walls["ours"], walls["helper"])]
    found = row("j", "token from a keychain, less its helper / empty program", own, walls["empty"])
    found.bar = f"{verdict(spread(own)[0] * 1e3, 2)} ms"
    return [found]


def refresh(tools, times):
    """(c) A refresh, with the new token on the disk, less the server's time."""
    rows = []
    with Server() as server:
        tools.token_file(server=server.url)
        path = str(tools.token_file("peers", server=server.url))
        environment = tools.environment(
            YANDEX_OAUTH_URL=server.url, YANDEX_CLIENT_SECRET="bench-secret", OAUTHLIB_INSECURE_TRANSPORT="1",
        )
        contenders = {"ours": [tools.ours, "refresh"]}
        for name, tool, command in (
            ("curl with jq", "curl and jq", [tools.peer("curl_refresh.sh"), path, server.url]),
            ("requests-oauthlib", "python",
             [tools.python, tools.peer("oauthlib_token.py"), path, server.url]),
        ):
            if tool in tools.missing:
                rows.append(not_measured("c", name, tools.missing[tool]))
            else:
                contenders[name] = command
        try:
            contenders["ortie (no sync)"] = Ortie(tools, server).logged_in("token", "refresh")
        except NotMeasured as why:
            rows.append(not_measured("c", "ortie", why))
        took = {name: [] for name in contenders}
        empty = []
        for _ in range(max(times // 20, 5)):
            empty.append(run([tools.empty], environment).wall)
            for name, command in contenders.items():
                server.times()
                wall = run(command, environment).wall
                asked = server.times()
                if len(asked.get("/token", [])) != 1:
                    raise NotMeasured(f"{name} made {asked} instead of one request")
                took[name].append(wall - sum(asked["/token"]))
    rows.insert(0, row("c", "refresh, ours / empty program", took["ours"], empty))
    for name in list(took)[1:]:
        rows.append(row("c", f"refresh, {name} / ours", took[name], took["ours"]))
    return rows


def execute(tools, times):
    """(d) exec against env."""
    tools.token_file()
    runs = in_turn(
        {
            "env": ["/usr/bin/env", "YANDEX_TOKEN=token", "/bin/true"],
            "ours": [tools.ours, "exec", "--", "/bin/true"],
        },
        max(times // 4, 5), tools.environment(), tools.copy,
    )
    wall = {name: [run.wall for run in found] for name, found in runs.items()}
    return [row("d", "exec -- true, ours / env", wall["ours"], wall["env"])]


def status(tools, times):
    """(f) status with more and more profiles."""
    for old in (tools.work / "yandex-token").glob("*.json"):
        old.unlink()
    found, environment, known = {}, tools.environment(), 0
    for count in (1, 100, 1000):
        for number in range(known, count):
            tools.token_file(profile=f"profile-{number:04}")
        known = count
        runs = in_turn(
            {"empty": [tools.empty], "status": [tools.ours, "status"]}, max(times // 10, 10), environment,
        )
        found[count] = {name: [run.wall for run in those] for name, those in runs.items()}
    for old in (tools.work / "yandex-token").glob("*.json"):
        old.unlink()
    rows = [
        row("f", f"status, {count} saved / empty program", walls["status"], walls["empty"])
        for count, walls in found.items()
    ]
    one, hundred, thousand = (spread(found[count]["status"])[0] for count in found)
    few, many = (hundred - one) / 99, (thousand - one) / 999
    rows.append(
        Row("f", "a profile more, of 1000 / of 100", f"{many / few:.2f}", "",
            f"{duration(many)} each", verdict(many / few, 1.25))
    )
    return rows
