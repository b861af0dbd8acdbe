"""A PostgreSQL server in a temporary folder, from the programs of Debian's package postgresql."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

USER, PASSWORD = "postgres", "secret-of-the-database"
START_SECONDS, STOP_SECONDS = 60, 60


def find_programs() -> Path | None:
    """Return the folder of initdb and postgres; None if they are not installed."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else None


class Server:
    """A server on a free port of this machine, until the block ends."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._databases = 0

    def __enter__(self) -> Server:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        # initdb refuses to run as root. Debian's package makes this user.
        self._run_as: dict[str, Any] = {"user": USER, "group": USER, "extra_groups": []} if os.getuid() == 0 else {}
        if self._run_as:
            shutil.chown(folder, USER, USER)
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)  # the folder is closed to other users
        options = ["-D", "data", "-U", USER, "--auth", "scram-sha-256", "--pwfile", "password", "--encoding", "UTF8"]
        subprocess.run(
            [self._programs / "initdb", *options],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=START_SECONDS,
            **self._run_as,
        )
        self.port = _free_port()
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-k", str(folder)]
        self._log = (folder / "log").open("w")
        self._process = subprocess.Popen(
            [self._programs / "postgres", "-D", "data", *address], cwd=folder, stderr=self._log, **self._run_as
        )
        self._wait_until_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGINT)  # ends the connections that are left
        self._process.wait(STOP_SECONDS)
        self._log.close()
        self._folder.cleanup()

    def create_database(self) -> str:
        """Return the address of a new, empty database."""
        self._databases += 1
        name = f"study{self._databases}"
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    @property
    def version(self) -> str:
        """Name and version of the server."""
        with self._connect() as connection:
            return f"PostgreSQL {connection.info.server_version // 10000}.{connection.info.server_version % 10000}"

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=PASSWORD,
            dbname=USER,
            autocommit=True,
            connect_timeout=START_SECONDS,
        )

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                self._connect().close()
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
            else:
                return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
