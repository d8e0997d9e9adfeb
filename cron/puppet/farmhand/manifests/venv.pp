# @summary Installs farmhand for a machine: without what only manager hosts need.
#
# @param python
#   The interpreter of the virtual environment.
# @param requirements
#   Packages of other projects, with what they need themselves.
# @param version
#   farmhand's release, without what it needs elsewhere.
# @param pip_options
#   Options of `pip install`.
define farmhand::venv (
  Farmhand::Path $python,
  Array[String[1]] $requirements,
  String[1] $version,
  Array[String[1]] $pip_options,
) {
  $pip = ["${name}/bin/pip", 'install', '--disable-pip-version-check'] + $pip_options
  $installed = "${name}/farmhand-${version}"

  exec { "farmhand venv ${name}":
    command => [$python, '-m', 'venv', $name],
    creates => "${name}/bin/pip",
  }

  -> exec { "farmhand requirements ${name}":
    command => $pip + $requirements,
    creates => $installed,
    timeout => 900,
  }

  -> exec { "farmhand ${version} ${name}":
    command => $pip + ['--no-deps', "farmhand==${version}"],
    creates => $installed,
    timeout => 900,
  }

  -> file { $installed:
    ensure => file,
  }
}
