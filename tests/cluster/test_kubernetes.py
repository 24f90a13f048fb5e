"""The example for Kubernetes: what its pod runs has a plan, also from a folder that holds nothing yet."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
HOME, PYTHON = "/opt/sclitmus", "/opt/sclitmus/.venv/bin/python"


def test_what_the_pod_runs_has_a_plan(tmp_path: Path) -> None:
    documents = yaml.safe_load_all((ROOT / "docs/examples/kubernetes.yaml").read_text(encoding="utf-8"))
    claim, job = documents
    pod = job["spec"]["template"]["spec"]
    (study,), (volume,) = pod["containers"], pod["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert study["volumeMounts"] == [{"name": volume["name"], "mountPath": study["workingDir"]}]
    words = [*study["command"], *study["args"]]
    assert words[0] == PYTHON
    done = subprocess.run(
        [
            sys.executable,
            *(word.replace(HOME, str(ROOT)) for word in words[1:]),
            "--",
            "--dry-run",
            "--quiet",
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
