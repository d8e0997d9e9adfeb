"""A farm that is configured with the original's own files, laid out as its cron job has them."""

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.farm import COMMAND_TIMEOUT_S, REGIONS, Farm
from tests.processes import Finished
from tests.run_here import run_here
from watch_pending.cli import main

COMMAND_LINE = (
    "watch-pending -k secrets/aws-secrets.json -c ../configs/watch_pending.cfg"
    " -r us-west-2 -r us-east-1 --cached-cert-dir secrets/cached_certs -l aws_watch_pending.log"
)


@dataclass(kw_only=True, slots=True)
class OldFarm:
    """`cfg`, `secrets` and `types` are the files as data; they are written before each run."""

    farm: Farm
    cfg: dict[str, Any]
    secrets: dict[str, Any]
    types: dict[str, Any]
    user_data: str = "#!/bin/sh\necho {fqdn} {region_dns_atom} {moz_instance_type}\n"
    secrets_mode: int = 0o600
    environ: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, farm: Farm) -> "OldFarm":
        """Make spot machines of bld-linux64, and on-demand ones of try-linux64, launchable."""
        rule = {"instance_type": "c7i.xlarge", "bid_price": 0.2, "performance_constant": 1}
        limits = {scope: {"bld-linux64": 20} for scope in ("global", *REGIONS)}
        return cls(
            farm=farm,
            cfg={
                "region_priorities": {"us-west-2": 6, "us-east-1": 5},
                "buildermap": {
                    "^Firefox try linux(32|64) l10n": "try-linxu64",
                    "^Linux x86-64 try": "try-linux64",
                    "^Linux": "bld-linux64",
                },
                "spot": {"rules": {"bld-linux64": [rule]}, "limits": limits},
                "ondemand": {"limits": {"global": {"bld-linux64": 5, "try-linux64": 5}}},
            },
            secrets={"db": farm.watch["scheduler_db"]},
            types={name: _make_type(farm, name) for name in ("bld-linux64", "try-linux64")},
        )

    @property
    def directory(self) -> Path:
        """Where the cron job stands."""
        return self.farm.directory / "scripts"

    @property
    def certificates(self) -> Path:
        """Where `--cached-cert-dir` points."""
        return self.directory / "secrets" / "cached_certs"

    @property
    def log(self) -> str:
        """What `-l` has written."""
        return (self.directory / "aws_watch_pending.log").read_text()

    @property
    def whole_environ(self) -> dict[str, str]:
        """The cron job's environment, with the rights of this farm's role."""
        environ = {**self.farm.environ, **self.environ}
        return {**environ, "AWS_ACCESS_KEY_ID": f"{environ.get('FARMHAND_FARM', 'default')}.all"}

    def write(self) -> None:
        """Write the files."""
        configs, secrets = self.farm.directory / "configs", self.directory / "secrets"
        for folder in (configs, secrets):
            folder.mkdir(parents=True, exist_ok=True)
        (configs / "watch_pending.cfg").write_text(json.dumps(self.cfg))
        for name, data in self.types.items():
            (configs / name).write_text(json.dumps(data))
            (configs / f"{name}.user-data").write_text(self.user_data)
        path = secrets / "aws-secrets.json"
        path.write_text(json.dumps(self.secrets))
        path.chmod(self.secrets_mode)

    def run(self, *more: str) -> Finished:
        """Run the seed's own command line, perhaps with more options."""
        self.write()
        _, *words = shlex.split(COMMAND_LINE)
        return run_here(main, [*words, *more], self.whole_environ, self.directory)

    def run_from_cron(self) -> Finished:
        """Run the seed's own command line as it is installed."""
        self.write()
        program, *words = shlex.split(COMMAND_LINE)
        done = subprocess.run(
            [str(Path(sys.executable).with_name(program)), *words],
            env=self.whole_environ,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        return Finished(code=done.returncode, out=done.stdout, err=done.stderr)


def _make_type(farm: Farm, name: str) -> dict[str, Any]:
    regions = {
        region: {
            "type": name,
            "domain": f"build.{region}.example.com",
            "ami": "ami-of-the-bare-system",
            "subnet_ids": [*farm.subnets[region], farm.subnets[region][0]],
            "security_group_ids": [],
            "instance_type": "c7i.xlarge",
            "distro": "centos",
            "use_public_ip": True,
            "device_map": {"/dev/sda1": {"size": 20, "volume_type": "gp2"}},
            "tags": {"moz-type": name},
        }
        for region in REGIONS
    }
    return {"hostname": f"{name}-ec2-%03d", "comment": "prose is passed over", **regions}
