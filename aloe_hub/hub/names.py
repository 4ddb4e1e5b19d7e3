"""What the Hub takes as a name: of a repo, of a licence, of a language. Checked before anything is read or made."""

from __future__ import annotations

import re
from difflib import get_close_matches

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from aloe_hub.errors import UsageError

# https://huggingface.co/docs/hub/repositories-licenses
_LICENCES = """
apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m afl-3.0
artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0
cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0
cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0
etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c
ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl openmdw-1.0 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl
lgpl-lr deepfloyd-if-license fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4
grok2-community gemma unknown other
"""
LICENCES = frozenset(_LICENCES.split())
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*|code|multilingual")


def check_names(repo: str, licence: str | None = None, language: str | None = None) -> None:
    """Raises: UsageError: a name that the Hub does not take, with one that it does."""
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise UsageError(f"--repo {repo!r}: not a name that the Hub takes, such as org/name ({error})") from None
    if licence is not None and licence.strip() and licence not in LICENCES:
        near = get_close_matches("-".join(licence.lower().split()), sorted(LICENCES), n=3) or ["other"]
        raise UsageError(f"--license {licence!r}: not a licence that the Hub knows; near: {', '.join(near)}")
    for one in language.split(",") if language is not None else ():
        if not _LANGUAGE.fullmatch(one):
            raise UsageError(f"--language {one!r}: not a code of ISO 639, such as en; several as zh,ar")
