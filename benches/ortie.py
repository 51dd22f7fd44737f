"""ortie, https://crates.io/crates/ortie, with a file for its storage."""
import json
import subprocess

from measure import NotMeasured
from web import fetch, free_port


class Ortie:
    def __init__(self, tools, server):
        tools.need("ortie")
        self.tools = tools
        self.port = free_port()
        self.config = tools.work / "ortie.toml"
        self.storage = tools.work / "ortie.json"
        self.config.write_text(f"""
[accounts.bench]
default = true
client-id = "bench"
client-secret.raw = "bench-secret"
endpoints.authorization = "{server.url}/authorize"
endpoints.token = "{server.url}/token"
endpoints.redirection = "http://127.0.0.1:{self.port}/"
scopes = ["login:info"]
storage.read.command = ["cat", "{self.storage}"]
storage.write.command = "cat >{self.storage}"
""")
        self.command = [tools.ortie, "-c", str(self.config)]

    def logged_in(self, *command):
        """The command, once a login has stored a token for it."""
        begun = json.loads(self.output("--json", "auth", "get"))
        redirected = fetch(begun["authorization_uri"])[1]["location"]
        # Each may begin with a dash, which is an option only without the `=`.
        state, verifier = f"--state={begun['state']}", f"--pkce={begun['pkce_code_verifier']}"
        self.output("auth", "resume", state, verifier, redirected)
        return [*self.command, *command]

    def output(self, *arguments):
        done = subprocess.run(
            [*self.command, *arguments], env=self.tools.environment(), capture_output=True, text=True,
        )
        if done.returncode:
            raise NotMeasured(f"ortie {arguments[0]}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout
