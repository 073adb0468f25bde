"""A PostgreSQL of its own for the Prefect server: a new one, which ends with the run."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.kit.until import until

#: Where Debian has the programs, which are not on its path.
_DEBIAN = "/usr/lib/postgresql"

#: Who runs it where root runs the bench, which PostgreSQL refuses to be run by.
_USERS = ("postgres", "nobody")


@contextmanager
def postgres() -> Iterator[str]:
    """Starts PostgreSQL with an empty database; yields the URL for the Prefect server.

    It listens on a socket in a temporary folder, and on no port.

    Raises:
        SystemExit: It is not installed.
    """
    initdb, server = _program("initdb"), _program("postgres")
    user = _user()
    with TemporaryDirectory(prefix="folder-pg-", dir="/tmp") as folder:
        home = Path(folder)
        if user is not None:
            os.chown(home, user.pw_uid, user.pw_gid)
        data = home / "data"
        options = ["--username=prefect", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        made = subprocess.run(
            [initdb, "--pgdata", str(data), "--no-sync", *options],
            check=False,
            text=True,
            capture_output=True,
            **_as(user, home),
        )
        assert made.returncode == 0, made.stderr
        with (home / "postgres.log").open("w+") as log:
            settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={home}"]
            process = subprocess.Popen(
                [server, "-D", str(data), *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                **_as(user, home),
            )
            try:
                # The last line of this file says that it is ready.
                pid_file = data / "postmaster.pid"
                until(lambda: process.poll() is not None or _is_ready(pid_file), seconds=60)
                assert process.poll() is None, (home / "postgres.log").read_text()
                yield f"postgresql+asyncpg://prefect@/postgres?host={home}"
            finally:
                # Ends the connections that are left too.
                process.send_signal(signal.SIGINT)
                process.wait(60)


def _program(name: str) -> str:
    installed = sorted(Path(_DEBIAN).glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = shutil.which(name) or (str(installed[-1]) if installed else None)
    if found is None:
        raise SystemExit(
            f"--postgres needs the program {name!r} of PostgreSQL, which is neither on the PATH "
            f"nor in {_DEBIAN}. Install it, on Debian or Ubuntu with: apt-get install postgresql"
        )
    return found


def _user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:  # noqa: PERF203 - there are few
            continue
    raise SystemExit(
        "PostgreSQL does not run as root. Run the bench as another user, or add a user 'postgres'."
    )


def _as(user: pwd.struct_passwd | None, home: Path) -> dict[str, Any]:
    identity: dict[str, Any] = {"cwd": home}
    if user is not None:
        identity |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return identity


def _is_ready(pid_file: Path) -> bool:
    try:
        return pid_file.read_text().splitlines()[-1].strip() == "ready"
    except (OSError, IndexError):
        return False
