"""Real tokens a second of replaced token detection: ours against the tutorial's way.

    python -m benchmarks.rtd_speed --texts reviews.txt [--model electra_small] [--rounds 7]

The tutorial's way: 32 texts a batch padded to the longest, float32, vocabulary logits at every
position, no attention mask, Gumbel noise, nothing shared. Ours: texts run on in full blocks, bf16,
logits at the chosen positions. Steps take turns in one process, optimiser included; the median of
the ratios. The matrix rate is that of a bf16 product of this process, measured before.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import ElectraForMaskedLM, ElectraForPreTraining

from benchmarks.common import SPECIAL, collator, load_pair
from electralab.data.tokenizer import train_wordpiece
from electralab.models.flops import pair_costs
from electralab.models.rtd import RtdPair
from electralab.training.rate import matrix_rate

PAD, CLS, SEP, MASK = 0, 2, 3, 4


class TutorialPair(torch.nn.Module):
    """The pair as the tutorial writes it, its loss at every position.

    Args:
        pair: Whose sizes it has.
    """

    def __init__(self, pair: RtdPair) -> None:
        super().__init__()
        self.generator = ElectraForMaskedLM(pair.config.generator)
        self.discriminator = ElectraForPreTraining(pair.config.discriminator)

    def forward(self, input_ids: Tensor) -> Tensor:
        real = input_ids != PAD
        maskable = real & (input_ids > max(SPECIAL))
        chosen = maskable & (torch.rand(input_ids.shape) < 0.15)
        masked = torch.where(chosen & (torch.rand(input_ids.shape) < 0.85), MASK, input_ids)
        logits = self.generator(masked).logits  # (B, L, V)
        mlm = F.cross_entropy(logits[chosen], input_ids[chosen])
        with torch.no_grad():
            sampled = F.gumbel_softmax(logits[chosen], tau=1.0).argmax(-1)
        corrupted = input_ids.clone()
        corrupted[chosen] = sampled
        doubt = self.discriminator(corrupted).logits
        replaced = (corrupted != input_ids).float()
        return mlm + 50 * F.binary_cross_entropy_with_logits(doubt[real], replaced[real])


def padded(rows: list[list[int]], size: int) -> Iterator[Tensor]:
    """Yields batches of texts, padded to the longest of each."""
    for first in itertools.cycle(range(0, len(rows) - size + 1, size)):
        batch = [torch.tensor([CLS, *row, SEP]) for row in rows[first : first + size]]
        yield torch.nn.utils.rnn.pad_sequence(batch, batch_first=True, padding_value=PAD)


def packed(rows: list[list[int]], size: int, length: int) -> Iterator[dict[str, Tensor]]:
    """Yields batches of full blocks, in which the texts run on."""
    ids = [token for row in rows for token in (*row, SEP)]
    inside = length - 2
    blocks = [[CLS, *ids[i : i + inside], SEP] for i in range(0, len(ids) - inside, inside)]
    collate = collator(length)
    for number in itertools.count():
        numbers = [(number * size + n) % len(blocks) for n in range(size)]
        yield collate([{"input_ids": blocks[n], "epoch": number, "index": n} for n in numbers])


def stepper(model: torch.nn.Module, loss: Callable[[object], Tensor], half: bool) -> Callable:
    """Returns a function that takes one optimiser step on a batch."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=half)

    def step(batch: object) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            value = loss(batch)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", required=True, help="a text a line")
    parser.add_argument("--model", default="electra_small")
    parser.add_argument("--rows", type=int, default=32, help="blocks in a batch of ours")
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--attention", default="eager")
    parser.add_argument("--steps", type=int, default=3, help="of each, in a round")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    texts = Path(options.texts).read_text(encoding="utf-8").splitlines()[:20_000]
    pair = load_pair(options.model, dropout=0.0)
    pair.set_attn_implementation(options.attention)
    vocab = pair.config.discriminator.vocab_size
    tokenizer = train_wordpiece(texts, vocab_size=vocab, lowercase=True)
    rows = tokenizer(texts, add_special_tokens=False, truncation=True, max_length=126)["input_ids"]
    rows = [row for row in rows if row]
    theirs = TutorialPair(pair)
    their_step = stepper(theirs, theirs, half=False)
    our_step = stepper(pair, lambda batch: pair(**batch).loss, half=True)
    sources = {their_step: padded(rows, 32), our_step: packed(rows, options.rows, options.length)}
    speeds: dict[Callable, list[float]] = {their_step: [], our_step: []}
    for number in range(options.rounds + 1):
        for step, batches in sources.items():
            tokens, seconds = 0, 0.0
            for batch in itertools.islice(batches, options.steps):
                ids = batch["input_ids"] if isinstance(batch, dict) else batch
                tokens += int((ids != PAD).sum())
                start = time.perf_counter()
                step(batch)
                seconds += time.perf_counter() - start
            if number:  # the first round warms up
                speeds[step].append(tokens / seconds)
    ratio = statistics.median(
        ours / other for ours, other in zip(speeds[our_step], speeds[their_step], strict=True)
    )
    ours, other = (statistics.median(speeds[step]) for step in (our_step, their_step))
    rate = matrix_rate(torch.device("cpu"), "bf16")
    costs = pair_costs(generator=pair.config.generator, discriminator=pair.config.discriminator)
    used = ours * costs.of_a_token(length=options.length, chosen=0.15) / rate
    print(
        f"{options.model}: {ours:,.0f} real tokens/s, {ratio:.1f} times the tutorial's "
        f"{other:,.0f} (median of {options.rounds}); {used:.0%} of the bf16 matrix rate, "
        f"{rate / 1e9:,.0f} GFLOP/s"
    )


if __name__ == "__main__":
    main()
