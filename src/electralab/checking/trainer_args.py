"""The node `trainer`: checked without importing 🤗 Transformers, then turned into its arguments."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab import processes
from electralab.checking import trainer_names
from electralab.checking.nearest import did_you_mean
from electralab.checking.schema_errors import show
from electralab.errors import UserError
from electralab.machine import computes_bf16

if TYPE_CHECKING:
    from transformers import Seq2SeqTrainingArguments

log = logging.getLogger(__name__)

PATIENCE = "early_stopping_patience"
ON_NAN, STOP, SKIP = "on_nan", "stop", "skip"
AUTO = "auto"  # of `bf16`: where the hardware has it; of workers: where there is an accelerator
WORKERS = "dataloader_num_workers"
_MOST_WORKERS = 4  # a batch is collated in a few milliseconds

_ORDER = "leave it out; the order of examples is a function of `seed` and the epoch"

# What has a key of its own, is the run's own business, or would do nothing or harm here.
_OURS = {
    "output_dir": "set `output_dir`; checkpoints lie in the run's folder",
    "seed": "set `seed`",
    "data_seed": "set `seed`",
    "full_determinism": "set `deterministic`",
    "report_to": "choose tracking=local, server or off",
    "run_name": "set `name`",
    "project": "set `name`",
    "logging_dir": "choose tracking=local, server or off",
    "resume_from_checkpoint": "use `electralab resume RUN`",
    "overwrite_output_dir": "leave it out; every run makes a folder of its own",
    "remove_unused_columns": "leave it out; the collators take what they need",
    "do_train": "leave it out",
    "do_eval": "set `trainer.eval_strategy`",
    "do_predict": "set `data.split.test`",
    "hub_token": "set HF_TOKEN or log in with `hf auth login`, so that no record holds it",
    "batch_eval_metrics": "leave it out; metrics are computed from all tokens at once",
    "eval_do_concat_batches": "leave it out; metrics are computed from all tokens at once",
    "prediction_loss_only": "leave it out; every evaluation computes all metrics",
    "include_for_metrics": "leave it out; the task chooses what its metrics need",
    "label_names": "leave it out; the task chooses what its metrics need",
    "label_smoothing_factor": "set `task.label_smoothing` of translation; other tasks have none",
    "predict_with_generate": "leave it out; translations are always judged by what is written",
    "generation_max_length": "set `data.max_target_length`",
    "generation_num_beams": "set `task.num_beams` or `task.eval_num_beams` of translation",
    "generation_config": "set `task.num_beams` and `data.max_target_length` of translation",
    "train_sampling_strategy": _ORDER,
    "length_column_name": _ORDER,
    "sortish_sampler": _ORDER,
}
_GONE = {
    "evaluation_strategy": "`trainer.eval_strategy`",
    "group_by_length": "`data.packing=concat`, whose rows have one length",
    "warmup_ratio": "`trainer.warmup_steps` below 1, a share of all steps",
    "no_cuda": "`trainer.use_cpu`",
    "per_gpu_train_batch_size": "`trainer.per_device_train_batch_size`",
    "per_gpu_eval_batch_size": "`trainer.per_device_eval_batch_size`",
    "adafactor": "`trainer.optim=adafactor`",
    "max_seq_length": "`data.max_length`",
    "max_length": "`data.max_length`",
}


# Optimisers that cannot be asked for without the model.
_OPTIMISERS_OF_LAYERS = ("galore", "apollo", "lomo", "adalomo")


def _whole(value: float) -> bool:
    return value <= 1 or value == int(value)


_STEPS = ("above 0, and whole where above 1", lambda v: v > 0 and _whole(v))
_COUNT = ("at least 1", lambda v: v >= 1)
_NOT_NEGATIVE = ("at least 0", lambda v: v >= 0)
_UNIT = ("at least 0 and below 1", lambda v: 0 <= v < 1)
_POSITIVE = ("above 0", lambda v: v > 0)
_RANGES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "max_steps": ("at least 1, or -1 for whole epochs", lambda v: v >= 1 or v == -1),
    "num_train_epochs": _POSITIVE,
    "adam_epsilon": _POSITIVE,
    "ddp_timeout": _POSITIVE,
    **dict.fromkeys(("logging_steps", "eval_steps", "save_steps"), _STEPS),
    **dict.fromkeys(("adam_beta1", "adam_beta2"), _UNIT),
    **dict.fromkeys(
        ("learning_rate", "weight_decay", "max_grad_norm", "warmup_steps", "eval_delay"),
        _NOT_NEGATIVE,
    ),
    **dict.fromkeys((WORKERS, "neftune_noise_alpha"), _NOT_NEGATIVE),
    **dict.fromkeys(
        ("per_device_train_batch_size", "per_device_eval_batch_size", "save_total_limit"), _COUNT
    ),
    **dict.fromkeys(
        ("gradient_accumulation_steps", "eval_accumulation_steps", "torch_empty_cache_steps"),
        _COUNT,
    ),
    **dict.fromkeys(("dataloader_prefetch_factor", PATIENCE), _COUNT),
}
_TYPES = {
    "int": ("a whole number", lambda v: isinstance(v, int) and not isinstance(v, bool)),
    "float": ("a number", lambda v: isinstance(v, int | float) and not isinstance(v, bool)),
    "bool": ("true or false", lambda v: isinstance(v, bool)),
    "str": ("a text", lambda v: isinstance(v, str)),
    "dict": ("a mapping", lambda v: isinstance(v, dict)),
    "list": ("a list", lambda v: isinstance(v, list)),
    "None": ("null", lambda v: v is None),
}


def problems(trainer: dict[str, Any], *, node: str = "trainer") -> list[str]:
    """Checks names, types, ranges and what must go together, without importing Transformers.

    Args:
        trainer: The node, as plain values.
        node: Where it stands, for the messages.
    """
    found: list[str] = []
    sound: dict[str, Any] = {}
    for name, value in _plain(trainer).items():
        problem = _problem(name, value)
        if problem is None:
            sound[name] = value
        else:
            found.append(f"`{node}.{name}` {problem}")
    return found + [line.replace("`trainer.", f"`{node}.") for line in _together(sound)]


def build(
    trainer: dict[str, Any],
    *,
    output_dir: str | Path,
    seed: int,
    deterministic: bool = False,
    has_validation: bool = True,
) -> Seq2SeqTrainingArguments:
    """Builds the arguments of the Trainer; imports Transformers.

    Args:
        trainer: The node `trainer`.
        output_dir: Where checkpoints go.
        seed: The run's seed.
        deterministic: The run seeds itself; this is recorded alone.
        has_validation: False turns evaluation off, for there is nothing to evaluate on.

    Raises:
        UserError: The Trainer refuses the arguments.
    """
    if found := problems(trainer):
        raise UserError(found)
    import torch
    from transformers import Seq2SeqTrainingArguments, Trainer

    own = (PATIENCE, ON_NAN)  # which the Trainer does not know
    names = {name: value for name, value in _plain(trainer).items() if name not in own}
    if not has_validation:
        names["eval_strategy"] = "no"
    # The default of transformers is to ask for a GPU as soon as bf16 is set.
    names.setdefault("use_cpu", not torch.accelerator.is_available())
    if names.get("bf16") == AUTO:
        names["bf16"] = computes_bf16(use_cpu=names["use_cpu"])
    if names.get(WORKERS) == AUTO:  # on a CPU they would take the cores that the step is made on
        spare = (os.cpu_count() or 1) // processes.count() - 1
        names[WORKERS] = 0 if names["use_cpu"] else max(0, min(_MOST_WORKERS, spare))
    if names.get("dataloader_pin_memory", True):  # else the step would be waited for at each batch
        given = names.get("accelerator_config") or {}
        if isinstance(given, dict):
            names["accelerator_config"] = {"non_blocking": True, **given}
    if names.get("fp16") and names["use_cpu"]:
        raise UserError("`trainer.fp16` must be false without a GPU; use trainer.bf16=true.")
    if trainer.get(PATIENCE) is not None and names.get("metric_for_best_model") is None:
        names["metric_for_best_model"] = "loss"
    try:
        arguments = Seq2SeqTrainingArguments(
            **names,
            output_dir=str(output_dir),
            seed=seed,
            data_seed=seed,
            report_to=[],
            remove_unused_columns=False,
        )
        if not arguments.optim.value.startswith(_OPTIMISERS_OF_LAYERS):
            # Says now rather than in the run that the optimiser's package is missing.
            Trainer.get_optimizer_cls_and_kwargs(arguments)
    except (ValueError, TypeError, ImportError, OSError) as error:
        line = " ".join(str(error).split())
        raise UserError(
            f"`trainer` must hold arguments that the Trainer accepts: {line}"
        ) from error
    _use_one_gpu(arguments)
    return arguments


def precision(arguments: Seq2SeqTrainingArguments) -> str:
    """Returns what most of the training is computed in: bf16, fp16 or float32."""
    return "bf16" if arguments.bf16 else "fp16" if arguments.fp16 else "float32"


def _use_one_gpu(arguments: Seq2SeqTrainingArguments) -> None:
    """Keeps one process from splitting batches over several GPUs, which breaks their totals."""
    _ = arguments.device  # what counts them
    if arguments.n_gpu > 1:
        log.warning(
            "%d GPUs are there and one is used; all of them work with: torchrun --nproc-per-node "
            "%d -m electralab …",
            arguments.n_gpu,
            arguments.n_gpu,
        )
        arguments._n_gpu = 1


def _plain(trainer: dict[str, Any]) -> dict[str, Any]:
    """Reads the unquoted `no` of a YAML file, which is false there, as the strategy it means."""
    return {
        name: "no" if value is False and name.endswith("_strategy") else value
        for name, value in trainer.items()
    }


def _problem(name: str, value: Any) -> str | None:
    if name in _OURS:
        return f"must not stand here; {_OURS[name]}."
    known = {**trainer_names.fields(), PATIENCE: "int | None", ON_NAN: "str"}
    if name in _GONE and name not in known:
        return f"is no argument of the Trainer (any more); use {_GONE[name]}."
    if name not in known:
        return f"is no argument of the Trainer{did_you_mean(name, known)}"
    annotation = known[name]
    if name == "bf16":
        is_known = isinstance(value, bool) or value == AUTO
        return None if is_known else f"must be true, false or auto, but is {show(value)} instead."
    if name == WORKERS and value == AUTO:
        return None
    if name == ON_NAN:
        is_known = value in (STOP, SKIP)
        return None if is_known else f"must be stop or skip, but is {show(value)} instead."
    parts = [part.split("[")[0].strip() for part in annotation.split("|")]
    if options := trainer_names.choices(annotation):
        if value not in options:
            end = did_you_mean(str(value), options)
            return f"must be one of its {len(options)} values, but is {show(value)} instead{end}"
        return None
    types = [_TYPES[part] for part in parts if part in _TYPES]
    if types and not any(fits(value) for _, fits in types):
        return f"must be {' or '.join(word for word, _ in types)}, but is {show(value)} instead."
    if name in _RANGES and value is not None:
        words, fits = _RANGES[name]
        if not fits(value):
            return f"must be {words}, but is {show(value)} instead."
    return None


def _together(args: dict[str, Any]) -> list[str]:
    """Finds what cannot go together, among values that are sound by themselves."""
    found = []
    evaluates = args.get("eval_strategy", "no")
    saves = args.get("save_strategy", "steps")
    for needs in ("load_best_model_at_end", PATIENCE):
        if args.get(needs) and evaluates == "no":
            found.append(
                f"`trainer.{needs}` must go with an evaluation, but `trainer.eval_strategy` is "
                "'no'; set it to steps or epoch."
            )
    if args.get("load_best_model_at_end") and evaluates != "no" and saves != "best":
        if saves != evaluates:
            found.append(
                "`trainer.save_strategy` must be that of `trainer.eval_strategy`, "
                f"{evaluates!r}, for `trainer.load_best_model_at_end`, but is {saves!r} instead."
            )
        elif saves == "steps" and not _multiple(
            args.get("save_steps", 500), args.get("eval_steps") or args.get("logging_steps", 500)
        ):
            found.append(
                "`trainer.save_steps` must be a multiple of `trainer.eval_steps` for "
                f"`trainer.load_best_model_at_end`, but is {args.get('save_steps', 500)} instead."
            )
    if args.get("lr_scheduler_type") in ("reduce_lr_on_plateau", "greedy") and evaluates == "no":
        found.append(
            f"`trainer.lr_scheduler_type` {args['lr_scheduler_type']} must go with an evaluation, "
            "but `trainer.eval_strategy` is 'no'; set it to steps or epoch."
        )
    for one, other in (("fp16", "bf16"), ("fp16_full_eval", "bf16_full_eval")):
        if args.get(one) and args.get(other):
            found.append(f"`trainer.{one}` and `trainer.{other}` must not both be true.")
    if args.get("dataloader_prefetch_factor") and not args.get("dataloader_num_workers"):
        found.append(
            "`trainer.dataloader_prefetch_factor` must go with `trainer.dataloader_num_workers` of "
            "at least 1."
        )
    return found


def _multiple(save: float, evaluate: float) -> bool:
    if (save < 1) != (evaluate < 1):
        return False  # a share of the steps and a number of them
    return round(save * 1_000_000) % round(evaluate * 1_000_000) == 0
