"""A PostgreSQL of one's own, from Debian's package: encrypted, with a password, on a free port of 127.0.0.1."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import needs

CERTIFICATE = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout server.key -out server.crt"
SECONDS = "120"


@dataclass(frozen=True)
class Postgres:
    """A server with the database `airflow`, which belongs to the user `airflow`."""

    port: int
    password: str
    programs: Path

    def query(self, sql: str) -> str:
        """Return what the database answers, without headings."""
        command = [str(self.programs / "psql"), "-XAtc", sql, "-h", "127.0.0.1", "-p", str(self.port)]
        env = {"PGPASSWORD": self.password, "PGSSLMODE": "require", "PATH": os.environ["PATH"]}
        done = subprocess.run(
            [*command, "-U", "airflow", "airflow"], env=env, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()


def free_port() -> int:
    """Return a port of the loopback address that nobody uses at present."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def running(password: str) -> Iterator[Postgres]:
    """Run a server for the length of a `with`; it refuses whatever is not encrypted, as RDS does."""
    programs = needs.need_postgres()
    # PostgreSQL refuses to be root.
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="terraflow-postgres-") as name:
        folder = Path(name)
        if user:
            shutil.chown(folder, user)

        def run(*command: str) -> None:
            env = {"PATH": f"{programs}:{os.environ['PATH']}", "LC_ALL": "C"}
            # No pipe: the server would keep its end.
            with (folder / "said").open("w+") as said:
                done = subprocess.run(
                    command,
                    user=user,
                    cwd=folder,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    check=False,
                )
                said.seek(0)
                assert done.returncode == 0, f"{command}: {said.read()}"

        (folder / "password").write_text(password)
        run("initdb", "-D", "data", "-U", "airflow", "-A", "scram-sha-256", "--pwfile", "password", "-N")
        run("bash", "-c", f"cd data && {CERTIFICATE} && chmod 600 server.key")
        (folder / "data/pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\nlocal all all trust\n")
        port = free_port()
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c ssl=on -c fsync=off"
        run("pg_ctl", "-D", "data", "-w", "-t", SECONDS, "-l", "log", "-o", options, "start")
        try:
            run("createdb", "-h", str(folder), "-p", str(port), "-U", "airflow", "airflow")
            yield Postgres(port, password, programs)
        finally:
            run("pg_ctl", "-D", "data", "-m", "immediate", "stop")
