"""From a clean tag to what users type, in one command: `ORG=… HF_TOKEN=… make release`.

    python scripts/release.py [--run RUN] [--in DIR] [--rehearse]

1. build: the wheel and the sdist from the commit alone; checked; each installed where the checkout is not.
2. publish: what RUN holds, and what ships with the package, by the commands of the installed wheel; a Collection of it all.
3. read back: each thing by a stranger, in a fresh process with an empty cache and no token, with the lines of the README.

A step that is done is kept in DIR/…/state.json, so the same command goes on where it was stopped. A rehearsal does all of it
against a Hub on this machine, downloads nothing, and asks for neither tag, ORG nor token.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import site
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from huggingface_hub import HfApi

from aloe_hub import __version__
from aloe_hub.local_hub.process import client_environment, running

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = "embed,metric,train"  # as the README installs it
QUIET = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
A_STRANGER_KEEPS = {"HF_ENDPOINT", "HF_HUB_DISABLE_XET", "HF_UPDATE_DOWNLOAD_COUNTS", *QUIET}
DESCRIPTION = "Aligning LLMs with individual preferences via interaction: personas, trees, a metric, a demo, a tiny model"
PAGES = ("README.md", "docs/how-to/publish.md")  # whose lines of Python a user types
# What the README trains, at a size for a check: on a model that is published here, and for one step.
SMALLER = {"Qwen/Qwen2.5-0.5B-Instruct": "org/aloe-pocket", 'DPOConfig("out", ': 'DPOConfig("out", max_steps=1, '}
SPEAK = """from transformers import pipeline
say = [{"role": "user", "content": "I have a pet called Bo. Any ideas for the weekend?"}]
print(pipeline("text-generation", model="REPO")(say, max_new_tokens=12)[0]["generated_text"][-1]["content"])"""
SPACE = """import sys
from huggingface_hub import HfApi, snapshot_download
sys.path.insert(0, snapshot_download("org/aloe-demo", repo_type="space"))
import aloe_hub
assert aloe_hub.__file__.startswith(sys.path[0]), aloe_hub.__file__
stage = HfApi().space_info("org/aloe-demo").runtime.stage
print(f"aloe-hub {aloe_hub.__version__} lies in it; stage {stage}")
assert not stage.endswith("ERROR"), stage"""
COLLECTION = """from huggingface_hub import get_collection
for item in get_collection("SLUG").items: print(item.item_type, item.item_id)"""

Step: TypeAlias = Callable[[], str]


@dataclass(frozen=True)
class Release:
    """What is released, where to, and the folder in which it is made."""

    version: str
    commit: str
    org: str
    run: Path
    work: Path
    api: HfApi
    around: Mapping[str, str]  # the environment of a process that publishes
    rehearsal: bool

    @property
    def tag(self) -> str:
        return f"v{self.version}"

    @property
    def python(self) -> str:
        return str(self.work / "env-wheel" / "bin" / "python")

    @property
    def adapters(self) -> dict[str, Path]:
        found = sorted(path.parent for path in (self.run / "adapters").glob("*/adapter_config.json"))
        return {f"{self.org}/aloe-pocket-{folder.name}": folder for folder in found}

    @property
    def repos(self) -> dict[str, tuple[str, str]]:
        """Everything that is published, in the order of the Collection: kind, and what it is."""
        return {
            f"{self.org}/aloe-personas": ("dataset", "Personas, with a held-out split"),
            f"{self.org}/aloe-prefs": ("dataset", "Preference trees, and the training rows pairs and sft"),
            f"{self.org}/aloe": ("space", "The metric: alignment level and its rise, with intervals"),
            f"{self.org}/aloe-pocket": ("model", "The tiny model of the test bed"),
            **{repo: ("model", f"Its adapter {folder.name}") for repo, folder in self.adapters.items()},
            f"{self.org}/aloe-demo": ("space", "Talk with the base and the aligned model side by side"),
        }

    def call(self, *command: str | Path, stranger: bool = False) -> str:
        """What the command prints. It runs outside the checkout; a stranger has no token, and a cache that is empty."""
        around = {name: value for name, value in self.around.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")} | QUIET
        if stranger:
            shutil.rmtree(self.work / "stranger", ignore_errors=True)
            kept = {
                name for name in around if name in A_STRANGER_KEEPS or not name.startswith(("HF_", "HUGGING", "TRANSFORMERS_"))
            }
            around = {name: around[name] for name in kept} | {"HF_HOME": str(self.work / "stranger")}
        place = self.work / "out"
        place.mkdir(exist_ok=True)
        done = subprocess.run([*map(str, command)], cwd=place, env=around, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{done.stdout}release: {' '.join(map(str, command))[:300]}: exit status {done.returncode}")
        return done.stdout.strip()


def refusals(version: str) -> list[str]:
    """Why this checkout is not to be released."""
    found = []
    if changed := git("status", "--porcelain"):
        found.append(f"the tree is not clean: {', '.join(line[3:] for line in changed.splitlines()[:5])}")
    if f"v{version}" not in git("tag", "--points-at", "HEAD").split():
        found.append(f"HEAD has no tag v{version}: git tag -a v{version} -m 'aloe-hub {version}'")
    if f"\nversion: {version}\n" not in (ROOT / "CITATION.cff").read_text(encoding="utf-8"):
        found.append(f"CITATION.cff has another version than {version}")
    dated = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$"
    if not re.search(dated, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE):
        found.append(f"CHANGELOG.md has no section [{version}] with a date")
    return found


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.rstrip()


def build(release: Release) -> str:
    """The files of the commit, and nothing else that lies in the checkout, → a wheel and an sdist that twine accepts."""
    source, dist = release.work / "source", release.work / "dist"
    for folder in (source, dist):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", release.commit], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", source], input=archive, check=True)
    alone = ["--no-isolation"] if release.rehearsal else []
    release.call(sys.executable, "-m", "build", *alone, "--outdir", dist, source)
    files = sorted(dist.iterdir())
    checked = release.call(sys.executable, "-m", "twine", "check", "--strict", *files)
    return "\n".join([*(f"{file.name}: {file.stat().st_size:,} bytes" for file in files), checked])


def install(release: Release, form: str) -> str:
    """The wheel with what it needs, or the sdist beside what the wheel needs; in an environment that has no checkout."""
    (file,) = (release.work / "dist").glob("*.whl" if form == "wheel" else "*.tar.gz")
    folder = release.work / f"env-{form}"
    python = folder / "bin" / "python"
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=False)
    packages = next(folder.glob("lib/python*/site-packages"))
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    if release.rehearsal:  # paths alone: an editable install of the checkout needs its own .pth to be read, and is not seen
        here = [path for path in sys.path if path.endswith("-packages")] or site.getsitepackages()
        (packages / "here.pth").write_text("\n".join(here))
    elif form == "sdist":
        (packages / "here.pth").write_text(str(next((release.work / "env-wheel").glob("lib/python*/site-packages"))))
    else:
        release.call(*pip, "-c", release.work / "source" / "constraints.txt", "torch")
        release.call(*pip, "-c", release.work / "source" / "constraints.txt", f"{file}[{EXTRAS}]")
    if release.rehearsal or form == "sdist":
        alone = ["--no-build-isolation", "--no-index"] if release.rehearsal else []
        release.call(*pip, *alone, "--no-deps", "--ignore-installed", file)
    found = release.call(python, "-c", "import aloe_hub; print(aloe_hub.__file__)")
    assert found.startswith(str(packages)), found
    release.call(python, "-c", "from aloe_hub.files.settings import read_recipe; read_recipe('demo')")
    return f"{release.call(folder / 'bin' / 'aloe', '--version')} from {file.name}"


def publish(release: Release, what: str, repo: str, *options: str | Path) -> str:
    return release.call(
        release.python, "-m", "aloe_hub.cli.app", "publish", what, "--repo", repo, *options, "--tag", release.tag
    ).splitlines()[0]


def collect(release: Release) -> str:
    """A Collection of all that is published. What is in it already stays."""
    made = release.api.create_collection("aloe-hub", namespace=release.org, description=DESCRIPTION, exists_ok=True)
    for repo, (kind, note) in release.repos.items():
        release.api.add_collection_item(made.slug, repo, kind, note=note, exists_ok=True)  # type: ignore[arg-type]
    return made.slug


def read_back(release: Release, code: str) -> str:
    """What a stranger's Python prints for lines that name `org`."""
    return release.call(release.python, "-c", re.sub(r"\borg/", f"{release.org}/", code), stranger=True)


