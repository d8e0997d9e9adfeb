# @summary Puts farmhand's runner on a machine: its tasks, its settings and its service.
#
# @param farm
#   The farm's name, as in the manager host's farmhand.yml.
# @param allocator_url
#   Where machines get their buildbot.tac, with SLAVE for the machine's name.
# @param settings
#   The section `runner` of farmhand.yml.
# @param runslave
#   The section `runslave`, besides `allocator_url`.
# @param tasks
#   The tasks that come with farmhand, by the names of their files.
# @param own_tasks
#   Other tasks: a file's name and its text.
# @param purge_tasks
#   Whether files of the task directory that are not named here go.
# @param machine
#   Variables of the service's environment. Undefined on EC2, where user data writes that file.
# @param at_boot
#   Whether the service starts at boot. Not on an image: there, user data starts it.
# @param manage_service
#   Whether the service is managed at all.
# @param manage_package
#   Whether farmhand is installed, into a virtual environment of its own.
# @param version
#   The release to install.
# @param requirements
#   Packages of other projects that a machine needs: configs/machine-requirements.txt.
# @param pip_options
#   Options of `pip install`, such as the index to use.
# @param python
#   The interpreter of the virtual environment.
# @param venv
#   Where the virtual environment is.
# @param config_dir
#   Where farmhand.yml is, and the tasks.
# @param state_dir
#   Where the runner keeps what outlasts a reboot.
# @param log_dir
#   Where the runner logs, besides the journal. It rotates its log itself. Undefined: the journal only.
# @param metrics_dir
#   Where node_exporter reads textfiles. Undefined: no metrics.
# @param unit_dir
#   Where systemd's units are.
# @param after
#   Units that the runner starts after.
# @param masked_services
#   Units that would start a worker too.
# @param stop_timeout
#   How long systemd waits for a build when the service is stopped, in its own words.
# @param owner
#   Who owns the files.
# @param group
#   The files' group.
class farmhand::runner (
  Pattern[/\A[a-z0-9-]{1,24}\z/] $farm,
  Pattern[/\Ahttps?:\/\/\S+\z/] $allocator_url,
  Hash[String[1], Data] $settings = {},
  Hash[String[1], Data] $runslave = {},
  Array[Farmhand::Task] $tasks = ['4-buildbot', 'halt.sh'],
  Hash[Farmhand::Task, String[1]] $own_tasks = {},
  Boolean $purge_tasks = true,
  Optional[Hash[Pattern[/\A[A-Z_]+\z/], String]] $machine = undef,
  Boolean $at_boot = true,
  Boolean $manage_service = true,
  Boolean $manage_package = true,
  Pattern[/\A\d+(\.\d+)*\w*\z/] $version = '0.1.0',
  Array[String[1]] $requirements = [
    'click>=8.2',
    'prometheus-client>=0.21',
    'pydantic>=2.11',
    'PyYAML>=6.0',
    'rich>=14',
    'urllib3>=2',
  ],
  Array[String[1]] $pip_options = [],
  Farmhand::Path $python = '/usr/bin/python3',
  Farmhand::Path $venv = '/opt/farmhand',
  Farmhand::Path $config_dir = '/etc/farmhand',
  Farmhand::Path $state_dir = '/var/lib/farmhand',
  Optional[Farmhand::Path] $log_dir = undef,
  Optional[Farmhand::Path] $metrics_dir = undef,
  Farmhand::Path $unit_dir = '/etc/systemd/system',
  Array[String[1]] $after = ['network-online.target', 'puppet.service'],
  Array[String[1]] $masked_services = [],
  String[1] $stop_timeout = '6h',
  String[1] $owner = 'root',
  String[1] $group = 'root',
) {
  $tasks_dir = "${config_dir}/tasks.d"
  $config_file = "${config_dir}/farmhand.yml"
  $machine_file = "${config_dir}/machine.env"
  $unit_file = "${unit_dir}/runner.service"

  File {
    owner => $owner,
    group => $group,
  }

  if $manage_package {
    farmhand::venv { $venv:
      python       => $python,
      requirements => $requirements,
      version      => $version,
      pip_options  => $pip_options,
      before       => File[$config_file],
    }
  }

  file { [$config_dir, $state_dir]:
    ensure => directory,
    mode   => '0755',
  }

  if $log_dir {
    file { $log_dir:
      ensure => directory,
      mode   => '0755',
      before => File[$unit_file],
    }
  }

  file { $config_file:
    ensure  => file,
    mode    => '0644',
    content => epp('farmhand/farmhand.yml.epp', {
        'farm'     => $farm,
        'runner'   => $settings,
        'runslave' => { 'allocator_url' => $allocator_url } + $runslave,
    }),
  }

  if $machine {
    file { $machine_file:
      ensure  => file,
      mode    => '0644',
      content => epp('farmhand/machine.env.epp', { 'variables' => $machine }),
      before  => File[$unit_file],
    }
  }

  file { $tasks_dir:
    ensure  => directory,
    mode    => '0755',
    purge   => $purge_tasks,
    recurse => $purge_tasks,
  }

  $tasks.each |String $task| {
    file { "${tasks_dir}/${task}":
      ensure  => file,
      mode    => '0755',
      content => epp('farmhand/task.epp', { 'task' => $task, 'venv' => $venv }),
    }
  }

  $own_tasks.each |String $task, String $text| {
    file { "${tasks_dir}/${task}":
      ensure  => file,
      mode    => '0755',
      content => $text,
    }
  }

  file { $unit_file:
    ensure  => file,
    mode    => '0644',
    content => epp('farmhand/runner.service.epp', {
        'after'        => $after,
        'venv'         => $venv,
        'tasks_dir'    => $tasks_dir,
        'config_file'  => $config_file,
        'machine_file' => $machine_file,
        'state_dir'    => $state_dir,
        'log_dir'      => $log_dir,
        'metrics_dir'  => $metrics_dir,
        'stop_timeout' => $stop_timeout,
    }),
  }

  if $manage_service {
    service { $masked_services:
      ensure => stopped,
      enable => 'mask',
      before => Service['runner'],
    }

    # What changes is read before the next round; only a machine's boot, or its user data, starts it.
    service { 'runner':
      enable  => $at_boot,
      require => [File[$unit_file], File[$config_file]],
    }
  }
}
