"""What has to be done before Gradio and torch are imported: app.py imports this first."""

import os
from contextlib import suppress

# Nothing about visitors is told to anybody.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
with suppress(ImportError):
    import spaces  # noqa: F401 - on ZeroGPU it has to be there before torch
