"""Views that the MLflow UI offers, beside those that people save in it."""

from __future__ import annotations

import json

from electralab.tracking.run import tracked_run
from electralab.tracking.views import TAG, View, runs_address, save_view, saved_views

COLUMNS = {"query": "tags.sweep_id = 'ab'", "params": ["task.disc_weight"], "metrics": ["loss"]}


def test_a_view_is_found_again_and_saved_once(store):
    with tracked_run(store, experiment="seen", run_name="a", params={}):
        pass
    client = store.client()
    number = client.get_experiment_by_name("seen").experiment_id
    for name in ("first", "second"):
        save_view(client, number, view_id="ab", name=name, **COLUMNS)
    client.set_experiment_tag(number, f"{TAG}packed", "deflate;eJyr")
    client.set_experiment_tag(number, f"{TAG}bare", '{"searchFilter": ""}')
    client.set_experiment_tag(number, "owner", "me")
    experiment = client.get_experiment(number)
    [view] = saved_views(experiment)
    assert (view.view_id, view.name) == ("ab", "second")
    state = json.loads(json.loads(experiment.tags[f"{TAG}ab"])["state"])
    assert state["selectedColumns"] == ["params.`task.disc_weight`", "metrics.`loss`"]
    assert state["searchFilter"] == COLUMNS["query"]


def test_the_address_of_a_view_opens_the_page_of_trained_models():
    plain = "http://127.0.0.1:5000/#/experiments/3/runs?workflowType=machine_learning"
    assert runs_address("http://127.0.0.1:5000", "3") == plain
    view = View(view_id="ab", name="sweep ab", saved=0)
    assert runs_address("http://127.0.0.1:5000", "3", view) == f"{plain}&viewStateShareKey=ab"
