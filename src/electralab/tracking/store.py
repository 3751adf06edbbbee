"""Where runs are recorded: a local SQLite store, an MLflow server, or nowhere."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from electralab import processes
from electralab.errors import RunFailure, UserError
from electralab.tracking.redaction import mask

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from electralab.config import TrackingConfig

DATABASE = "mlflow.db"
ARTIFACTS = "artifacts"
BUSY_SECONDS = 60  # for other writers of a SQLite store
PROBE_SECONDS = 3  # for a server's first answer
_SQLITE = b"SQLite format 3\x00"  # how such a file begins
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # A server that hangs must not hold up the end of a run for the default of ten minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",  # which can ask for hours
}
SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")


@dataclass(frozen=True)
class Store:
    """A place where runs are recorded.

    Args:
        mode: ``local``, ``server`` or ``off``.
        uri: MLflow tracking URI; None when off.
        artifact_root: URI of the folder of artifacts; None where a server decides.
    """

    mode: str
    uri: str | None = None
    artifact_root: str | None = None

    def __str__(self) -> str:
        return describe_uri(self.uri) if self.uri else "no store"

    def described_in(self, folder: Path) -> dict[str, str]:
        """How to find the store from a folder, be both moved; credentials are hidden."""
        if self.mode != "local":
            return {"mode": self.mode, "uri": describe_uri(self.uri)}
        here = Path(self.uri.removeprefix("sqlite:///")).parent
        return {"mode": self.mode, "output_dir": os.path.relpath(here, folder)}

    def client(self) -> MlflowClient:
        """The MLflow client of this store; imports MLflow.

        Raises:
            RunFailure: If the store cannot be opened.
        """
        return _client(self.uri)


def describe_uri(uri: str) -> str:
    """A tracking URI as it may be shown: credentials are hidden."""
    return mask(uri)


def open_store(tracking: TrackingConfig, *, output_dir: str | Path, create: bool = True) -> Store:
    """Opens the store of a configuration; creates the local one if there is none yet.

    Processes after the first of a distributed run only look: one process records.

    Args:
        tracking: The node `tracking` of a configuration.
        output_dir: Folder of all runs.
        create: False for commands that only look: makes nothing and asks no server.

    Raises:
        UserError: If the folder cannot be written or the URI is no tracking URI.
        RunFailure: If a server does not answer.
    """
    quieten()
    if tracking.mode == "off":
        return Store("off")
    create = create and processes.is_main()
    if tracking.mode == "server":
        store = Store("server", tracking.uri)
        if create:
            _probe(store)
        return store
    folder = Path(output_dir).absolute()
    if any(character in str(folder) for character in "?%"):  # these mean something in a URI
        raise UserError(f"`output_dir` must not contain `?` or `%`, but is {folder} instead.")
    database = folder / DATABASE
    store = Store("local", f"sqlite:///{database}", (folder / ARTIFACTS).as_uri())
    if not _exists(database):
        if not create:
            return Store("off")
        _create(database, artifact_root=store.artifact_root)
    elif create and not os.access(database, os.W_OK):
        raise UserError(f"`output_dir` must be writable, but {database} is read-only.")
    return store


def quieten() -> None:
    """Turns MLflow's telemetry and chatter off; call it before MLflow is imported."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    logging.getLogger("mlflow").setLevel(logging.ERROR)  # where it is imported already
    # These print a trace or a line a retry for what we report ourselves.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)


def reason(error: BaseException) -> str:
    """What went wrong between us and a store, in one short line without credentials."""
    text = " ".join(str(error).split()).partition(" [SQL:")[0]
    if found := re.search(r"\[Errno -?\d+\] ([A-Z][^'\"()\[\]]+)", text):
        return found[1].strip()
    if "database or disk is full" in text:
        return "its disk is full"
    if "database is locked" in text:
        return "another process keeps it locked"
    if "timed out" in text:
        return "it did not answer in time"
    if "Remote end closed connection" in text:
        return "it closes the connection"
    if "NameResolutionError" in text:
        return "its host name is not known"
    status = re.search(r"(?:error code|status code|too many) (\d{3})", text)
    if status and status[1] in ("401", "403"):
        return f"it refuses the credentials (HTTP {status[1]})"
    if status:
        return f"it answers with HTTP {status[1]}"
    if "out-of-date database schema" in text:
        return "another MLflow version made it; back it up, then run `mlflow db upgrade` on it"
    text = mask(text) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}…"


