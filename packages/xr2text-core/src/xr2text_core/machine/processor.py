"""What the processor computes in hardware."""

import torch


def computes_bf16() -> bool:
    """Whether it multiplies BF16 in hardware (AVX512-BF16 or AMX); others emulate it, many times slower."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
