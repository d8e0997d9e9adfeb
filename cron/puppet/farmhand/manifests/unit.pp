# @summary Puts one of the shipped units there, its places changed.
#
# @param unit_dir
#   Where systemd's units are.
# @param places
#   What stands there, and what is to stand there instead.
define farmhand::unit (
  String[1] $unit_dir,
  Hash[String, String] $places,
) {
  file { "${unit_dir}/${name}":
    ensure  => file,
    mode    => '0644',
    content => farmhand::place(file("farmhand/systemd/${name}"), $places),
  }
}
