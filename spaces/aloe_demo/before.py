"""What has to be done before Gradio and torch are imported: app.py imports this first."""

import os
import sys
from contextlib import suppress
from pathlib import Path

# In a checkout theme.py, which Spaces share, lies one folder up; on the Hub a copy of it lies here.
sys.path.append(str(Path(__file__).resolve().parents[1]))
# Nothing about visitors is told to anybody.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
with suppress(ImportError):
    import spaces  # noqa: F401 - on ZeroGPU it has to be there before torch
