"""Ways to train a pair, taking turns: ours, ours with one trick left out, and what others do."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from benchmarks.common import load_pair
from benchmarks.plain_pair import PlainLoss, WholeLastLayer, WholeVocabulary
from benchmarks.tutorial import CLS, MASK, PAD, SEP, TutorialPair
from electralab import machine
from electralab.models.dropout import fast_dropout
from electralab.models.flops import pair_costs
from electralab.models.rtd import RtdPair
from electralab.training.rate import matrix_rate

OURS = "ours"
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
# What is left out or taken in, one at a time; the others stay.
TRICKS: dict[str, dict[str, Any]] = {
    "last layer at every position": {"cls": WholeLastLayer},
    "vocabulary at every position": {"cls": WholeVocabulary},
    "loss, draw and gradient apart": {"cls": PlainLoss},
    "dropout .1": {"dropout": 0.1},
    "dropout .1 and PyTorch's masks": {"dropout": 0.1, "masks": nullcontext},
    "optimiser not fused": {"fused": False},
    "the other attention": {"attention": None},
    "compiled": {"compiled": True},
}


@dataclass(kw_only=True)
class Way:
    """A way to take steps.

    Attributes:
        name: For the table.
        step: Takes an optimiser step on a batch.
        batches: An endless stream.
        state: Bytes of the weights and of the optimiser's two moments.
        speeds: Real tokens a second, round by round.
        peaks: Of CUDA, bytes of a step and of the state, round by round.
    """

    name: str
    step: Callable[[Any], None]
    batches: Iterator[Any]
    state: int
    speeds: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)


def stepper(
    model: nn.Module,
    loss: Callable[[Any], Tensor],
    *,
    device: torch.device,
    half: bool,
    fused: bool = True,
    masks: Callable[[], AbstractContextManager[None]] = nullcontext,
):
    """Returns a function that takes one optimiser step on a batch."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=fused)

    def step(batch: Any) -> None:
        with masks():
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                value = loss(batch)
            value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return step


def ours(
    name: str,
    batches: Iterator[Any],
    *,
    half: bool,
    device: torch.device,
    label: str = OURS,
    **changes: Any,
) -> Way:
    """Returns our way on a model of `conf/model/`, maybe with something of `TRICKS` changed."""
    how = {"cls": RtdPair, "dropout": 0.0, "attention": "eager", "fused": True, "compiled": False}
    how = how | {"masks": fast_dropout} | changes
    pair = load_pair(name, cls=how["cls"], dropout=how["dropout"])
    pair.to(device).set_attn_implementation(how["attention"])
    run = torch.compile(pair, dynamic=False) if how["compiled"] else pair
    rest = {name: how[name] for name in ("fused", "masks")}
    step = stepper(pair, lambda batch: run(**batch).loss, half=half, device=device, **rest)
    return Way(name=label, step=step, batches=batches, state=_state(pair))


def _state(model: nn.Module) -> int:
    return 3 * sum(p.numel() * p.element_size() for p in model.parameters())


def others(
    names: list[str],
    model_name: str,
    batches: Callable[[], Iterator[Tensor]],
    *,
    half: bool,
    device: torch.device,
) -> list[Way]:
    """Returns the ways of others on rows of tokens; those not installed are said to be left out."""
    transformers.utils.logging.disable_progress_bar()
    pair = load_pair(model_name)
    ways = []
    for label in names:
        try:
            model, loss = _BUILDERS[label](pair)
        except ImportError as error:
            print(f"{label} is left out: {error}")
            continue
        # The optimiser that today's Trainer takes by default is fused.
        step = stepper(model.to(device), loss, half=half, device=device)
        ways.append(Way(name=label, step=step, batches=batches(), state=_state(model)))
    return ways


def take_turns(ways: list[Way], options: Any) -> None:
    """Takes a few steps of each way, round by round, and notes the speeds."""
    now, device = CLOCKS[options.clock], options.device
    on_cuda = device.type == "cuda"
    for number in range(options.rounds + 1):
        for way in ways:
            batches = [_moved(b, device) for b in itertools.islice(way.batches, options.steps)]
            ids = [b["input_ids"] if isinstance(b, dict) else b for b in batches]
            tokens = sum(int((rows != PAD).sum()) for rows in ids)
            if on_cuda:
                torch.cuda.synchronize(device)
                torch.cuda.reset_peak_memory_stats(device)
                before = torch.cuda.memory_allocated(device)
            start = now()
            for batch in batches:
                way.step(batch)
            if on_cuda:
                torch.cuda.synchronize(device)
            seconds = now() - start
            if number:  # the first round warms up
                way.speeds.append(tokens / seconds)
                if on_cuda:
                    peak = torch.cuda.max_memory_allocated(device) - before
                    way.peaks.append(peak + way.state)


def _moved(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, dict):
        return {name: values.to(device) for name, values in batch.items()}
    return batch.to(device)


