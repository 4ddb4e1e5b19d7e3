"""How many of a run's pairs are the wrong way round: what training is told of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from aloe_hub.audit.order import label_noise
from aloe_hub.audit.whole import own_judge, verdicts_of_trees
from aloe_hub.errors import DataError
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.results.audited import FILE, read_audit
from aloe_hub.results.rows import holds_rows


def measured_noise(run: Path) -> dict[str, Any]:
    """`{"epsilon": ε, "source": …}` of the judge of the run's trees: as its audit found it, else by the verdicts in both orders.

    Either is a lower bound (order.py): errors that both orders share are not seen.

    Raises:
        DataError: there are neither, no fork was judged in both orders, or the orders agree no more often than guesses would.
    """
    judge, found = own_judge(RunFolder(run)), read_audit(run)
    audited = found["judges"].get(judge) if found else None
    if audited is not None:
        value, where = audited["order"]["label_noise"]["value"], f"{FILE} of the judge {judge}"
    elif holds_rows(run / "trees.jsonl"):
        verdicts = verdicts_of_trees(run)
        if not verdicts:
            raise DataError(f"--noise measured: {run / 'trees.jsonl'}: no fork was judged in both orders; give a share instead")
        value = label_noise([choices for choices, _ in verdicts], [whose for _, whose in verdicts], n_resamples=1).value
        where = f"the two orders of {len(verdicts)} comparisons in trees.jsonl"
    else:
        raise DataError(f"--noise measured: {run} has neither trees nor an audit; give a share, such as --noise 0.1")
    if value is None or math.isnan(value) or value >= 0.5:
        raise DataError(f"--noise measured: by {where} the verdicts are no better than guesses; ask another judge")
    return {"epsilon": value, "source": f"at least, by {where}"}
