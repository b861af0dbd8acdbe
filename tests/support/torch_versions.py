"""What differs between the versions of torch that the tests run on: 2.1, which AUTOMATIC1111 installs, and 2.13."""

import torch

TORCH_2_1 = not hasattr(torch.compiler, "is_compiling")

AUTOCAST_TYPES = [torch.bfloat16] if TORCH_2_1 else [torch.float16, torch.bfloat16]
"""Half types of autocast on the CPU."""
