"""Trees of the scripted world: minutes, peak memory as the number of trees grows, and how fast `aloe --help` answers.

    python bench/trees.py [TREES]

The pool is made here, of the world's grammar, so that nothing outside the clone is needed.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from aloe_hub.world.speaking import personality_text, profile_text

CHILD = """
import resource, sys
from aloe_hub.cli.app import main
status = main(sys.argv[1:])
print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(status)
"""


def aloe(*arguments: object) -> tuple[float, float]:
    """Seconds and peak MB of one command, in a process of its own."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", CHILD, *map(str, arguments)], capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - start
    return seconds, int(done.stdout.rsplit("PEAK", 1)[1]) / 1024


def main() -> None:
    trees = min(3310, int(sys.argv[1])) if len(sys.argv) > 1 else 3310  # the size of the pool
    with tempfile.TemporaryDirectory() as folder:
        random = Random(0)
        for name, text, number in (("profile", profile_text, 331), ("personality", personality_text, 71)):
            lines = (json.dumps(text(random)) for _ in range(number))
            Path(folder, f"{name}.jsonl").write_text("\n".join(lines) + "\n")
        for count in (trees // 10, trees):
            run = Path(folder, f"run{count}")
            aloe("import", folder, "--run", run, "--test-profiles", 0)
            seconds, megabytes = aloe("trees", "--run", run, "--limit", count)
            print(
                f"{count} trees of 10 turns, with their training rows: {seconds:.1f} s, "
                f"{seconds / count * 1000:.1f} ms a tree, peak {megabytes:.0f} MB",
                flush=True,
            )
    helped = min(aloe("--help")[0] for _ in range(5))
    bare = min(_bare() for _ in range(5))
    print(f"aloe --help: {helped:.2f} s, {helped / bare:.1f} times a bare `python -c pass` ({bare:.3f} s), best of 5")


def _bare() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
