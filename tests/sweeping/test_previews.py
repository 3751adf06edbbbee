"""The last previews of a sweep's jobs, gathered from the store."""

from __future__ import annotations

from electralab.config import TrackingConfig
from electralab.sweeping.previews import PREVIEWS, last_previews
from electralab.tracking.run import tracked_run
from electralab.tracking.store import open_store

POINTS = {f"sign{weight}": {"task.disc_weight": weight} for weight in (10, 50, 25)}


def rows(weight: int) -> list[dict]:
    return [
        {"step": step, "original": text, "filled_in": f"{text} {weight} {step}"}
        for step in (3, 6)
        for text in ("one", "two")
    ]


def test_the_last_previews_stand_sentence_by_sentence(tmp_path):
    store = open_store(TrackingConfig(mode="local", uri=None), output_dir=tmp_path)

    def record(sweep_id: str, sign: str | None, table: list[dict]) -> None:
        tags = {"sweep_id": sweep_id} | ({"signature": sign} if sign else {})
        with tracked_run(store, experiment="rtd", run_name="a", params={}, tags=tags) as run:
            if table:
                run.log_table(table, PREVIEWS)

    record("mine", None, [{"step": 9, "original": "of the sweep's own run"}])
    record("mine", "sign50", rows(50))
    record("mine", "sign10", rows(10))
    record("mine", "sign25", [])  # failed before its first preview
    record("other", "sign25", rows(25))
    client = store.client()
    number = client.get_experiment_by_name("rtd").experiment_id
    found = last_previews(client, number, sweep_id="mine", points=POINTS)
    assert found == [
        {"task disc_weight": weight, "step": 6, "original": text, "filled_in": f"{text} {weight} 6"}
        for text in ("one", "two")
        for weight in (10, 50)
    ]
