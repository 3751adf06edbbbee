"""`electralab ui`: the MLflow UI over the same store."""

from __future__ import annotations

import argparse

from electralab.verbs.common import locate, split_options


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="electralab ui", description="Serves the MLflow UI on 127.0.0.1 over the runs' store."
    )
    parser.add_argument("--port", type=int, default=5000, help="TCP port (default 5000)")
    arguments, settings = split_options(parser, argv)

    from electralab.tracking.ui import ui

    store, _ = locate(settings)
    return ui(store, arguments.port)
