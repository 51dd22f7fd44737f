"""Builds and finds what takes part. Everything goes to `target/bench`; what is
there already is used again."""
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from measure import NotMeasured

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ORTIE = "2.3.0"
RUSTC = ["rustc", "--edition=2024", "-Copt-level=z", "-Clto", "-Ccodegen-units=1", "-Cstrip=symbols"]


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def call(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        last = done.stdout.strip().splitlines()[-1:] or ["no output"]
        raise NotMeasured(f"{command[0]}: {last[0]}")


class Tools:
    def __init__(self, peers=True):
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self.target = target.resolve()
        self.home = self.target / "bench"
        self.bin = self.home / "bin"
        self.work = self.home / "work"
        shutil.rmtree(self.work, ignore_errors=True)
        for directory in (self.bin, self.work):
            directory.mkdir(parents=True, exist_ok=True)
        self.missing = {}
        say("building the release binary and an empty program")
        call("cargo", "build", "--release", "--locked", cwd=ROOT)
        begun = time.perf_counter()
        for name in ("empty", "raw"):
            call(*RUSTC, "-o", str(self.home / name), str(HERE / "peers" / f"{name}.rs"))
        self.empty_build_time = (time.perf_counter() - begun) / 2
        self.copy()
        if not peers:
            return
        self.try_to("python", self.make_venv)
        self.try_to("ortie", self.install_ortie)
        self.try_to("curl and jq", self.find_curl)

    def try_to(self, name, build):
        """A peer that can't be had is left out, and the table says why."""
        try:
            build()
        except (NotMeasured, OSError) as why:
            self.missing[name] = str(why)

    def need(self, name):
        if name in self.missing:
            raise NotMeasured(self.missing[name])

    def copy(self):
        """Copies the two programs afresh, by the same means: how a file lies in
        the page cache moves its start by a tenth and more, either way."""
        for name, source in (
            ("yandex-token", self.target / "release" / "yandex-token"),
            ("empty", self.home / "empty"),
        ):
            copy = self.bin / f"{name}.new"
            shutil.copyfile(source, copy)
            copy.chmod(0o755)
            copy.rename(self.bin / name)

    @property
    def ours(self):
        return str(self.bin / "yandex-token")

    @property
    def empty(self):
        return str(self.bin / "empty")

    @property
    def python(self):
        return str(self.home / "venv" / "bin" / "python")

    @property
    def ortie(self):
        return str(self.home / "bin" / "ortie")

    def peer(self, name):
        return str(HERE / "peers" / name)

    def make_venv(self):
        if not Path(self.python).exists():
            say("making a virtual environment with Flask, requests and requests-oauthlib")
            call(sys.executable, "-m", "venv", str(self.home / "venv"))
        wanted = "import flask, requests, requests_oauthlib"
        if subprocess.run([self.python, "-c", wanted], stderr=subprocess.DEVNULL).returncode:
            call(self.python, "-m", "pip", "install", "-q", "flask", "requests", "requests-oauthlib")

    def install_ortie(self):
        if not Path(self.ortie).exists():
            say(f"installing ortie {ORTIE} from crates.io; this takes minutes")
            call(
                "cargo", "install", "--locked", f"ortie@{ORTIE}", "--root", str(self.home),
                "--target-dir", str(self.home / "ortie-build"),
            )

    def find_curl(self):
        absent = [name for name in ("curl", "jq") if not shutil.which(name)]
        if absent and os.geteuid() == 0 and shutil.which("apt-get"):
            call("apt-get", "install", "-y", "--no-install-recommends", *absent)
        elif absent:
            raise NotMeasured(f"{' and '.join(absent)} missing")

    def environment(self, **more):
        """Nothing of the caller's but what programs need to start."""
        clean = {"PATH": os.environ["PATH"], "HOME": str(self.work), "LANG": "C.UTF-8"}
        return clean | {"XDG_DATA_HOME": str(self.work)} | more

    def token_file(self, profile="default", server="https://oauth.yandex.com", left=31_000_000):
        """A saved token, with a refresh token that the bench's server takes."""
        directory = self.work / "yandex-token"
        directory.mkdir(mode=0o700, exist_ok=True)
        path = directory / f"{profile}.json"
        token = {
            "access_token": "y0_AgAAAABbenchbenchbenchbenchbenchbenchbenchbenchbenchbe",
            "token_type": "bearer",
            "refresh_token": "refresh00000000",
            "scope": "login:info",
            "issued_at": int(time.time()) - 1,
            "expires_at": int(time.time()) + left,
            "client_id": "bench",
            "oauth_url": server,
        }
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            json.dump(token, file)
        return path
