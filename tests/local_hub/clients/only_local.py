"""Imported by each script here: they make and delete repos, and must never do so with a person's own account."""

import os
import sys

if not os.environ.get("HF_ENDPOINT", "").startswith("http://127.0.0.1:"):
    sys.exit("only against a local Hub: aloe hub exec -- python …")
