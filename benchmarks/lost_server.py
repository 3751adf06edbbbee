"""A tracking server that is killed and restarted three times during a run: what it costs and loses.

    OMP_NUM_THREADS=1 python -m benchmarks.lost_server [--rounds 3] [--steps 800]

A real `mlflow server` on 127.0.0.1 over SQLite. In each round the same training runs twice, each in
a process of its own: once undisturbed, once with the server killed by SIGKILL and started again
three times. Afterwards the store must have every point of ``history.json`` once, and every
artifact. The server is niced, for elsewhere it has a machine of its own; processor time of the
training is what other programs on this one disturb least, and the time that the training itself
spends in its record is measured apart.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from contextlib import suppress
from pathlib import Path

from benchmarks.kill_sweep import WORDS

KILLS = 3
RUN = """data=text data.path=corpus.txt data.max_length=64 data.split.validation=0.05
data.num_proc=1 model=electra_tiny model.vocab_size=300 model.hidden_size=64
model.embedding_size=64 model.intermediate_size=128 model.num_hidden_layers=2
model.generator.hidden_size=32 model.generator.num_hidden_layers=1
model.generator.intermediate_size=64 model.max_position_embeddings=64
trainer.per_device_train_batch_size=16 trainer.logging_steps=5 trainer.eval_steps=300
trainer.save_steps=300 trainer.bf16=false task.preview_steps=300 tracking=server"""


class Server:
    """A real `mlflow server` that can be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        words = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        words += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder}/server.db"]
        words += ["--artifacts-destination", str(self.folder / "artifacts")]
        self.process = subprocess.Popen(
            ["nice", "-n", "19", sys.executable, *words],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "server.log").open("ab"),
            start_new_session=True,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        )
        while True:
            with suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                return
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            time.sleep(0.2)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def child(words: list[str]) -> int:
    """Runs one training and prints what it took: processor, wall, and time in its record."""
    from electralab.cli import main
    from electralab.tracking.callback import RunCallback

    begun, taken, inside = [], [], []

    def timed(name: str, before=None, after=None) -> None:
        function = getattr(RunCallback, name)

        def called(*args, **kwargs):
            if before:
                before()
            started = time.perf_counter()
            function(*args, **kwargs)
            inside.append(time.perf_counter() - started)
            if after:
                after()

        setattr(RunCallback, name, called)

    def begin() -> None:
        begun[:] = [time.process_time(), time.perf_counter()]
        print("training", flush=True)

    def end() -> None:
        taken[:] = [time.process_time() - begun[0], time.perf_counter() - begun[1]]

    timed("on_train_begin", before=begin)
    timed("on_log")
    timed("on_train_end", after=end)
    status = main(words)
    print(json.dumps([*taken, sum(inside), max(inside)]), flush=True)
    return status


def train(folder: Path, server: Server, *, name: str, steps: int, kills: int) -> list[float]:
    """Trains beside a server that is killed so often; returns what `child` measured."""
    words = [*RUN.split(), f"name={name}", f"trainer.max_steps={steps}"]
    words.append(f"tracking.uri={server.uri}")
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.lost_server", "--child", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=(folder / f"{name}.log").open("wb"),
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    while process.stdout.readline() != "training\n":
        assert process.poll() is None, (folder / f"{name}.log").read_text()
    for number in range(kills):
        time.sleep(5)
        server.kill()
        time.sleep(5)
        server.start()
        assert process.poll() is None, "the run ended before the server was back: more --steps"
        print(f"  kill {number + 1}: the server is back, the run goes on", flush=True)
    output, _ = process.communicate()
    assert process.returncode == 0, (folder / f"{name}.log").read_text()
    return json.loads(output.splitlines()[-1])


def verdict(folder: Path, server: Server, name: str) -> str:
    """Says what the store lacks or has twice of a run; nothing: it is as it should be."""
    from mlflow.tracking import MlflowClient

    [run] = (folder / "outputs" / name).iterdir()
    summary = json.loads((run / "summary.json").read_text())
    client = MlflowClient(server.uri)
    run_id = summary["run_id"]
    found = Counter(
        (metric, point.step)
        for metric in client.get_run(run_id).data.metrics
        for point in client.get_metric_history(run_id, metric)
    )
    history = json.loads((run / "history.json").read_text())
    wanted = {(key, logs["step"]) for logs in history for key in logs if key != "step"}
    artifacts = {item.path for item in client.list_artifacts(run_id)}
    bad = {
        "lacks points": len(wanted - found.keys()),
        "has points twice": sum(found[key] > 1 for key in wanted),
        "lacks artifacts": len({"summary.json", "history.json", "previews.json"} - artifacts),
        "is not finished": int(client.get_run(run_id).info.status != "FINISHED"),
        "was not told everything in time": int("undelivered" in summary),
    }
    faults = [f"{what} ({number})" for what, number in bad.items() if number]
    print(f"  {name}: {len(wanted)} points, {', '.join(faults) or 'all there, once'}")
    return ", ".join(faults)


def main() -> int:
    if sys.argv[1:2] == ["--child"]:
        return child(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=800)
    asked = parser.parse_args()
    ratios, bad = {"processor": [], "wall": []}, []
    with tempfile.TemporaryDirectory() as place:
        folder, rng = Path(place), random.Random(0)
        lines = (" ".join(rng.choices(WORDS.split(), k=rng.randint(5, 40))) for _ in range(400))
        (folder / "corpus.txt").write_text("\n".join(lines) + "\n")
        server = Server(folder)
        try:
            for number in range(asked.rounds):
                names = {f"undisturbed{number}": 0, f"disturbed{number}": KILLS}
                order = names if number % 2 == 0 else reversed(names)
                took = {
                    name: train(folder, server, name=name, steps=asked.steps, kills=names[name])
                    for name in order
                }
                bad += filter(None, [verdict(folder, server, name) for name in names])
                calm, lost = took.values() if number % 2 == 0 else reversed(took.values())
                ratios["processor"].append(lost[0] / calm[0])
                ratios["wall"].append(lost[1] / calm[1])
                for what, found in zip(names, (calm, lost), strict=True):
                    print(
                        f"  {what}: {found[0]:.1f} s processor, {found[1]:.1f} s wall; in its "
                        f"record {found[2]:.3f} s, at most {found[3] * 1000:.1f} ms at a time",
                        flush=True,
                    )
        finally:
            server.kill()
    for clock, found in ratios.items():
        shown = ", ".join(f"{ratio:.3f}" for ratio in sorted(found))
        print(f"{clock} time with {KILLS} kills: {statistics.median(found):.3f} ({shown})")
    print(*bad or ["every point and artifact is in the store, once"], sep="\n")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
