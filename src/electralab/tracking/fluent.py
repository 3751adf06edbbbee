"""Our run as the active one of MLflow's global functions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from electralab.tracking.store import Store, asked


@contextmanager
def activated(store: Store, run_id: str) -> Iterator[None]:
    """Makes whatever else in this process logs to MLflow find the run that we opened.

    The stock `MLflowCallback` and user code call ``mlflow.log_metrics``, which would start a run
    of its own, perhaps in another store, if none were active. The tracking URI is as before
    afterwards, and the run's status as it was: `TrackedRun` says how it ended.

    Raises:
        RunFailure: The store cannot be used.
    """
    import mlflow

    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(store.uri)
    try:
        with asked(store):
            mlflow.start_run(run_id=run_id, nested=True, log_system_metrics=False)
        yield
    finally:
        _deactivate(run_id)
        mlflow.set_tracking_uri(before)


def _deactivate(run_id: str) -> None:
    """Takes the run off MLflow's stack; `mlflow.end_run` would wait for a store that hangs."""
    from mlflow.tracking import fluent

    stack = fluent._active_run_stack.get()
    stack[:] = [run for run in stack if run.info.run_id != run_id]
