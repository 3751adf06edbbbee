"""What this machine lends to the process."""

from __future__ import annotations

import os

_jobs = 1  # that share the cores
_spared = False  # the hub's library was told that there is no network


def share(jobs: int) -> None:
    """Says that so many jobs run beside each other, this process being one of them."""
    global _jobs
    _jobs = jobs


def cores() -> int:
    """Returns how many cores this process may use, its share if others run beside it."""
    return max(1, _all() // _jobs)


def computes_bf16(*, use_cpu: bool) -> bool:
    """Says whether matrix products in bfloat16 are done by the hardware itself; imports PyTorch.

    Where they are not they are emulated: on a CPU with AVX2 alone a product takes some ninety times
    as long as in float32.

    Args:
        use_cpu: Of the CPU, or else of the accelerator.
    """
    import platform

    import torch

    if not use_cpu:
        cuda = torch.cuda.is_available()
        return cuda and torch.cuda.is_bf16_supported(including_emulation=False)
    if platform.machine().lower() in ("aarch64", "arm64"):
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def _all() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spare_the_hub() -> None:
    """Has the hub's library look into its cache alone where its server has no address.

    Without a network it would try for a minute. Behind a proxy, names are the proxy's business.
    """
    import socket
    from urllib.parse import urlsplit
    from urllib.request import getproxies

    from huggingface_hub import constants

    server = urlsplit(constants.ENDPOINT)
    global _spared
    asked_for = constants.HF_HUB_OFFLINE and not _spared
    if asked_for or getproxies().keys() & {server.scheme, "all"}:
        return
    try:
        socket.getaddrinfo(server.hostname, server.port)
        _spared = False
    except OSError:
        _spared = True
    constants.HF_HUB_OFFLINE = _spared
