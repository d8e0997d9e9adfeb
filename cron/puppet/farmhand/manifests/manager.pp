# @summary Makes a manager host: farmhand, its configuration, its cron jobs, and perhaps slavealloc.
#
# @param farm
#   The farm's name.
# @param settings
#   The other keys of farmhand.yml.
# @param secrets
#   What stands in secrets.yml instead: the scheduler database, the farm database.
# @param templates
#   Files beside farmhand.yml that it names, such as user data: name and text.
# @param started_by
#   What starts the jobs: cron, systemd, or nothing, on a host that waits for its turn.
# @param scanner
#   Whether build daemons are scanned.
# @param slavealloc_database
#   The farm database as slavealloc reaches it. Undefined: slavealloc is not served here.
# @param slavealloc_settings
#   The section `slavealloc`.
# @param slavealloc_name
#   The host name that machines and people ask. Staging's has `staging-` before it.
# @param nginx
#   Whether nginx's configuration is put there; the certificates are yours.
# @param logrotate
#   Whether logrotate's policy is put there. farmhand's logs rotate by themselves without.
# @param rules_dir
#   Where Prometheus reads rules, on its own host. Undefined: not here.
# @param mailto
#   Who gets cron's mails.
# @param user
#   Who runs the cron jobs.
# @param slavealloc_user
#   Who serves slavealloc.
# @param group
#   Whose members write metrics.
# @param manage_users
#   Whether the users and the group are made.
# @param manage_services
#   Whether timers and slavealloc are enabled and started.
# @param manage_package
#   Whether farmhand is installed, into `venv`-`version`, to which `venv` is a link.
# @param version
#   The release to install.
# @param pip_options
#   Options of `pip install`, such as the index to use.
# @param python
#   The interpreter of the virtual environment.
# @param venv
#   The link to the release in use.
# @param config_dir
#   Where farmhand.yml is, and secrets.yml.
# @param root
#   The directory that stands for `/`, for all other places.
class farmhand::manager (
  Pattern[/\A[A-Za-z0-9._-]{1,63}\z/] $farm,
  Hash[String[1], Data] $settings,
  Sensitive[Hash[String[1], Data]] $secrets,
  Hash[Pattern[/\A[\w.-]+\z/], String] $templates = {},
  Enum['cron', 'systemd', 'none'] $started_by = 'cron',
  Boolean $scanner = false,
  Optional[Sensitive[Pattern[/\A[^'\s]+\z/]]] $slavealloc_database = undef,
  Hash[String[1], Data] $slavealloc_settings = {},
  Pattern[/\A[a-z0-9.-]+\z/] $slavealloc_name = 'slavealloc.build.example.com',
  Boolean $nginx = false,
  Boolean $logrotate = false,
  Optional[Farmhand::Path] $rules_dir = undef,
  String[1] $mailto = 'root',
  Pattern[/\A[a-z_][\w-]*\z/] $user = 'buildduty',
  Pattern[/\A[a-z_][\w-]*\z/] $slavealloc_user = 'slavealloc',
  Pattern[/\A[a-z_][\w-]*\z/] $group = 'farmhand',
  Boolean $manage_users = true,
  Boolean $manage_services = true,
  Boolean $manage_package = true,
  Pattern[/\A\d+(\.\d+)*\w*\z/] $version = '0.1.0',
  Array[String[1]] $pip_options = [],
  Farmhand::Path $python = '/usr/bin/python3',
  Farmhand::Path $venv = '/opt/farmhand',
  Farmhand::Path $config_dir = '/etc/farmhand',
  Variant[Farmhand::Path, Enum['']] $root = '',
) {
  $metrics_dir = "${root}/var/lib/prometheus/node-exporter"
  $config_file = "${config_dir}/farmhand.yml"
  $secrets_file = "${config_dir}/secrets.yml"
  $unit_dir = "${root}/etc/systemd/system"
  $places = {
    '/opt/farmhand/'        => "${venv}/",
    '/etc/farmhand/'        => "${config_dir}/",
    '/var/'                 => "${root}/var/",
    'buildduty@example.com' => $mailto,
    '\bbuildduty\b'         => $user,
    '\* slavealloc set'       => "* ${slavealloc_user} set",
    'User=slavealloc\b'       => "User=${slavealloc_user}",
    'su slavealloc slavealloc' => "su ${slavealloc_user} ${slavealloc_user}",
    'slavealloc\.build\.example\.com' => $slavealloc_name,
  }

  if $manage_users {
    group { $group:
      ensure => present,
      system => true,
    }
    user { [$user, $slavealloc_user]:
      ensure => present,
      system => true,
      groups => [$group],
      shell  => '/usr/sbin/nologin',
      before => File[$config_dir],
    }
  }

  if $manage_package {
    farmhand::venv { "${venv}-${version}":
      python       => $python,
      requirements => ["farmhand==${version}"],
      version      => $version,
      pip_options  => $pip_options,
    }

    -> file { $venv:
      ensure => link,
      target => "${venv}-${version}",
      before => Exec['farmhand config check'],
    }
  }

  file { $config_dir:
    ensure => directory,
    mode   => '0755',
  }

  file { ["${root}/var/lib/farmhand", "${root}/var/log/farmhand"]:
    ensure => directory,
    owner  => $user,
    mode   => '0755',
    before => Exec['farmhand config check'],
  }

  file { ["${root}/var/lib/prometheus", $metrics_dir]:
    ensure => directory,
    group  => $group,
    mode   => '2775',
    before => Exec['farmhand config check'],
  }

  file { $config_file:
    ensure  => file,
    mode    => '0644',
    content => epp('farmhand/yaml.epp', {
        'source' => 'farmhand::manager',
        'data'   => { 'farm' => $farm } + $settings,
    }),
  }

  file { $secrets_file:
    ensure    => file,
    owner     => $user,
    mode      => '0600',
    show_diff => false,
    content   => Sensitive(epp('farmhand/yaml.epp', {
          'source' => 'farmhand::manager',
          'data'   => $secrets.unwrap,
    })),
  }

  $templates.each |String $name, String $text| {
    file { "${config_dir}/${name}":
      ensure  => file,
      mode    => '0644',
      content => $text,
      notify  => Exec['farmhand config check'],
    }
  }

  # A run of puppet that leaves a host that would not work says so.
  exec { 'farmhand config check':
    command     => [
      "${venv}/bin/farmhand", 'config', 'check', '-q', '-c', $config_file, '-k', $secrets_file,
    ],
    environment => ["FARMHAND_STATE=${root}/var/lib/farmhand"],
    refreshonly => true,
    subscribe   => [File[$config_file], File[$secrets_file]],
  }

  if $started_by == 'cron' {
    $crontab = farmhand::place(file('farmhand/crontab'), $places)
    $jobs = $scanner ? { true => $crontab, default => regsubst($crontab, '^.* scanner scan .*\n', '', 'G') }
    file { "${root}/etc/cron.d/farmhand":
      ensure  => file,
      mode    => '0644',
      content => $jobs,
      require => Exec['farmhand config check'],
    }
  }

  if $started_by == 'systemd' {
    $verbs = ['run', 'stop-idle', 'sanity', 'amis-prune']
    $scans = $scanner ? { true => ['scanner-scan@.service', 'scanner-scan@.timer'], default => [] }
    $scan_timers = $scanner ? { true => Integer[0, 14].map |$n| { "scanner-scan@${n}" }, default => [] }
    farmhand::unit { [
        'watch-pending@.service',
        'farmhand-config-check.service',
        'farmhand-config-check.timer',
      ] + $verbs.map |$verb| { "watch-pending-${verb}.timer" } + $scans:
        unit_dir => $unit_dir,
        places   => $places,
    }
    file { "${unit_dir}/watch-pending@amis-prune.service.d":
      ensure => directory,
      mode   => '0755',
    }
    file { "${unit_dir}/watch-pending@amis-prune.service.d/verb.conf":
      ensure  => file,
      mode    => '0644',
      content => farmhand::place(file('farmhand/systemd/amis-prune.conf'), $places),
    }
    if $manage_services {
      $timers = $verbs.map |$verb| { "watch-pending-${verb}" } + $scan_timers
      service { ($timers + ['farmhand-config-check']).map |$name| { "${name}.timer" }:
        ensure  => running,
        enable  => true,
        require => [Farmhand::Unit['watch-pending@.service'], Exec['farmhand config check']],
      }
    }
  }

  if $slavealloc_database {
    class { 'farmhand::manager::slavealloc':
      farm            => $farm,
      database        => $slavealloc_database,
      settings        => $slavealloc_settings,
      places          => $places,
      started_by      => $started_by,
      user            => $slavealloc_user,
      nginx           => $nginx,
      manage_services => $manage_services,
      config_dir      => $config_dir,
      root            => $root,
    }
  }

  if $logrotate {
    file { "${root}/etc/logrotate.d/farmhand":
      ensure  => file,
      mode    => '0644',
      content => farmhand::place(file('farmhand/logrotate'), $places),
    }
  }

  if $rules_dir {
    file { "${rules_dir}/farmhand.rules.yml":
      ensure  => file,
      mode    => '0644',
      content => file('farmhand/rules.yml'),
    }
  }
}
