"""Our run as the active one of MLflow's global functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from electralab.tracking.store import Store


@contextmanager
def activated(store: Store, run_id: str) -> Iterator[Callable[[str], None]]:
    """Makes whatever else in this process logs to MLflow find the run that we opened.

    The stock `MLflowCallback` and user code call ``mlflow.log_metrics``, which would start a run
    of its own, perhaps in another store, if none were active.

    Yields:
        A function that ends the run with a status. The tracking URI is as before afterwards.
    """
    import mlflow

    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None

    def end(status: str) -> None:
        active = mlflow.active_run()
        if active is not None and active.info.run_id == run_id:
            mlflow.end_run(status)
        else:  # someone called `mlflow.end_run`
            store.client().set_terminated(run_id, status)

    mlflow.set_tracking_uri(store.uri)
    try:
        mlflow.start_run(run_id=run_id, nested=True, log_system_metrics=False)
        yield end
    finally:
        mlflow.set_tracking_uri(before)
