"""evaluate: a metric Space under an org, private, and the short name that stands for evaluate-metric/…"""

import evaluate
import only_local  # noqa: F401
from huggingface_hub import HfApi

METRIC = '''"""A metric."""
import datasets
import evaluate


class Aloe(evaluate.Metric):
    def _info(self):
        features = datasets.Features({"predictions": datasets.Value("float64")})
        return evaluate.MetricInfo(description="d", citation="", inputs_description="", features=features)

    def _compute(self, predictions):
        return {"mean": sum(predictions) / len(predictions), "word": "WORD"}
'''

api = HfApi()
for repo_id, word, private in (("org/aloe", "first", True), ("evaluate-metric/aloe", "second", False)):
    api.create_repo(repo_id, repo_type="space", space_sdk="gradio", private=private)
    card = b"---\ntitle: Aloe\nsdk: gradio\ntags:\n- evaluate\n- metric\n---\n"
    for path, content in (("aloe.py", METRIC.replace("WORD", word).encode()), ("README.md", card)):
        api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo_id, repo_type="space")
assert api.space_info("org/aloe").sdk == "gradio"
assert evaluate.load("org/aloe").compute(predictions=[1.0, 2.0]) == {"mean": 1.5, "word": "first"}
assert evaluate.load("aloe").compute(predictions=[1.0, 3.0]) == {"mean": 2.0, "word": "second"}
assert "aloe" in evaluate.list_evaluation_modules(module_type="metric")
