"""The node `trainer`: checked against the installed Transformers without importing it."""

# ruff: noqa: E501 (expected messages stand whole)

from __future__ import annotations

import dataclasses
import importlib.util
import subprocess
import sys

import pytest

from electralab.checking import trainer_args, trainer_names
from electralab.errors import UserError


def test_names_are_those_of_the_installed_class():
    from transformers import Seq2SeqTrainingArguments

    assert set(trainer_names.fields()) == {
        field.name for field in dataclasses.fields(Seq2SeqTrainingArguments)
    }


def test_choices_are_those_of_the_installed_enumerations():
    from transformers.trainer_utils import SaveStrategy, SchedulerType
    from transformers.training_args import OptimizerNames

    for name, kind in (
        ("save_strategy", SaveStrategy),
        ("lr_scheduler_type", SchedulerType),
        ("optim", OptimizerNames),
    ):
        found = trainer_names.choices(trainer_names.fields()[name])
        assert set(found) == {item.value for item in kind}


def test_checking_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from electralab.checking import trainer_args\n"
        "assert trainer_args.problems({'optim': 'x', 'lr': 1})\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("trainer", "line"),
    [
        (
            {"lerning_rate": 1e-4},
            "`trainer.lerning_rate` is no argument of the Trainer; did you mean `learning_rate`?",
        ),
        (
            {"evaluation_strategy": "steps"},
            "`trainer.evaluation_strategy` is no argument of the Trainer (any more); use "
            "`trainer.eval_strategy`.",
        ),
        (
            {"warmup_ratio": 0.1},
            "`trainer.warmup_ratio` is no argument of the Trainer (any more); use "
            "`trainer.warmup_steps` below 1, a share of all steps.",
        ),
        ({"learning_rate": "fast"}, "`trainer.learning_rate` must be a number, but is 'fast' instead."),
        ({"learning_rate": -1}, "`trainer.learning_rate` must be at least 0, but is -1 instead."),
        ({"max_steps": 0}, "`trainer.max_steps` must be at least 1, or -1 for whole epochs, but is 0 instead."),
        ({"max_steps": 1.5}, "`trainer.max_steps` must be a whole number, but is 1.5 instead."),
        ({"bf16": 1}, "`trainer.bf16` must be true, false or auto, but is 1 instead."),
        (
            {"logging_steps": 2.5},
            "`trainer.logging_steps` must be above 0, and whole where above 1, but is 2.5 instead.",
        ),
        (
            {"per_device_train_batch_size": 0},
            "`trainer.per_device_train_batch_size` must be at least 1, but is 0 instead.",
        ),
        ({"save_total_limit": "2"}, "`trainer.save_total_limit` must be a whole number or null, but is '2' instead."),
        ({"early_stopping_patience": 0}, "`trainer.early_stopping_patience` must be at least 1, but is 0 instead."),
        ({"on_nan": "warn"}, "`trainer.on_nan` must be stop or skip, but is 'warn' instead."),
        ({"fp16": True, "bf16": True}, "`trainer.fp16` and `trainer.bf16` must not both be true."),
        (
            {"dataloader_prefetch_factor": 2},
            "`trainer.dataloader_prefetch_factor` must go with `trainer.dataloader_num_workers` of at "
            "least 1.",
        ),
        (
            {"load_best_model_at_end": True, "eval_strategy": "no"},
            "`trainer.load_best_model_at_end` must go with an evaluation, but `trainer.eval_strategy` "
            "is 'no'; set it to steps or epoch.",
        ),
        (
            {"load_best_model_at_end": True, "eval_strategy": "epoch", "save_strategy": "steps"},
            "`trainer.save_strategy` must be that of `trainer.eval_strategy`, 'epoch', for "
            "`trainer.load_best_model_at_end`, but is 'steps' instead.",
        ),
        (
            {"load_best_model_at_end": True, "eval_strategy": "steps", "eval_steps": 200,
             "save_steps": 300},
            "`trainer.save_steps` must be a multiple of `trainer.eval_steps` for "
            "`trainer.load_best_model_at_end`, but is 300 instead.",
        ),
    ],
)  # fmt: skip
def test_one_mistake_is_one_line(trainer, line):
    assert trainer_args.problems(trainer) == [line]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("output_dir", "`output_dir`"),
        ("seed", "`seed`"),
        ("data_seed", "`seed`"),
        ("report_to", "tracking="),
        ("run_name", "`name`"),
        ("resume_from_checkpoint", "`electralab resume RUN`"),
        ("full_determinism", "`deterministic`"),
    ],
)
def test_what_has_a_key_of_its_own_is_refused_with_its_name(name, key):
    [line] = trainer_args.problems({name: "x"})
    assert line.startswith(f"`trainer.{name}` must not stand here") and key in line


def test_an_unknown_choice_is_answered_with_the_nearest():
    [line] = trainer_args.problems({"optim": "adamw_trch"})
    assert line.endswith("but is 'adamw_trch' instead; did you mean `adamw_torch`?")


