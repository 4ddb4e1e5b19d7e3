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
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from huggingface_hub import HfApi
from release_lines import COLLECTION, typed

from aloe_hub import __version__
from aloe_hub.local_hub.process import client_environment, running

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = "embed,metric,train"  # as the README installs it
QUIET = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "NO_COLOR": "1", "COLUMNS": "300"}
A_STRANGER_KEEPS = {"HF_ENDPOINT", "HF_HUB_DISABLE_XET", "HF_UPDATE_DOWNLOAD_COUNTS", *QUIET}
DESCRIPTION = "Aligning LLMs with individual preferences via interaction: personas, trees, a metric, a demo, a tiny model"


@dataclass(frozen=True)
class Thing:
    """One repo; `how` is what `aloe publish` is told."""

    repo: str
    kind: Literal["dataset", "model", "space"]
    note: str
    how: tuple[str | Path, ...]


@dataclass(frozen=True)
class Release:
    """What is released, where to, and the folder in which it is made."""

    tag: str
    commit: str
    org: str
    run: Path
    work: Path
    api: HfApi
    around: Mapping[str, str]  # the environment of a process that publishes
    rehearsal: bool

    @property
    def python(self) -> str:
        return str(self.work / "env-wheel" / "bin" / "python")

    @property
    def things(self) -> list[Thing]:
        """Everything that is published, in this order: an adapter after its base, the demo after the data that it shows."""
        org, of_run, base = self.org, ("--run", self.run), f"{self.org}/aloe-pocket"
        folders = sorted(path.parent for path in (self.run / "adapters").glob("*/adapter_config.json"))
        how = ("adapter", "--base-repo", base, "--adapter")
        adapters = [Thing(f"{base}-{one.name}", "model", f"Its adapter {one.name}", (*how, one)) for one in folders]
        return [
            Thing(f"{org}/aloe-personas", "dataset", "Personas, with a held-out split", ("personas", *of_run)),
            Thing(f"{org}/aloe-prefs", "dataset", "Preference trees, and the training rows pairs and sft", ("prefs", *of_run)),
            Thing(f"{org}/aloe", "space", "The metric: alignment level and its rise, with intervals", ("metric",)),
            Thing(base, "model", "The tiny model of the test bed", ("pocket",)),
            *adapters,
            Thing(f"{org}/aloe-demo", "space", "The base and the aligned model, side by side", ("demo",)),
        ]

    def call(self, *command: str | Path, stranger: bool = False) -> str:
        """What the command prints. It runs outside the checkout; a stranger has no token, and a cache that is empty."""
        around = {name: value for name, value in self.around.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")} | QUIET
        if stranger:
            shutil.rmtree(self.work / "stranger", ignore_errors=True)
            others = ("HF_", "HUGGING")
            kept = {name: value for name, value in around.items() if not name.startswith(others) or name in A_STRANGER_KEEPS}
            around = kept | {"HF_HOME": str(self.work / "stranger")}
        place, log = self.work / "out", self.work / "log.txt"
        place.mkdir(exist_ok=True)
        with log.open("a") as errors:
            done = subprocess.run([*map(str, command)], cwd=place, env=around, stdout=-1, stderr=errors, text=True, check=False)
        if done.returncode:
            said = done.stdout + log.read_text(errors="replace")[-2000:]
            raise SystemExit(f"{said}\nrelease: {' '.join(map(str, command))[:300]}: status {done.returncode}; more in {log}")
        return done.stdout.strip()


def refusals(version: str, org: str, token: str | None) -> list[str]:
    """Why this checkout is not to be released from here."""
    found = [] if org and token else ["ORG and HF_TOKEN: whose account, and a token that may write there"]
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
    release.call(sys.executable, "-m", "twine", "check", "--strict", *files)
    return "\n".join([*(f"{file.name}: {file.stat().st_size:,} bytes" for file in files), "twine check --strict: passed"])


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
        (packages / "here.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
    elif form == "sdist":
        (packages / "here.pth").write_text(str(next((release.work / "env-wheel").glob("lib/python*/site-packages"))))
    else:
        release.call(*pip, "-c", release.work / "source" / "constraints.txt", "torch")
        release.call(*pip, "-c", release.work / "source" / "constraints.txt", f"{file}[{EXTRAS}]")
    if release.rehearsal or form == "sdist":
        alone = ["--no-build-isolation", "--no-index"] if release.rehearsal else []
        release.call(*pip, *alone, "--no-deps", "--ignore-installed", file)
    code = "import aloe_hub; from aloe_hub.files.settings import read_recipe; read_recipe('demo'); print(aloe_hub.__file__)"
    found = release.call(python, "-c", code)
    assert found.startswith(str(packages)), found
    return f"{release.call(folder / 'bin' / 'aloe', '--version')} from {file.name}"


def publish(release: Release, thing: Thing) -> str:
    aloe = (release.python, "-m", "aloe_hub.cli.app")
    return release.call(*aloe, "publish", *thing.how, "--repo", thing.repo, "--tag", release.tag).splitlines()[0]


def collect(release: Release) -> str:
    """A Collection of all that is published; what is in it already stays. Its slug."""
    made = release.api.create_collection("aloe-hub", namespace=release.org, description=DESCRIPTION, exists_ok=True)
    for thing in release.things:
        release.api.add_collection_item(made.slug, thing.repo, thing.kind, note=thing.note, exists_ok=True)
    return made.slug


def steps(release: Release, done: Mapping[str, str]) -> dict[str, Callable[[], str]]:
    """Everything, in order. `done`: what earlier steps said."""
    stranger = partial(release.call, release.python, stranger=True)
    models = [thing.repo for thing in release.things if thing.kind == "model"]
    return {
        "build": partial(build, release),
        "install the wheel": partial(install, release, "wheel"),
        "install the sdist": partial(install, release, "sdist"),
        **{f"publish {thing.repo}": partial(publish, release, thing) for thing in release.things},
        "collection": partial(collect, release),
        "read back: data and metric": partial(stranger, "-m", "aloe_hub.hub.read_back", release.run, release.org),
        "read back: collection": lambda: stranger("-c", COLLECTION.replace("REPO", done["collection"])),
        **{f"read back: {name}": partial(stranger, "-c", code) for name, code in typed(release.org, release.tag, models).items()},
    }


def carry_out(all_steps: Mapping[str, Callable[[], str]], state: Path, done: dict[str, str]) -> None:
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


def where(release: Release, slug: str) -> str:
    """What stands where: each address, with the commit that the release's tag marks."""
    lines = []
    for thing in release.things:
        refs = release.api.list_repo_refs(thing.repo, repo_type=thing.kind)
        commit = next(ref.target_commit for ref in refs.tags if ref.name == release.tag)
        place = thing.repo if thing.kind == "model" else f"{thing.kind}s/{thing.repo}"
        lines.append(f"{thing.kind:<10} {release.api.endpoint}/{place}  {release.tag} = {commit[:8]}")
    lines.append(f"collection {release.api.endpoint}/collections/{slug}")
    return "\n".join([*lines, *(f"package    {file}" for file in sorted((release.work / "dist").iterdir()))])


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--run", type=Path, default=ROOT / "runs" / "demo", help="whose data and adapters are published")
    options.add_argument("--in", dest="folder", type=Path, default=ROOT / ".release", help="where releases are made")
    options.add_argument("--rehearse", action="store_true", help="against a Hub on this machine, without downloads")
    given = options.parse_args()
    rehearsal, run = given.rehearse, given.run.resolve()
    org, token = os.environ.get("ORG") or ("rehearsal" if rehearsal else ""), os.environ.get("HF_TOKEN")
    found = refusals(__version__, org, token)
    for one in found:
        print(f"release {'would be ' * rehearsal}refused: {one}", flush=True)
    if not (run / "pairs.jsonl").is_file() or not list((run / "adapters").glob("*/adapter_config.json")):
        raise SystemExit(f"release: {run} holds no finished run with an adapter; make demo makes one")
    if found and not rehearsal:
        return 1
    commit = git("rev-parse", "HEAD")
    work = given.folder.resolve() / f"{'rehearsal' if rehearsal else 'release'}-{org}-{commit[:8]}-{run.name}"
    work.mkdir(parents=True, exist_ok=True)
    with running(work / "hub") if rehearsal else nullcontext() as hub:
        around = client_environment(hub, os.environ) if hub else os.environ
        api = HfApi(hub.endpoint, hub.token) if hub else HfApi(token=token)
        release = Release(f"v{__version__}", commit, org, run, work, api, around, rehearsal)
        state = work / "state.json"
        done: dict[str, str] = json.loads(state.read_bytes()) if state.exists() else {}
        carry_out(steps(release, done), state, done)
        print(f"== what stands where\n{where(release, done['collection'])}")
    if not rehearsal:
        print(f"== left for a person, with an account on PyPI: twine upload {work / 'dist'}/*")
    return 0


if __name__ == "__main__":
    sys.exit(main())
