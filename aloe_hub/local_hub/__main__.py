"""`python -m aloe_hub.local_hub --dir DIR --port N`: what `aloe hub` does, without the rest of the command line."""

import argparse
import sys
from functools import partial
from pathlib import Path

from aloe_hub.errors import AloeError
from aloe_hub.local_hub.process import DEFAULT_DIRECTORY, serve

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m aloe_hub.local_hub")
    parser.add_argument("--dir", type=Path, default=DEFAULT_DIRECTORY)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    try:
        serve(options.dir, options.port, partial(print, flush=True))
    except AloeError as error:
        sys.exit(f"error: {error}")
