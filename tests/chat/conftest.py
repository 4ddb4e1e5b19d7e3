"""Models in folders, made once."""

from pathlib import Path

import pytest
import tiny


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_model(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="session")
def adapter(base: Path) -> Path:
    return tiny.save_adapter(base.parent / "adapter", base)
