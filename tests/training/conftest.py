"""What tests of training share: one thread, and no progress bars."""

import datasets
import pytest
import torch

collect_ignore = ["clients"]  # scripts, no tests


@pytest.fixture(autouse=True, scope="session")
def _quietly_on_one_thread():
    datasets.disable_progress_bars()
    torch.set_num_threads(1)
