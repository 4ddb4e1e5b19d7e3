"""Fixtures that several tests share."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from aloe_hub.cli.app import main
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages.imports import import_authors
from aloe_hub.stages.pairing import Pairing
from tests import preloaded
from tests.texts import write_texts

# No test asserts a wall-clock time: a busy machine is slow, not wrong. The same tests see the same examples, so that a red run
# is a change and not a throw of dice; `make torture` searches on with new ones.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=300)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# A job in the background of a shell is started with Ctrl-C ignored, and so would be what the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

AUTHORS = Path(__file__).resolve().parents[2] / "shared/data/aloe-original"

# Files of few and long tests. pytest-xdist hands out whole files in this order: last, one of them would keep a single process.
LONGEST = (
    "test_end_to_end.py",
    "test_miniature.py",
    "test_examples.py",
    "test_processes.py",
    "test_train_hub.py",
    "test_train_kills.py",
    "test_train_command.py",
    "test_scale.py",
    "test_demo_space.py",
    "test_datasets.py",
    "test_aloe_app.py",
    "test_docs.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """One process for all workers of pytest-xdist, which loads the libraries when it is asked for the first fork."""
    if preloaded.ADDRESS not in os.environ:
        config.add_cleanup(preloaded.begin())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.fixture
def authors() -> Path:
    """The texts that the ALOE authors published; they are not ours to ship."""
    if not AUTHORS.is_dir():
        pytest.skip(f"needs the authors' published texts in {AUTHORS}")
    return AUTHORS


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """A folder like the authors', with 12 profiles and 8 personalities of the world's grammar."""
    folder = tmp_path / "texts"
    folder.mkdir()
    return write_texts(folder, profiles=12, personalities=8)


@pytest.fixture
def run(tmp_path: Path, texts: Path) -> RunFolder:
    """A run folder with a pool: 20 personas for training, 4 held out."""
    folder = RunFolder(tmp_path / "run")
    import_authors(texts, folder, Pairing(pairings=2, test_profiles=2, test_personalities=2))
    return folder


@pytest.fixture
def aloe(capsys: pytest.CaptureFixture[str]):
    """Run `aloe` in this process: `status, output, errors = aloe("trees", "--run", folder)`."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return call


@pytest.fixture
def embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedder of policies, faked by one that counts words: loading the real one takes seconds."""
    from aloe_hub.chat.policies import nearness
    from tests.fakes import words_as_vectors

    monkeypatch.setattr(nearness, "embedder", lambda: words_as_vectors)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny chat model in a folder, made once."""
    from tests import tiny  # torch, which most tests do without

    return tiny.save_model(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="session")
def adapter(base: Path) -> Path:
    """A LoRA adapter of `base`."""
    from tests import tiny

    return tiny.save_adapter(base.parent / "adapter", base)
