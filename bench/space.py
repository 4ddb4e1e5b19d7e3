"""The demo Space beside bare `transformers`: `python bench/space.py`.

Start-up: from starting the process to the first page, while its models are still being loaded, beside a process that imports
torch and transformers, loads the same two models and generates one token. First token: from sending a message to the first
piece of a reply that comes back through the whole app (queue, pages, both models at once, the inferrer), for the second message
of a visitor, whose session is there by then; beside `generate` of one token by the base model alone, of a conversation as long.
About a minute on one core.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MESSAGE = "I work as a nurse. I have a pet called Tiki. What should I make for dinner?"
REPLY = "Cook a quick soup tonight. Add bread and a salad. Make enough for Tiki and you. A nurse needs a warm meal."
CONVERSATION = [("user", MESSAGE), ("assistant", REPLY), ("user", MESSAGE)]
TIMES = 15
BARE = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
import torch
from aloe_hub.loading import load_adapter, load_model, load_tokenizer
from aloe_hub.source import Source
tokenizer, model = load_tokenizer(Source("pocket")), load_model(Source("pocket"))
load_adapter(load_model(Source("pocket")), Source("pocket-sft"))
messages = [{{"role": role, "content": text}} for role, text in {CONVERSATION!r}]
prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")
model.generate(**prompt, max_new_tokens=1, do_sample=False)
print("ready", flush=True)
took = []
for _ in range({TIMES}):
    start = time.perf_counter()
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")
    model.generate(**prompt, max_new_tokens=1, do_sample=False)
    took.append(time.perf_counter() - start)
print(*took, flush=True)
"""


def bare() -> tuple[float, list[float]]:
    """Seconds until ready, and seconds of each first token."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", BARE], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    ready = time.perf_counter() - start
    took = [float(value) for value in process.stdout.readline().split()]
    process.wait()
    return ready, took


def space(scratch: Path) -> tuple[float, list[float]]:
    """The same of the app, asked over HTTP by gradio's own client."""
    from gradio_client import Client

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ALOE_", "HF_"))}
    environment |= {"GRADIO_SERVER_PORT": str(port), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "ALOE_VOTES": str(scratch)}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT / "spaces" / "aloe_demo", env=environment, stdout=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}/"
        while True:
            try:
                urllib.request.urlopen(f"{url}health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.05)
        ready = time.perf_counter() - start
        took = []
        for _ in range(TIMES + 1):
            client = Client(url, verbose=False, analytics_enabled=False)  # a new visitor
            client.predict(MESSAGE, api_name="/say")
            begun = time.perf_counter()
            job = client.submit(MESSAGE, api_name="/say")
            second = (page.rpartition('class="pair"')[2] for page, *_ in job if 'id="message-2"' in page)
            first = next(pair for pair in second if 'class="text"' in pair)
            took.append(time.perf_counter() - begun)
            assert first
            job.result()
            client.close()
        return ready, took[1:]  # the first visitor pays for what is loaded only then
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    bare_ready, bare_took = bare()
    with tempfile.TemporaryDirectory() as name:
        space_ready, space_took = space(Path(name))
    one, other = statistics.median(space_took), statistics.median(bare_took)
    print(f"start-up: the Space {space_ready:.1f} s, bare transformers {bare_ready:.1f} s, ratio {space_ready / bare_ready:.2f}")
    print(f"first token, median of {TIMES}: the Space {one * 1e3:.0f} ms, generate {other * 1e3:.0f} ms, ratio {one / other:.1f}")
