"""The `runner` command: verbs and options. What a verb needs is imported inside it."""

import math
from pathlib import Path

import click

from farmhand.command import Result, Run, farm_command, verb_group
from farmhand.errors import BadInput

main = verb_group("runner", help="Ready this machine, let its worker work, and go round again.")


def complete_chores(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a task that comes with the runner."""
    from runner.chores.config import NAMES

    return [name for name in NAMES if name.startswith(incomplete)]


@farm_command(main, "run", command="runner", changes=True, deadline_s=math.inf, taken="n")
@click.option(
    "-n", "--times", type=click.IntRange(min=1), help="So many rounds.  [default: for ever]"
)
@click.option("-H", "--halt-after", is_flag=True, help="Run the halt task after the last round.")
@click.option("-g", "--get", metavar="SECTION.OPTION", help="Print a setting, and do nothing else.")
@click.argument("taskdir", required=False, type=click.Path(path_type=Path))
def run(
    run: Run, times: int | None, halt_after: bool, get: str | None, taskdir: Path | None
) -> Result:
    """Run the tasks of TASKDIR in order, round after round; the verb where none is named.

    Tasks before the one named `buildbot` ready the machine, those after it clean up. SIGTERM lets
    what is under way finish; a second one ends it.

    \b
    Examples:
      runner -c /etc/farmhand/farmhand.yml -v /etc/farmhand/tasks.d
      runner -c runner.cfg -n 30 -H tasks.d
      runner --dry-run tasks.d
      runner -c runner.cfg -g buildbot.max_time

    \b
    Exit codes: 0 done, or asked to stop; 1 `-g` of what is not set; 2 wrong options, tasks or
    configuration; 3 a task asked to halt or used up its tries; 75 another runner is at work;
    143 asked to stop more than once.
    """
    from runner.run import Options, print_option, run_rounds

    if get is not None:
        return print_option(run, get)
    if taskdir is None:
        raise BadInput("give a task directory: runner [OPTIONS] TASKDIR")
    options = Options(directory=taskdir.absolute(), times=times, halt=halt_after)
    return run_rounds(run, options)


@farm_command(main, "status", command="runner", changes=False)
def status(run: Run) -> Result:
    """Say what this machine's runner does, since when, and how its last ten rounds went."""
    from runner.status import show_status

    return show_status(run)


@farm_command(main, "worker", command="runner", changes=True, deadline_s=math.inf)
def worker(run: Run) -> Result:
    """Live one worker's life: fetch its tac, start it, see it connected, stop it gracefully.

    What the task `buildbot` runs. SIGTERM lets the build that runs end first.

    \b
    Exit codes are a task's: 0 go on, 2 halt, 3 exit, others: try again.
    """
    from runner.load import find_file_of_task, load_worker
    from runner.metadata import find_metadata
    from runner.processes import die_with_parent
    from runner.worker.life import run_worker

    if "RUNNER_CONFIG_CMD" in run.environ:
        die_with_parent()
    path = find_file_of_task(run.config_path, run.environ)
    common, settings = load_worker(path, run.environ)
    metadata = find_metadata(common.metadata_url, run.environ) if settings.notices else None
    return run_worker(run, settings, metadata)


@farm_command(main, "chore", command="runner", changes=True, deadline_s=math.inf)
@click.option("--yes", is_flag=True, help="Do it by hand, where only the runner may: halt.")
@click.argument("name", shell_complete=complete_chores)
def chore(run: Run, name: str, *, yes: bool) -> Result:
    """Do one of the tasks that come with the runner, as a file of its task directory does.

    \b
    Examples:
      runner chore check_ami --dry-run
      runner chore halt --yes

    \b
    Exit codes are a task's: 0 go on, 2 halt, 3 exit, others: try again. By hand also 2 wrong
    options or configuration, 75 another one is at work.
    """
    from runner.chores.frame import run_chore

    return run_chore(run, name, yes=yes)


if __name__ == "__main__":
    main()