def typed(release: Release) -> dict[str, str]:
    """The blocks of Python on the pages, each by its last line, with what is published here in place of what they name."""
    there = {**SMALLER, "org/aloe-pocket-dpo": [*release.adapters][-1], 'revision="v1"': f'revision="{release.tag}"'}
    found = {}
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for block in re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
            for before, after in there.items():
                block = block.replace(before, after)
            found[f"{page}: {block.strip().splitlines()[-1].partition('  #')[0]}"] = f"{block}\nprint('runs')"
    return found


def steps(release: Release, done: Mapping[str, str]) -> dict[str, Step]:
    """Everything, in order. `done`: what earlier steps said."""
    org, run = release.org, ("--run", release.run)
    base = f"{org}/aloe-pocket"
    check = partial(read_back, release)
    same = ("-m", "aloe_hub.hub.read_back", release.run, org)
    return {
        "build": partial(build, release),
        "install the wheel": partial(install, release, "wheel"),
        "install the sdist": partial(install, release, "sdist"),
        "publish personas": partial(publish, release, "personas", f"{org}/aloe-personas", *run),
        "publish prefs": partial(publish, release, "prefs", f"{org}/aloe-prefs", *run),
        "publish metric": partial(publish, release, "metric", f"{org}/aloe"),
        "publish pocket": partial(publish, release, "pocket", base),
        **{
            f"publish {folder.name}": partial(publish, release, "adapter", repo, "--adapter", folder, "--base-repo", base)
            for repo, folder in release.adapters.items()
        },
        "publish demo": partial(publish, release, "demo", f"{org}/aloe-demo"),
        "collection": partial(collect, release),
        "read back: datasets and metric, as the run holds them": partial(release.call, release.python, *same, stranger=True),
        **{f"read back: {repo}": partial(check, SPEAK.replace("REPO", repo)) for repo in (base, *release.adapters)},
        "read back: demo": partial(check, SPACE),
        "read back: collection": lambda: check(COLLECTION.replace("SLUG", done["collection"])),
        **{f"read back: {name}": partial(check, code) for name, code in typed(release).items()},
    }