def show(ways: list[Way], options: Any, *, half: bool) -> None:
    """Prints a table: speeds, and the median of the ratios to ours, round by round."""
    precision, model = "bf16" if half else "float32", options.model
    pair = load_pair(model)
    costs = pair_costs(generator=pair.config.generator, discriminator=pair.config.discriminator)
    rate = matrix_rate(options.device, precision, threads=torch.get_num_threads())
    first = ways[0]
    on_cuda = options.device.type == "cuda"
    card = torch.cuda.get_device_name(options.device) if on_cuda else ""
    print(f"\n{model}, {precision}, {card or f'{torch.get_num_threads()} threads'}")
    print("| way | real tokens/s | ours / it (lowest to highest round) |\n|---|---|---|")
    for way in ways:
        pairs = zip(first.speeds, way.speeds, strict=True)
        ratios = sorted(one / other for one, other in pairs)
        ratio = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"| {way.name} | {statistics.median(way.speeds):,.0f} | {ratio} |")
        if way.peaks:
            peak, share = (statistics.median(w.peaks) for w in (way, first))
            print(f"| | {peak / 2**20:,.0f} MiB at most | {share / peak:.2f} |")
    of_a_token = costs.of_a_token(length=options.length, chosen=0.15)
    used = statistics.median(first.speeds) * of_a_token / rate
    print(f"Ours uses {used:.0%} of the {precision} matrix rate, {rate / 1e9:,.0f} GFLOP/s.")


def add_options(parser: Any) -> None:
    """Adds the options that these benchmarks share."""
    parser.add_argument("--model", default="electra_small")
    parser.add_argument("--length", type=int, default=128)
    best = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", type=torch.device, default=torch.device(best))
    attention = {"default": "sdpa" if best == "cuda" else "eager", "choices": ["eager", "sdpa"]}
    parser.add_argument("--attention", **attention)
    parser.add_argument("--steps", type=int, default=1, help="of each way, in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", default="wall", choices=CLOCKS, help="processor: of all threads")
    parser.add_argument(
        "--precision", choices=["float32", "bf16"], help="default: what the hardware computes in"
    )
    parser.add_argument(
        "--tricks", action="store_true", help="also ours with one trick left out at a time"
    )
    parser.add_argument("--compiled", action="store_true", help="also ours compiled")
    parser.add_argument(
        "--others", nargs="*", default=list(_BUILDERS), choices=list(_BUILDERS), metavar="WHO"
    )


def is_half(options: Any) -> bool:
    """Returns whether to compute in bfloat16."""
    if options.precision is None:
        return machine.computes_bf16(use_cpu=options.device.type == "cpu")
    return options.precision == "bf16"


def variants(options: Any) -> list[tuple[str, dict[str, Any]]]:
    """Returns the names and the changes of what the options ask for besides ours."""
    found = []
    for label, change in TRICKS.items():
        if options.compiled if "compiled" in change else options.tricks:
            if "attention" in change:
                other = "sdpa" if options.attention == "eager" else "eager"
                label, change = f"attention {other}", {"attention": other}
            found.append((f"ours, {label}", change))
    return found


def _tutorial(pair: RtdPair) -> tuple[nn.Module, Callable]:
    model = TutorialPair(pair)
    return model, model


def _electra_pytorch(pair: RtdPair) -> tuple[nn.Module, Callable]:
    from electra_pytorch import Electra

    class Logits(nn.Module):
        def __init__(self, model: nn.Module) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: Tensor) -> Tensor:
            return self.model(ids).logits

    parts = TutorialPair(pair)
    model = Electra(
        *(Logits(parts.generator), Logits(parts.discriminator)),
        mask_token_id=MASK,
        pad_token_id=PAD,
        mask_ignore_token_ids=[CLS, SEP],
    )
    return model, lambda ids: model(ids).loss


def _rtd_gdes(pair: RtdPair) -> tuple[nn.Module, Callable]:
    """Its one DeBERTa-v2 that is generator and discriminator, in the size of our discriminator."""
    from rtd_gdes.gdes.model import DebertaV3GDES
    from rtd_gdes.gdes.trainer import _build_disc_labels, _disc_loss
    from transformers import DebertaV2Config, DebertaV2ForMaskedLM

    sizes = pair.config.discriminator
    names = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
    names += ("intermediate_size", "max_position_embeddings")
    config = DebertaV2Config(
        **{name: getattr(sizes, name) for name in names},
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        position_buckets=256,
        share_att_key=True,
        norm_rel_ebd="layer_norm",
        position_biased_input=False,
        type_vocab_size=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        DebertaV2ForMaskedLM(config).save_pretrained(folder)
        model = DebertaV3GDES(folder).train()

    def loss(ids: Tensor) -> Tensor:
        mask = (ids != PAD).long()
        chosen, replaced = torch.rand(2, *ids.shape, device=ids.device)
        chosen = (chosen < 0.15) & (ids > SEP)
        masked = torch.where(chosen & (replaced < 0.8), MASK, ids)
        labels = torch.where(chosen, ids, -100)
        said = model.forward_gen(input_ids=masked, attention_mask=mask, labels=labels)
        doubt = model.forward_disc(input_ids=said.logits.argmax(-1), attention_mask=mask)
        return said.loss + 0.5 * _disc_loss(doubt, _build_disc_labels(masked, MASK), mask)

    return model, loss


_BUILDERS = {"tutorial": _tutorial, "electra-pytorch": _electra_pytorch, "rtd-gdes": _rtd_gdes}
