"""The package as somebody installs it."""

import ast
import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "src").rglob("*.py"))

PROGRAM = """
import asyncio, sys
import waymark_client
from waymark_client import AsyncWaymark, Waymark, CheckpointManager
assert waymark_client.__file__.startswith(sys.prefix), waymark_client.__file__
user = sys.argv[1]
with Waymark() as waymark:
    report = waymark.crawl(user_id=user, id=str, fetch_page=lambda page_token, mode: ([20, 19], None), process=lambda items, **_: None)
    print(report.outcome, CheckpointManager(waymark, user).get_last_tweet_id())
try:
    Waymark(http="httpx")
except ImportError as error:
    print(error)
"""


def test_a_wheel_is_built_and_works_in_an_empty_environment_without_a_network(url, user, tmp_path):
    for module in ("build", "hatchling"):
        pytest.importorskip(module, reason="needs build tools: apt-get install python3-build python3-hatchling")
    pytest.importorskip("ensurepip", reason="needs pip: apt-get install python3-venv")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    run(build)
    [wheel] = tmp_path.glob("*.whl")
    assert wheel.name.startswith("waymark_client-0.1.0-py3-none-any")
    names = zipfile.ZipFile(wheel).namelist()
    assert "waymark_client/py.typed" in names and not any("test" in name for name in names)
    metadata = zipfile.ZipFile(wheel).read("waymark_client-0.1.0.dist-info/METADATA").decode()
    assert "Name: waymark-client" in metadata and "Requires-Python: >=3.9" in metadata
    required = [line for line in metadata.split("\n") if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert required == []
    environment = tmp_path / "environment"
    run([sys.executable, "-m", "venv", str(environment)])
    python = str(environment / "bin" / "python")
    run([python, "-m", "pip", "install", "--no-index", "--quiet", str(wheel)])
    printed = run([python, "-I", "-c", PROGRAM, user], cwd=tmp_path)
    assert printed.split("\n")[:2] == ["completed 19", "No module named 'httpx'"]


def run(command, cwd=None):
    environment = {**os.environ, "PYTHONPATH": "", "http_proxy": "http://127.0.0.1:9", "PIP_NO_CACHE_DIR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_each_module_is_written_in_the_syntax_of_python_3_9(module):
    ast.parse(module.read_text(), feature_version=(3, 9))
    assert "from __future__ import annotations" in module.read_text() or module.name in ("__init__.py", "version.py")


def test_the_package_needs_the_standard_library_only():
    """httpx and Scrapy are imported by the modules that are for them, and by no other."""
    standard = sys.stdlib_module_names | {"waymark_client"}
    for module in MODULES:
        imported = set()
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add((node.module or "").split(".")[0])
        allowed = {"_httpx.py": {"httpx"}, "client.py": {"httpx"}, "async_client.py": {"httpx"}}.get(module.name, set())
        allowed |= {"scrapy", "twisted"} if module.name == "scrapy.py" else set()
        assert imported <= standard | allowed, module.name