@contextmanager
def asked(store: Store) -> Iterator[None]:
    """Turns what a store raises into one line.

    Raises:
        RunFailure: The store cannot be used.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise RunFailure(f"The store {store} cannot be used: {reason(error)}.") from error


@cache
def _client(uri: str) -> MlflowClient:
    quieten()
    from mlflow.tracking import MlflowClient

    quieten()
    if uri.startswith("sqlite"):
        _wait_for_other_writers()
    try:
        return MlflowClient(uri)
    except Exception as error:
        raise RunFailure(f"The store {mask(uri)} cannot be opened: {reason(error)}.") from error


@cache
def _wait_for_other_writers() -> None:
    """Makes SQLite wait a minute for its turn, not five seconds; many jobs may write at once."""
    import sqlalchemy

    def wait(connection, _) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "connect", wait)


def _exists(database: Path) -> bool:
    """Whether there is a database; an empty file, as an editor or `touch` leaves it, is none."""
    try:
        with database.open("rb") as file:
            start = file.read(len(_SQLITE))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise UserError(f"The store {database} cannot be read: {error.strerror}.") from error
    if start and start != _SQLITE:  # MLflow would try again and again, for minutes
        raise UserError(f"The store {database} is no SQLite database; move it away.")
    return bool(start)


def _create(database: Path, *, artifact_root: str) -> None:
    """Makes a complete store beside its place and moves it there, so that no one sees half."""
    from filelock import FileLock

    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(database.with_suffix(".lock")):
            if _exists(database):
                return
            new = database.with_name(f".{database.stem}-{os.getpid()}.new")
            new.unlink(missing_ok=True)
            _migrate(new, artifact_root=artifact_root)
            with new.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(new, database)
    except OSError as error:
        raise UserError(
            f"`output_dir` must be a folder that can be written, but {database.parent} "
            f"is not: {error.strerror or error}."
        ) from error


def _migrate(database: Path, *, artifact_root: str) -> None:
    """Fills a new database with MLflow's tables, by its dozens of migrations."""
    import sqlalchemy
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    def hurry(connection, _) -> None:
        # A file that nobody sees yet need not survive a power cut; 6 s become 1 s on a slow disk.
        connection.execute("PRAGMA synchronous = OFF")

    quieten()
    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "connect", hurry)
    try:
        SqlAlchemyStore(f"sqlite:///{database}", artifact_root).engine.dispose()
    finally:
        sqlalchemy.event.remove(sqlalchemy.engine.Engine, "connect", hurry)


def _probe(store: Store) -> None:
    """Notices a dead server before any work is done."""
    scheme = (store.uri or "").partition("://")[0].partition("+")[0]
    if scheme not in SCHEMES:
        raise UserError(
            f"`tracking.uri` must begin with one of {', '.join(SCHEMES)}, "
            f"but is {describe_uri(store.uri or 'null')} instead."
        )
    if why := why_silent(store):
        raise RunFailure(
            f"`tracking.uri` {describe_uri(store.uri)} cannot be used: {why}. "
            "Start the server, correct the URI, or choose tracking=local."
        )


def why_silent(store: Store) -> str | None:
    """Asks a store one question; returns in a few seconds why it gives no answer, if so."""
    client = store.client()
    failures: list[BaseException] = []
    answered = threading.Event()

    def ask() -> None:
        try:
            client.search_experiments(max_results=1)
        except BaseException as error:
            failures.append(error)
        answered.set()

    # In a thread, for the time that drivers and name look-ups take cannot be limited otherwise.
    before = {name: os.environ.get(name) for name in _SETTINGS if "HTTP" in name}
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(PROBE_SECONDS)
    threading.Thread(target=ask, daemon=True, name="tracking-probe").start()
    in_time = answered.wait(PROBE_SECONDS + 1)
    os.environ.update({name: value for name, value in before.items() if value is not None})
    if failures:
        return reason(failures[0])
    return None if in_time else "it did not answer in time"
