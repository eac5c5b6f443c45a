"""A real image registry on loopback that takes one user and one password, as ECR does."""

import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import needs

USER = "AWS"
PASSWORD = "easy-to-find-where-it-leaks"
CONFIG = """\
version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: "{folder}/images"}}
  delete: {{enabled: true}}
http: {{addr: "{host}"}}
auth:
  htpasswd: {{realm: tests, path: "{folder}/htpasswd"}}
"""
ACCESS = re.compile(r'"(\w+) (/v2/\S*) HTTP/[\d.]+" (\d+)')


@dataclass
class Registry:
    """A running registry."""

    host: str
    log: Path

    def requests(self) -> list[tuple[str, str, int]]:
        """Return method, path and status of every call, oldest first."""
        return [(method, path, int(status)) for method, path, status in ACCESS.findall(self.log.read_text())]

    def uploads(self) -> list[str]:
        """Paths of what was really uploaded: the ends of blobs' uploads, and manifests."""
        return [path for method, path, status in self.requests() if method == "PUT" and status == 201]


@contextmanager
def running(folder: Path, password: str = PASSWORD) -> Iterator[Registry]:
    """Start an empty registry, and end it afterwards; its files and log go to the folder."""
    program = needs.need_registry()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{listener.getsockname()[1]}"
    folder.mkdir(parents=True, exist_ok=True)
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    (folder / "htpasswd").write_text(f"{USER}:{hashed}\n")
    (folder / "config.yml").write_text(CONFIG.format(folder=folder, host=host))
    log = folder / "registry.log"
    with log.open("w") as output:
        # The registry ends when its input does, at the latest with the process that has started it.
        guard = ["sh", "-c", 'trap : INT TERM; "$@" & read _; kill $!; wait', "sh"]
        command = [*guard, program, "serve", str(folder / "config.yml")]
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.PIPE)
    try:
        _wait(host, log)
        yield Registry(host, log)
    finally:
        process.communicate(timeout=120)


def _wait(host: str, log: Path) -> None:
    for _ in range(1200):
        try:
            urllib.request.urlopen(f"http://{host}/v2/", timeout=5)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"docker-registry did not start:\n{log.read_text()}")
