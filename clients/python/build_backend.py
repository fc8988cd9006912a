"""hatchling, asked for only where it is missing.

Debian 12's hatchling says that it needs `editables`, which Debian does not have, and which only editable installs use.
`python3 -m build --no-isolation` refuses it for that where pyproject.toml requires it outright.
"""

import importlib.util
import sys


def _missing():
    return [] if importlib.util.find_spec("hatchling") else ["hatchling"]


def get_requires_for_build_wheel(config_settings=None):
    return _missing()


def get_requires_for_build_sdist(config_settings=None):
    return _missing()


def get_requires_for_build_editable(config_settings=None):
    return [*_missing(), "editables>=0.3"]


def __getattr__(name):
    """The hooks that build something are hatchling's."""
    if name.startswith("build_") or name.startswith("prepare_"):
        import hatchling.build

        return getattr(hatchling.build, name)
    raise AttributeError(f"module {sys.modules[__name__].__name__} has no attribute {name}")