def test_another_node_is_named():
    [line] = trainer_args.problems({"bf16": 1}, node="adapt.trainer")
    assert line.startswith("`adapt.trainer.bf16`")


def test_the_shipped_values_are_sound():
    from electralab.command.compose import Composer, search_path

    [point] = Composer(path=search_path()).compose([]).points
    assert trainer_args.problems(point.container["trainer"]) == []


def test_build_sets_what_the_run_decides(tmp_path):
    arguments = trainer_args.build(
        {
            "learning_rate": 1e-3,
            "bf16": True,
            "early_stopping_patience": 2,
            "on_nan": "skip",
            "eval_strategy": "epoch",
        },
        output_dir=tmp_path / "checkpoints",
        seed=7,
    )
    assert arguments.output_dir == str(tmp_path / "checkpoints")
    assert (arguments.seed, arguments.data_seed, arguments.report_to) == (7, 7, [])
    assert (arguments.learning_rate, arguments.bf16) == (1e-3, True)
    assert arguments.metric_for_best_model == "loss" and arguments.greater_is_better is False
    assert not arguments.remove_unused_columns
    assert not (tmp_path / "checkpoints").exists()


def test_workers_are_taken_where_an_accelerator_waits_for_batches(tmp_path, monkeypatch):
    given = {"dataloader_num_workers": "auto"}
    assert trainer_args.problems(given) == []
    arguments = trainer_args.build({**given, "use_cpu": True}, output_dir=tmp_path, seed=0)
    assert arguments.dataloader_num_workers == 0
    monkeypatch.setattr("os.cpu_count", lambda: 12)
    for processes, workers in ((1, 4), (4, 2), (12, 0)):
        monkeypatch.setattr("electralab.processes.count", lambda count=processes: count)
        arguments = trainer_args.build({**given, "use_cpu": False}, output_dir=tmp_path, seed=0)
        assert arguments.dataloader_num_workers == workers
    [problem] = trainer_args.problems({"dataloader_num_workers": "many"})
    assert "`trainer.dataloader_num_workers` must be" in problem


@pytest.mark.parametrize("has_it", [False, True])
def test_half_precision_is_taken_where_the_hardware_has_it(tmp_path, monkeypatch, has_it):
    """Emulated it is a hundred times slower than float32."""
    monkeypatch.setattr(trainer_args, "computes_bf16", lambda *, use_cpu: has_it)
    assert trainer_args.problems({"bf16": "auto"}) == []
    arguments = trainer_args.build({"bf16": "auto"}, output_dir=tmp_path, seed=0)
    assert arguments.bf16 is has_it
    assert trainer_args.precision(arguments) == ("bf16" if has_it else "float32")


def test_build_without_a_validation_split_does_not_evaluate(tmp_path):
    arguments = trainer_args.build(
        {"eval_strategy": "steps"}, output_dir=tmp_path, seed=0, has_validation=False
    )
    assert arguments.eval_strategy == "no"


def test_an_unquoted_no_of_yaml_means_no(tmp_path):
    trainer = {"save_strategy": False, "eval_strategy": False}
    assert trainer_args.problems(trainer) == []
    assert trainer_args.build(trainer, output_dir=tmp_path, seed=0).save_strategy == "no"


def test_build_refuses_in_one_line(tmp_path):
    with pytest.raises(UserError) as caught:
        trainer_args.build({"debug": "everything"}, output_dir=tmp_path, seed=0)
    assert len(caught.value.problems) == 1 and "everything" in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["batch_eval_metrics", "label_smoothing_factor", "train_sampling_strategy", "hub_token"],
)
def test_what_would_do_nothing_or_harm_is_refused_with_the_reason(name):
    [line] = trainer_args.problems({name: "x"})
    assert line.startswith(f"`trainer.{name}` must not stand here; ")


def test_an_optimiser_that_is_not_installed_is_refused_before_the_run(tmp_path):
    if importlib.util.find_spec("bitsandbytes"):
        pytest.skip("it is installed")
    with pytest.raises(UserError) as caught:
        trainer_args.build({"optim": "adamw_bnb_8bit"}, output_dir=tmp_path, seed=0)
    assert len(caught.value.problems) == 1 and "bitsandbytes" in str(caught.value)


def test_one_process_takes_one_gpu(tmp_path, caplog):
    arguments = trainer_args.build({"use_cpu": True}, output_dir=tmp_path, seed=0)
    arguments._n_gpu = 4  # as the Trainer counts them
    trainer_args._use_one_gpu(arguments)
    assert arguments.n_gpu == 1 and arguments.train_batch_size == 8
    assert "torchrun --nproc-per-node 4" in caplog.text


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, True),
        ({"accelerator_config": {"split_batches": False}}, True),
        ({"accelerator_config": {"non_blocking": False}}, False),
        ({"dataloader_pin_memory": False}, False),  # a copy from such memory has to be waited for
    ],
)
def test_a_step_does_not_wait_until_its_batch_is_on_the_device(tmp_path, given, wanted):
    arguments = trainer_args.build({**given, "use_cpu": True}, output_dir=tmp_path, seed=0)
    assert arguments.accelerator_config.non_blocking is wanted
