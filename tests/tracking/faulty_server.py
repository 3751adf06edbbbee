"""MLflow's own server, in this process, which can be told to misbehave and to die."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

FAULTS = ("errors", "answers lost", "cut", "silent", "dead")


class _Threaded(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class FaultyServer:
    """Serves a SQLite store on 127.0.0.1.

    Attributes:
        fault: What is wrong with it; None: nothing. `errors`: answers with 500. `answers lost`:
            does what it is asked for and answers with 500. `cut`: closes connections. `silent`:
            accepts and never answers. `dead`: nobody listens.
    """

    def __init__(self, database: str, artifacts: str) -> None:
        import mlflow
        from mlflow.server import app, handlers

        self._app = app
        handlers._tracking_store = None
        before = mlflow.get_tracking_uri()
        handlers._get_tracking_store(database, artifacts)
        mlflow.set_tracking_uri(before)  # that of the client, in this process
        self.fault: str | None = None
        self._ended = threading.Event()
        self._server: WSGIServer | None = None
        self.port = 0
        self._listen()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def failing(self, fault: str) -> Iterator[None]:
        """Misbehaves inside the `with`."""
        self.break_down(fault)
        try:
            yield
        finally:
            self.repair()

    def break_down(self, fault: str) -> None:
        self.fault = fault
        if fault == "dead":
            self._close()

    def repair(self) -> None:
        if self.fault == "dead":
            self._listen()
        self.fault = None

    def end(self) -> None:
        self._ended.set()
        if self.fault != "dead":
            self._close()

    def _listen(self) -> None:
        faulty = self

        class Handler(WSGIRequestHandler):
            def handle(self) -> None:
                if faulty.fault == "silent":
                    faulty._ended.wait(30)
                if faulty.fault != "cut":
                    super().handle()

            def log_message(self, *args: object) -> None:
                pass

        self._server = make_server(
            "127.0.0.1", self.port, self._answer, server_class=_Threaded, handler_class=Handler
        )
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()

    def _close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ, start_response):
        if self.fault == "answers lost":
            list(self._app(environ, lambda *_: None))
        if self.fault in ("errors", "answers lost"):
            start_response("500 INTERNAL SERVER ERROR", [("Content-Type", "text/plain")])
            return [b"no"]
        return self._app(environ, start_response)
