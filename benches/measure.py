"""Runs programs in turn, and makes ratios of what they took."""
import os
import re
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass

NULL = os.open(os.devnull, os.O_RDWR)


class NotMeasured(Exception):
    """Why there is no figure."""


@dataclass
class Row:
    section: str
    what: str
    ratio: str
    spread: str
    absolute: str
    bar: str = ""


def not_measured(section, what, why):
    return Row(section, what, "not measured:", "", str(why).replace("\n", " ")[:100])


@dataclass
class Run:
    wall: float
    cpu: float
    faults: int


def spawn(command, environment, stdout=NULL, stderr=2):
    actions = [
        (os.POSIX_SPAWN_DUP2, NULL, 0),
        (os.POSIX_SPAWN_DUP2, stdout, 1),
        (os.POSIX_SPAWN_DUP2, stderr, 2),
    ]
    return os.posix_spawn(command[0], command, environment, file_actions=actions)


def run(command, environment):
    """One run from its start to its end."""
    begun = time.perf_counter()
    pid = spawn(command, environment)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - begun
    if status:
        raise NotMeasured(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_minflt)


def in_turn(contenders, times, environment, fresh=lambda: None):
    """Each contender once, `times` times, forwards and backwards in turn, so
    that whatever disturbs the machine disturbs all of them. `fresh` is called
    now and then; see `Tools.copy`."""
    runs = {name: [] for name in contenders}
    for number in range(times):
        if number % 25 == 0:
            fresh()
            for command in contenders.values():
                run(command, environment)
        names = list(contenders)
        for name in names if number % 2 else reversed(names):
            runs[name].append(run(contenders[name], environment))
    return runs


def spread(values):
    """Median, first and ninth decile."""
    if len(values) < 2:
        return (values[0],) * 3
    deciles = statistics.quantiles(values, n=10)
    return statistics.median(values), deciles[0], deciles[-1]


def ratios(values, base):
    """Of pairs from the same turn."""
    return [value / other for value, other in zip(values, base)]


def row(section, what, values, base, bar=None, note=""):
    """A row of times, as a ratio to those of the base in the same turns.
    `bar`: the median must not be above it."""
    middle, low, high = spread(ratios(values, base))
    return Row(
        section,
        what,
        f"{middle:.2f}",
        f"{low:.2f} to {high:.2f}",
        f"{duration(statistics.median(values))}{note}",
        verdict(middle, bar),
    )


def verdict(value, bar):
    if bar is None:
        return ""
    return f"{'met' if value <= bar else 'MISSED'}: at most {bar:g}"


def duration(seconds):
    if abs(seconds) < 0.001:
        return f"{seconds * 1e6:.0f} us"
    return f"{seconds * 1e3:.2f} ms" if abs(seconds) < 1 else f"{seconds:.2f} s"


def peak_memory(command, environment, times=21):
    """In KiB, as GNU time has it: a small program starts the one that is
    measured, since the starter's memory would count too."""
    if not shutil.which("/usr/bin/time"):
        raise NotMeasured("/usr/bin/time is missing (Debian: time)")
    found = []
    for _ in range(times):
        done = subprocess.run(
            ["/usr/bin/time", "-f", "%M", *command],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        found.append(int(done.stderr.split()[-1]))
    return found


def private_memory(command, environment):
    """RssAnon in KiB when it prints: held there by a pipe that is full."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writer, True)
    os.set_inheritable(writer, True)
    pid = spawn(command, environment, writer)
    try:
        while not status_of(pid, "State").startswith("S"):
            time.sleep(0.001)
        return int(status_of(pid, "RssAnon").split()[0])
    finally:
        os.close(reader)
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(writer)


def status_of(pid, field):
    """A line of /proc/PID/status."""
    with open(f"/proc/{pid}/status") as file:
        return next(line.split(":", 1)[1].strip() for line in file if line.startswith(f"{field}:"))


def system_calls(command, environment):
    """How many, and which that a cached token needs least."""
    if not shutil.which("strace"):
        raise NotMeasured("strace is missing")
    done = subprocess.run(
        ["strace", "-f", "-qq", *command],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )
    if done.returncode:
        raise NotMeasured(f"strace: {done.stderr.strip().splitlines()[-1]}")
    calls = re.findall(r"^(?:\[pid +\d+\] )?(\w+)\(", done.stderr, re.M)
    return len(calls), [call for call in calls if call in ("socket", "clone", "clone3")]


def instructions(command, environment):
    return under_valgrind(command, environment, r"Collected : ([\d,]+)", "--tool=callgrind", "--callgrind-out-file=/dev/null")


def allocations(command, environment):
    return under_valgrind(command, environment, r"total heap usage: ([\d,]+) allocs")


def under_valgrind(command, environment, figure, *options):
    if not shutil.which("valgrind"):
        raise NotMeasured("valgrind is missing")
    done = subprocess.run(
        ["valgrind", *options, *command],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )
    if not (found := re.search(figure, done.stderr)):
        raise NotMeasured(f"valgrind: {done.stderr.strip().splitlines()[-1]}")
    return int(found[1].replace(",", ""))