def carry_out(all_steps: Mapping[str, Step], state: Path, done: dict[str, str]) -> None:
    """Each step that is not done; what it says is kept before the next begins."""
    for name, step in all_steps.items():
        if name in done:
            print(f"== {name}: done before", flush=True)
            continue
        print(f"== {name}", flush=True)
        done[name] = step()
        print(done[name], flush=True)
        written = state.with_suffix(".partial")
        written.write_text(json.dumps(done, ensure_ascii=False, indent=1), encoding="utf-8")
        written.replace(state)


def where(release: Release) -> str:
    """What stands where: each address, with the commit that the release's tag marks."""
    lines = []
    for repo, (kind, _) in release.repos.items():
        refs = release.api.list_repo_refs(repo, repo_type=kind)
        commit = next(ref.target_commit for ref in refs.tags if ref.name == release.tag)
        place = repo if kind == "model" else f"{kind}s/{repo}"
        lines.append(f"{kind:<8} {release.api.endpoint}/{place}  {release.tag} = {commit[:8]}")
    return "\n".join([*lines, *(f"{'package':<8} {file}" for file in sorted((release.work / "dist").iterdir()))])


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--run", type=Path, default=ROOT / "runs" / "demo", help="whose data and adapters are published")
    options.add_argument("--in", dest="folder", type=Path, default=ROOT / ".release", help="where releases are made")
    options.add_argument("--rehearse", action="store_true", help="against a Hub on this machine, without downloads")
    given = options.parse_args()
    rehearsal, run = given.rehearse, given.run.resolve()
    org, token = os.environ.get("ORG") or ("rehearsal" if rehearsal else ""), os.environ.get("HF_TOKEN")
    found = refusals(__version__)
    if rehearsal:
        print("\n".join(f"rehearsal; a release would be refused: {one}" for one in found), flush=True)
    elif not (org and token):
        found.append("ORG and HF_TOKEN: whose account, and a token that may write there")
    if not (run / "pairs.jsonl").is_file() or not list((run / "adapters").glob("*/adapter_config.json")):
        raise SystemExit(f"release: {run} holds no finished run with an adapter; make demo makes one")
    if found and not rehearsal:
        raise SystemExit("\n".join(f"release: {one}" for one in found))
    commit = git("rev-parse", "HEAD")
    work = given.folder.resolve() / f"{'rehearsal' if rehearsal else 'release'}-{org}-{commit[:8]}-{run.name}"
    work.mkdir(parents=True, exist_ok=True)
    with running(work / "hub") if rehearsal else nullcontext() as hub:
        around = client_environment(hub, os.environ) if hub else os.environ
        api = HfApi(hub.endpoint, hub.token) if hub else HfApi(token=token)
        release = Release(__version__, commit, org, run, work, api, around, rehearsal)
        state = work / "state.json"
        done: dict[str, str] = json.loads(state.read_bytes()) if state.exists() else {}
        carry_out(steps(release, done), state, done)
        print(f"== what stands where\n{where(release)}")
    if not rehearsal:
        print(f"== left for a person, with an account on PyPI: twine upload {work / 'dist'}/*")
    return 0


if __name__ == "__main__":
    sys.exit(main())
