# @summary Serves slavealloc on a manager host. Use farmhand::manager, which has its parameters.
#
# @param farm
#   The farm's name.
# @param database
#   The farm database as slavealloc reaches it.
# @param settings
#   The section `slavealloc`.
# @param places
#   What stands in shipped files, and what is to stand there instead.
# @param started_by
#   What starts the nightly dump.
# @param user
#   Who serves it.
# @param nginx
#   Whether nginx's configuration is put there.
# @param manage_services
#   Whether it is enabled and started.
# @param config_dir
#   Where its configuration is.
# @param root
#   The directory that stands for `/`.
class farmhand::manager::slavealloc (
  String[1] $farm,
  Sensitive[String[1]] $database,
  Hash[String[1], Data] $settings,
  Hash[String, String] $places,
  Enum['cron', 'systemd', 'none'] $started_by,
  String[1] $user,
  Boolean $nginx,
  Boolean $manage_services,
  String[1] $config_dir,
  String $root,
) {
  $unit_dir = "${root}/etc/systemd/system"
  $environment = "${config_dir}/slavealloc-production.env"

  file { "${config_dir}/slavealloc.yml":
    ensure  => file,
    mode    => '0644',
    content => epp('farmhand/yaml.epp', {
        'source' => 'farmhand::manager',
        'data'   => { 'farm' => $farm, 'slavealloc' => $settings },
    }),
  }

  file { $environment:
    ensure    => file,
    owner     => $user,
    mode      => '0600',
    show_diff => false,
    content   => Sensitive(epp('farmhand/slavealloc.env.epp', {
          'config_file' => "${config_dir}/slavealloc.yml",
          'database'    => $database.unwrap,
    })),
  }

  file { "${root}/var/backups/slavealloc":
    ensure => directory,
    owner  => $user,
    mode   => '0700',
  }

  farmhand::unit { 'slavealloc@.service':
    unit_dir => $unit_dir,
    places   => $places,
  }

  if $started_by == 'cron' {
    file { "${root}/etc/cron.d/slavealloc":
      ensure  => file,
      mode    => '0644',
      content => farmhand::place(file('farmhand/slavealloc.cron'), $places),
    }
  }

  if $started_by == 'systemd' {
    farmhand::unit { ['slavealloc-dbdump.service', 'slavealloc-dbdump.timer']:
      unit_dir => $unit_dir,
      places   => $places,
    }
  }

  if $nginx {
    file { "${root}/etc/nginx/conf.d/slavealloc.conf":
      ensure  => file,
      mode    => '0644',
      content => farmhand::place(file('farmhand/nginx.conf'), $places),
    }
  }

  if $manage_services {
    # A new release is used from the next start on; `systemctl restart` answers first what was asked.
    service { 'slavealloc@production':
      ensure    => running,
      enable    => true,
      subscribe => [File[$environment], File["${config_dir}/slavealloc.yml"]],
      require   => [Farmhand::Unit['slavealloc@.service'], Exec['farmhand config check']],
    }
    if $started_by == 'systemd' {
      service { 'slavealloc-dbdump.timer':
        ensure  => running,
        enable  => true,
        require => Farmhand::Unit['slavealloc-dbdump.timer'],
      }
    }
    if $nginx {
      service { 'nginx':
        ensure    => running,
        restart   => '/usr/sbin/nginx -t && /usr/sbin/nginx -s reload',
        subscribe => File["${root}/etc/nginx/conf.d/slavealloc.conf"],
      }
    }
  }
}
