"""The MLflow UI over a store."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import BinaryIO

from electralab.errors import RunFailure, UserError
from electralab.terminal import visible
from electralab.tracking import views
from electralab.tracking.redaction import mask
from electralab.tracking.store import Store, quieten

HOST = "127.0.0.1"
START_SECONDS = 60  # until the UI must answer
STOP_SECONDS = 5  # for it to end by itself
SHOWN = 6  # experiments and sweeps that are named, the newest ones
_OF_MLFLOW = "0"  # id of the experiment that MLflow makes, where nothing of ours is


def ui(store: Store, port: int = 5000) -> int:
    """Serves the MLflow UI on 127.0.0.1 until Ctrl-C.

    Args:
        store: The store to show.
        port: TCP port, 1 to 65535.

    Returns:
        The exit status, 0 after Ctrl-C.

    Raises:
        UserError: If there is no store, or the port is in use.
        RunFailure: If the UI does not come up.
    """
    if store.mode == "off":
        raise UserError(
            "There is no tracking store to show here: run something first, "
            "or give `output_dir=…` or `tracking=server tracking.uri=…`."
        )
    if store.uri.startswith(("http://", "https://", "databricks")):
        print(f"The server has a UI of its own: {store}")
        return 0
    if not 1 <= port <= 65535:
        raise UserError(f"`port` must be between 1 and 65535, but is {port} instead.")
    _require_free(port)
    # The server leaves files where it stands, and talks about matters that are not the user's.
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        server = _start(store, port=port, folder=folder, log=log)
        # A service manager's SIGTERM ends the server as well.
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            _wait_until_up(server, port=port, log=log)
            address = f"http://{HOST}:{port}"
            print(f"MLflow UI: {address}  (Ctrl-C ends it)", flush=True)
            for line in _newest(store, address):
                print(visible(line), flush=True)
            server.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            signal.signal(signal.SIGTERM, before)
            _stop(server)
        raise RunFailure(f"The MLflow UI ended by itself: {_last_line(log)}.")


def _newest(store: Store, address: str) -> list[str]:
    """Returns where the runs of the newest experiments and sweeps are, a line each.

    The UI itself opens on a page about language models, some clicks away from any run.
    """
    found: list[tuple[int, str, str]] = []
    with contextlib.suppress(Exception):  # the UI is up without these lines as well
        for experiment in store.client().search_experiments():
            number, name = experiment.experiment_id, experiment.name
            if number != _OF_MLFLOW:
                place = views.runs_address(address, number)
                found.append((experiment.creation_time, name, place))
            for view in views.saved_views(experiment):
                place = views.runs_address(address, number, view)
                found.append((view.saved, f"{name}, {view.name}", place))
    lines = [(what, place) for _, what, place in sorted(found, reverse=True)[:SHOWN]]
    width = max((len(what) for what, _ in lines), default=0)
    return [f"  {what:{width}}  {place}" for what, place in lines]


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        # As the server will: a port in the wait after a close counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UserError(
                f"`port` must be a free one, but {port} cannot be used "
                f"({error.strerror}); choose another, such as `--port {min(port + 1, 65535)}`."
            ) from error


def _start(store: Store, *, port: int, folder: str, log: BinaryIO) -> subprocess.Popen:
    quieten()
    words = ["server", "--host", HOST, "--port", str(port), "--workers", "1"]
    # By environment, for a command line with credentials is seen by everyone on the machine.
    environment = {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": store.uri,
        "MLFLOW_SERVE_ARTIFACTS": "false",  # artifacts are read where the runs put them
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONWARNINGS": "ignore",
    }
    if store.artifact_root:
        environment["MLFLOW_DEFAULT_ARTIFACT_ROOT"] = store.artifact_root
    # A session of its own: Ctrl-C reaches us alone, and its workers end with it.
    command = [sys.executable, "-m", "mlflow", *words, "--uvicorn-opts", "--log-level warning"]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=log,
        start_new_session=True,
    )


def _wait_until_up(server: subprocess.Popen, *, port: int, log: BinaryIO) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RunFailure(f"The MLflow UI did not start: {_last_line(log)}.")
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.2)
    raise RunFailure(f"The MLflow UI did not answer on port {port} within {START_SECONDS} s.")


def _last_line(log: BinaryIO) -> str:
    log.seek(0)
    lines = log.read().decode("utf-8", errors="replace").strip().splitlines()
    return mask(lines[-1]).rstrip(".") if lines else "it says nothing"


def _stop(server: subprocess.Popen) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(STOP_SECONDS)
            return
